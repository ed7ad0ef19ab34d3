"""Holds as orders and shipping ask for them, on a real database: the scenarios of the stores."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from contracts.inventory import (
    ExtendHold,
    GoodsTaken,
    HoldEnding,
    HoldsChanged,
    HoldsDecided,
    StockState,
    StoreState,
    TakeOutRefused,
)
from inventory.holds import handlers

from .conftest import Line, Shop, check_explained, rows, tea


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


async def test_goods_of_a_separate_hold_go_out_of_temporary_storage(shop: Shop) -> None:
    """Temporary storage 3, handed over: temporary storage 0, main unchanged (14)."""
    await shop.receive("10")
    line = tea("3")
    order = await shop.hold(line, method="separate")
    await shop.take_out(order, line)
    stock = await shop.stock()
    below = stock["temporary_storage"]
    assert (below["on_hand"], below["held"]) == ("0", "0")
    assert stock["main"]["on_hand"] == "7"
    (taken,) = await shop.bench.said(GoodsTaken)
    assert [str(one.taken) for one in taken.lines] == ["3"]
    await check_explained(shop.bench.db)


async def test_a_nominal_hold_only_counts(shop: Shop) -> None:
    """On hand 10, hold 4: available 6; ship 4: on hand 6, available 6, held 0 (30)."""
    await shop.receive("10")
    line = tea("4")
    order = await shop.hold(line)
    before = (await shop.stock())["main"]
    assert (before["on_hand"], before["available"], before["held"]) == ("10", "6", "4")
    assert rows(await shop.bench.http.get("/transfers")) == []
    await shop.take_out(order, line)
    after = (await shop.stock())["main"]
    assert (after["on_hand"], after["available"], after["held"]) == ("6", "6", "0")
    movements = rows(await shop.bench.http.get("/stock/movements", params={"sku": "TEA"}))
    assert [(one["kind"], one["quantity"]) for one in movements] == [
        ("receipt", "10"),
        ("hand_over", "-4"),
    ]


async def test_two_buyers_of_the_last_unit(shop: Shop) -> None:
    """One wins, the other awaits (30)."""
    await shop.receive("1")
    one, two = await shop.hold(tea("1")), await shop.hold(tea("1"))
    assert (await shop.held(one), await shop.held(two)) == (["1"], ["0"])


async def test_selling_held_goods_breaks_the_hold_visibly(shop: Shop) -> None:
    """Main 10, 3 held; 9 sold with `warn`: the ordered-goods report shows 2 missing (4)."""
    await shop.receive("10")
    mine = await shop.hold(tea("3"))
    line = tea("9")
    await shop.take_out(await shop.hold(line), line)
    main = (await shop.stock())["main"]
    assert (main["on_hand"], main["held"], main["broken"]) == ("1", "3", "2")
    (broken,) = rows(await shop.bench.http.get("/holds/broken"))
    assert (broken["sku"], broken["broken"]) == ("TEA", "2")
    assert [one["order_id"] for one in broken["holds"]] == [str(mine)]
    await check_explained(shop.bench.db)


async def test_selling_held_goods_is_blocked_without_a_manager(shop: Shop) -> None:
    """With `block` the sale of 9 is refused, and a manager's override lets it through (4)."""
    await shop.settings(held_goods_sale="block")
    await shop.receive("10")
    await shop.hold(tea("3"))
    line = tea("9")
    order = await shop.hold(line)
    await shop.take_out(order, line)
    (refused,) = await shop.bench.said(TakeOutRefused)
    assert refused.reason == "held_for_others"
    assert [(str(one.wanted), str(one.available)) for one in refused.shortages] == [("9", "7")]
    assert (await shop.stock())["main"]["on_hand"] == "10"
    await shop.take_out(order, line, override=True)
    assert (await shop.stock())["main"]["on_hand"] == "1"


async def test_a_hand_over_may_overtake_its_order(shop: Shop) -> None:
    """Goods handed over before the hold command came are counted when it comes."""
    await shop.receive("10")
    line = tea("2")
    wish = shop.wish(Line(line.line_id, "TEA", "3"))
    await shop.take_out(wish.order_id, line)
    early = await shop.last(wish.order_id)
    assert (early.revision, str(early.lines[0].taken)) == (0, "2")
    await shop.bench.deliver(wish)
    (line_now,) = (await shop.last(wish.order_id)).lines
    assert (str(line_now.wanted), str(line_now.held), str(line_now.taken)) == ("3", "1", "2")
    assert (await shop.stock())["main"]["held"] == "1"


async def test_a_release_that_overtakes_its_order_wins(shop: Shop) -> None:
    """An order cancelled at once holds nothing, whichever command comes first; restored it does."""
    await shop.receive("10")
    wish = shop.wish(tea("3"), method="separate")
    await shop.release(wish.order_id, revision=2)
    await shop.bench.deliver(wish)
    assert (await shop.last(wish.order_id)).released
    assert (await shop.stock())["main"]["on_hand"] == "10"
    await shop.bench.deliver(wish.model_copy(update={"revision": 3}))
    last = await shop.last(wish.order_id)
    assert (last.method, last.released, str(last.lines[0].held)) == ("separate", False, "3")
    assert last.lines[0].line_id == wish.lines[0].line_id


async def test_a_shipment_asked_twice_is_taken_once(shop: Shop) -> None:
    """The same shipment again gets the same answer, and no goods leave twice."""
    await shop.receive("10")
    line = tea("2")
    order = await shop.hold(line)
    asked = shop.take_out_of(order, line)
    await shop.bench.deliver(asked, asked)
    first, second = await shop.bench.said(GoodsTaken)
    assert first.taken == second.taken
    assert (await shop.stock())["main"]["on_hand"] == "8"


