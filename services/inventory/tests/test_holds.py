"""Holds as orders and shipping ask for them, on a real database: the scenarios of the stores."""

from contracts.inventory import HoldsChanged, HoldsDecided, StockState, StoreState

from .conftest import Shop, check_explained, tea


async def test_a_separate_hold_moves_the_goods_with_a_document(shop: Shop) -> None:
    """Main 10, order 3 held separate: a transfer exists, main 7, temporary storage 3 (1)."""
    await shop.receive("10")
    order = await shop.hold(tea("3"), method="separate")
    stock = await shop.stock()
    assert (stock["main"]["on_hand"], stock["main"]["available"]) == ("7", "7")
    lying = stock["temporary_storage"]
    assert (lying["on_hand"], lying["held"], lying["available"]) == ("3", "3", "0")
    answer = await shop.bench.http.get("/transfers", params={"order_id": str(order)})
    (transfer,) = answer.json()["items"]
    assert transfer["state"] == "posted"
    assert transfer["from"] == str(shop.warehouse_id)
    assert [(one["sku"], one["quantity"]) for one in transfer["lines"]] == [("TEA", "3")]
    assert await shop.held(order) == ["3"]
    await check_explained(shop.bench.db)


async def test_the_first_separate_hold_makes_the_temporary_storage(shop: Shop) -> None:
    """The first separate hold creates the temporary storage, the second reuses it (2)."""
    await shop.receive("10")
    await shop.hold(tea("3"), method="separate")
    await shop.hold(tea("2"), method="separate")
    warehouses = (await shop.bench.http.get("/warehouses")).json()["items"]
    below = [one for one in warehouses if one["kind"] == "temporary_storage"]
    assert [one["parent_id"] for one in below] == [str(shop.warehouse_id)]
    states = await shop.bench.said(StoreState)
    assert [len(state.warehouses) for state in states] == [0, 1, 2]
    assert (await shop.stock())["temporary_storage"]["held"] == "5"


async def test_a_shortage_holds_what_there_is(shop: Shop) -> None:
    """Needed 5, in stock 3: 3 held, 2 awaiting (15)."""
    await shop.receive("3")
    order = await shop.hold(tea("5"))
    (decided,) = await shop.bench.said(HoldsDecided)
    (line,) = decided.lines
    assert (decided.order_id, decided.revision) == (order, 1)
    assert (str(line.wanted), str(line.held), str(line.taken)) == ("5", "3", "0")
    states = await shop.bench.said(StockState)
    assert (str(states[-1].held), str(states[-1].available)) == ("3", "0")


async def test_an_arrival_serves_the_earlier_order_whole(shop: Shop) -> None:
    """Stock 5, order one wants 25, order two 1; 20 arrive: one has 25, two still waits (50)."""
    await shop.receive("5")
    one = await shop.hold(tea("25"))
    two = await shop.hold(tea("1"))
    await shop.receive("20")
    assert await shop.held(one) == ["25"]
    assert await shop.held(two) == ["0"]
    (changed,) = await shop.bench.said(HoldsChanged)
    assert (changed.order_id, changed.cause) == (one, "arrival")
    await shop.receive("1")
    assert await shop.held(two) == ["1"]
    await check_explained(shop.bench.db)
