"""Taking orders on a real database."""

from chassis.testing import Bench
from contracts.inventory import HoldGoods
from contracts.orders import OrderPlaced, OrderProgressed

from .conftest import decided, see, take


async def test_an_order_is_taken_and_its_goods_are_held(shop: Bench) -> None:
    """Five at 200 are an order over 1,000 whose goods are asked for, then held, then ready."""
    order = await take(shop, customer_name="Anna Berg")
    assert order["status"] == "agreed"
    assert order["total"] == "1000.00"
    assert order["due"] == "1000.00"
    assert order["customer"] == {"id": None, "name": "Anna Berg"}
    [placed] = await shop.said(OrderPlaced)
    [asked] = await shop.said(HoldGoods)
    assert placed.changed == ("placed",)
    assert asked.revision == placed.revision == 1
    await shop.deliver(decided(order))
    after = await see(shop, order)
    assert after["status"] == "ready"
    assert after["lines"][0]["held"] == "5"
    [progressed] = await shop.said(OrderProgressed)
    assert progressed.changed == ("status",)
    assert [row["what"] for row in after["history"]] == ["placed", "holds_decided"]
