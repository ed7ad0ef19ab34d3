"""What billing hears: repeated, shuffled, and taken back."""

from decimal import Decimal

import sqlalchemy as sa
from chassis.ids import uuid7
from chassis.testing import Bench, record_of
from contracts.billing import HandOverSettled
from contracts.orders import CustomerErased
from contracts.shipping import ShipmentPosting, ShipmentRefused

from .conftest import NOW, Shop, customer_state, order_placed, shipment_posted


async def test_hand_over_told_three_times_is_settled_once(shop: Shop) -> None:
    """The same fact delivered again moves nothing."""
    order = await shop.order()
    record = record_of(shipment_posted(order, shop.store_id, "400", "1000"), 1)
    for _ in range(3):
        await shop.bench.deliver_record(record)
    assert len(await shop.bench.said(HandOverSettled)) == 1
    assert (await shop.figures(order))["due_now"] == Decimal(400)


async def test_shipments_that_move_no_money(shop: Shop) -> None:
    """A shipment that is being posted, or was refused, is nothing to billing."""
    order, shipment = await shop.order(), uuid7()
    common = {
        "shipment_id": shipment,
        "order_id": order,
        "store_id": shop.store_id,
        "kind": "hand_over",
        "at": NOW,
        "by": "clerk",
    }
    await shop.bench.deliver(
        ShipmentPosting(**common), ShipmentRefused(**common, reason="goods_missing", shortages=())
    )
    assert await shop.bench.said() == []
    assert await shop.bench.parked() == []


async def test_any_order_of_facts_ends_alike(shop: Shop) -> None:
    """Whether the order or its goods are heard of first, the account ends the same."""
    ends = []
    for goods_first in (True, False):
        placed = order_placed(shop.store_id, Decimal(500))
        shipped = shipment_posted(placed.order_id, shop.store_id, "200", "500")
        facts = (shipped, placed) if goods_first else (placed, shipped)
        await shop.bench.deliver(*facts)
        async with shop.bench.db.reading() as tx:
            row = await tx.execute(
                sa.text(
                    "SELECT total, due_now, shipped_value, placed, number, version "
                    "FROM order_account WHERE order_id = :id"
                ),
                {"id": placed.order_id},
            )
            ends.append(tuple(row.one()))
    assert ends[0] == ends[1] == (500, 200, 200, True, "S1-000042", 1)


async def names(billing: Bench) -> dict[str, str]:
    async with billing.db.reading() as tx:
        rows = await tx.execute(sa.text("SELECT customer_key, name FROM customer"))
        return {row.customer_key: row.name for row in rows}


async def test_erased_customer_is_unreadable(shop: Shop) -> None:
    """A customer's name is kept for papers, follows changes, and is forgotten when erased."""
    await shop.bench.deliver(customer_state("c1", "Ann Lee", "en"))
    await shop.bench.deliver(customer_state("c1", "Ann Smith", "fi"))
    assert await names(shop.bench) == {"c1": "Ann Smith"}
    await shop.bench.deliver(CustomerErased(customer_key="c1"))
    assert await names(shop.bench) == {}


async def test_hand_over_that_a_restored_shipping_posts_again(shop: Shop) -> None:
    """The same shipment under another version counts once."""
    order = await shop.order()
    first = shipment_posted(order, shop.store_id, "400", "1000")
    second = shipment_posted(order, shop.store_id, "100", "600")
    for shipped, version in ((first, 1), (first, 2), (second, 1)):
        await shop.bench.deliver_record(record_of(shipped, version))
    assert [one.value for one in await shop.bench.said(HandOverSettled)] == [400, 100]
    assert (await shop.figures(order))["due_now"] == Decimal(500)
    assert await shop.bench.parked() == []