async def test_a_released_separate_hold_waits_to_be_put_back(shop: Shop) -> None:
    """Its goods stay in temporary storage, free, with a task; an employee returns them (6)."""
    await shop.receive("10")
    order = await shop.hold(tea("3"), method="separate")
    await shop.release(order)
    below = (await shop.stock())["temporary_storage"]
    assert (below["on_hand"], below["held"], below["available"]) == ("3", "0", "3")
    waiting = await shop.hold(tea("8"))
    assert await shop.held(waiting) == ["7"], "what lies apart is promised to nobody"
    (task,) = rows(await shop.bench.http.get("/holds/put-backs"))
    assert (task["order_id"], task["quantity"]) == (str(order), "3")
    answer = await shop.bench.http.post(f"/holds/{task['hold_id']}/put-back")
    assert answer.status_code == 200, answer.text
    stock = await shop.stock()
    assert (stock["main"]["on_hand"], stock["temporary_storage"]["on_hand"]) == ("10", "0")
    assert await shop.held(waiting) == ["8"], "what came back serves those who wait"
    assert rows(await shop.bench.http.get("/holds/put-backs")) == []
    await check_explained(shop.bench.db)


async def test_at_its_end_a_hold_is_told_once_and_nothing_moves(shop: Shop) -> None:
    """Held until 10 May; on 11 May still 3, one reminder; an employee returns it: main 10 (6)."""
    await shop.receive("10")
    end = datetime.now(UTC) + timedelta(days=3)
    order = await shop.hold(tea("3"), method="separate", until=end)

    async def remind(at: datetime) -> None:
        await shop.bench.db.run(lambda tx: handlers.remind(tx, now=at))

    await remind(end - timedelta(hours=25))
    assert await shop.bench.said(HoldEnding) == []
    for at in (end - timedelta(hours=23), end - timedelta(hours=22)):
        await remind(at)
    for at in (end + timedelta(hours=1), end + timedelta(hours=9)):
        await remind(at)
    told = await shop.bench.said(HoldEnding)
    assert [(one.order_id, one.ended) for one in told] == [(order, False), (order, True)]
    assert (await shop.stock())["temporary_storage"]["held"] == "3"
    answer = await shop.bench.http.post(f"/holds/{order}/put-back", json={})
    assert answer.json()["state"] == "put_back"
    assert (await shop.stock())["main"]["available"] == "10"
    assert [one.cause for one in await shop.bench.said(HoldsChanged)] == ["put_back"]
    await check_explained(shop.bench.db)


async def test_an_extended_hold_is_told_again_at_its_new_end(shop: Shop) -> None:
    """Orders extends a hold: the reminder moves with the end."""
    await shop.receive("5")
    soon, later = (datetime.now(UTC) + timedelta(days=days) for days in (3, 9))
    order = await shop.hold(tea("3"), until=soon)
    command = ExtendHold(order_id=order, warehouse_id=shop.warehouse_id, until=later)
    await shop.bench.deliver(command)
    (changed,) = await shop.bench.said(HoldsChanged)
    assert (changed.cause, changed.until) == ("extended", later)
    await shop.bench.db.run(lambda tx: handlers.remind(tx, now=soon))
    assert await shop.bench.said(HoldEnding) == []
    await shop.bench.db.run(lambda tx: handlers.remind(tx, now=later))
    assert [one.ended for one in await shop.bench.said(HoldEnding)] == [True]


async def test_goods_handed_over_are_reminded_of_no_more(shop: Shop) -> None:
    """Nobody is told of the end of a hold whose goods are gone."""
    await shop.receive("5")
    line = tea("3")
    await shop.take_out(await shop.hold(line), line)
    far = datetime.now(UTC) + timedelta(days=30)
    await shop.bench.db.run(lambda tx: handlers.remind(tx, now=far))
    assert await shop.bench.said(HoldEnding) == []


async def test_facts_of_an_order_are_numbered_without_a_gap(shop: Shop) -> None:
    """Holds, arrivals, reminders and hand-overs of one order count on from one another."""
    await shop.receive("1")
    line = tea("3")
    end = datetime.now(UTC) + timedelta(days=3)
    order = await shop.hold(line, until=end)
    await shop.receive("2")
    await shop.bench.db.run(lambda tx: handlers.remind(tx, now=end))
    await shop.take_out(order, line)
    await shop.release(order)
    async with shop.bench.db.reading() as tx:
        found = await tx.execute(
            sa.text("SELECT version FROM outbox WHERE topic = 'inventory.holds' ORDER BY position")
        )
    assert list(found.scalars()) == [1, 2, 3, 4, 5]


async def test_freed_goods_reach_as_many_as_they_serve(shop: Shop) -> None:
    """A released hold of 5 serves those who wait for 2, 2 and 2 by their turn: 2, 2, 1 (39)."""
    await shop.receive("5")
    first = await shop.hold(tea("5"))
    waiting = [await shop.hold(tea("2")) for _ in range(4)]
    await shop.release(first)
    assert [await shop.held(one) for one in waiting] == [["2"], ["2"], ["1"], ["0"]]
    changed = await shop.bench.said(HoldsChanged)
    assert [one.order_id for one in changed] == waiting[:3]
    await shop.receive("2")
    assert [await shop.held(one) for one in waiting] == [["2"], ["2"], ["2"], ["1"]]
    await check_explained(shop.bench.db)
