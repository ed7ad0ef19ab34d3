"""What the other services say, through the subscribers, on a real database."""

from datetime import UTC, datetime, timedelta
from uuid import uuid5

from chassis.consumer import Consumer
from chassis.ids import uuid7
from chassis.testing import Bench, record_of
from contracts.devices import PrintPaper
from contracts.inventory import HoldGoods
from contracts.orders import OrderChanged, OrderProgressed
from orders.orders import handlers

from .conftest import (
    MAIN,
    STORE,
    TEMPORARY,
    decided,
    paid,
    posting,
    refunded,
    see,
    shipped,
    store_state,
    take,
)


async def test_held_goods_make_an_order_ready(shop: Bench) -> None:
    """All held is ready, and the customer is told once; the decision again tells nothing."""
    order = await take(shop)
    assert order["holds_decided"] is False
    await shop.deliver(decided(order))
    after = await see(shop, order)
    assert (after["status"], after["lines"][0]["held"]) == ("ready", "5")
    assert after["holds_decided"] is True
    await shop.deliver(decided(order), version=1)
    [fact] = await shop.said(OrderProgressed)
    assert (fact.changed, fact.by) == (("status",), "inventory")


async def test_a_shortage_is_awaited(shop: Bench) -> None:
    """Needed 5, in stock 3: 3 held, 2 awaiting, in progress."""
    order = await take(shop)
    await shop.deliver(decided(order, "3"))
    after = await see(shop, order)
    line = after["lines"][0]
    assert (after["status"], line["held"], line["awaiting"]) == ("in_progress", "3", "2")


async def test_the_settlement_says_what_is_left(shop: Bench) -> None:
    """Ordered 5 at 200, shipped 2: shipped 2 and 400, left 3 and 600."""
    order = await take(shop)
    await shop.deliver(decided(order), shipped(order, "2", "400"))
    part = (await shop.said(OrderProgressed))[-1]
    assert (part.status, part.changed) == ("ready", ("status",))  # The customer is told.
    assert (await see(shop, order))["settlement"] == {
        "shipped_quantity": "2",
        "shipped_amount": "400.00",
        "left_quantity": "3",
        "left_amount": "600.00",
    }


async def test_goods_that_left_before_their_price_fell_keep_it(shop: Bench) -> None:
    """Priced at 160 while all 5 went out at 200: the total is the 1,000 of the hand-over."""
    order = await take(shop)
    path = f"/orders/{order['id']}/lines/{order['lines'][0]['id']}"
    headers = {"If-Match": f'"{order["version"]}"'}
    lower = await shop.http.patch(path, json={"unit_price": "160"}, headers=headers)
    assert (lower.status_code, lower.json()["total"]) == (200, "800.00")
    await shop.deliver(shipped(order, "5", "1000.00"), paid(order, "1000"))
    after = await see(shop, order)
    assert (after["total"], after["lines"][0]["amount"]) == ("1000.00", "1000.00")
    assert (after["status"], after["financial_status"]) == ("closed", "paid")
    told = (await shop.said(OrderChanged))[-1]
    assert (told.total, told.lines[0].amount, told.changed) == (1000, 1000, ())


async def test_no_price_changes_while_goods_are_handed_over(shop: Bench) -> None:
    """A new price is refused until the shipment's outcome is known, as a smaller quantity is."""
    order, id = await take(shop), uuid7()
    path = f"/orders/{order['id']}/lines/{order['lines'][0]['id']}"
    headers = {"If-Match": f'"{order["version"]}"'}
    await shop.deliver(posting(order, id))
    refused = await shop.http.patch(path, json={"unit_price": "160"}, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (409, "being-handed-over")
    assert (await see(shop, order))["total"] == "1000.00"


async def test_money_in_any_order_with_goods_closes_the_order(shop: Bench) -> None:
    """A payment of 100 that names no document counts; the rest, then the goods, close it."""
    order = await take(shop)
    await shop.deliver(paid(order, "100"))
    assert (await see(shop, order))["financial_status"] == "partly_paid"
    await shop.deliver(paid(order, "1000", "900"), shipped(order, "5", "1000"))
    await shop.deliver(decided(order, "0", taken="5"))
    after = await see(shop, order)
    assert (after["status"], after["financial_status"], after["due"]) == ("closed", "paid", "0.00")
    whats = [row["what"] for row in after["history"]]
    assert whats == ["placed", "payment_posted", "payment_posted", "goods_handed_over",
                     "holds_decided"]  # fmt: skip


async def test_each_fact_is_said_with_the_next_version(shop: Bench) -> None:
    """A follower of the order can see that it missed nothing."""
    order = await take(shop)
    await shop.deliver(decided(order, "3"), paid(order, "100"), shipped(order, "2", "400"))
    async with shop.db.reading() as tx:
        rows = await tx.exec_driver_sql(
            "SELECT version FROM outbox WHERE topic = 'orders.orders' ORDER BY position"
        )
        assert list(rows.scalars()) == [1, 2, 3, 4]


async def test_a_deposit_prints_its_receipt_once(shop: Bench) -> None:
    """A payment that leaves a deposit asks for its paper; one that settles a debt does not."""
    order = await take(shop, customer_name="Anna Berg")
    payment = paid(order, "300", deposit_left="300")
    await shop.deliver(payment)
    [paper] = await shop.said(PrintPaper)
    assert paper.job_id == uuid5(payment.payment_id, "deposit_receipt")
    assert (str(paper.payment), str(paper.due), paper.store_id) == ("300", "700.00", STORE)
    assert "Anna" not in paper.model_dump_json()
    await shop.deliver(shipped(order, "5", "1000"), paid(order, "1000", "700"))
    assert len(await shop.said(PrintPaper)) == 1


async def test_a_deposits_receipt_does_not_wait_for_news_of_the_goods(shop: Bench) -> None:
    """Goods heard of before their deposit, or after it: the receipt is printed either way."""
    first, second = await take(shop), await take(shop)
    await shop.deliver(shipped(first, "5", "1000"), paid(first, "300", deposit_left="300"))
    await shop.deliver(paid(second, "300", deposit_left="300"), shipped(second, "5", "1000"))
    papers = await shop.said(PrintPaper)
    assert [str(paper.order_id) for paper in papers] == [first["id"], second["id"]]
    await shop.deliver(paid(first, "1300", "1000", deposit_left="300"))  # 300 too much.
    assert str((await shop.said(PrintPaper))[-1].due) == "0"


async def test_money_given_back_shows(shop: Bench) -> None:
    """A cancelled order that was paid is overpaid, and refunded once it is given back."""
    order = await take(shop)
    await shop.deliver(paid(order, "500"))
    await shop.http.post(f"/orders/{order['id']}/cancel")
    cancelled = await see(shop, order)
    assert (cancelled["financial_status"], cancelled["total"]) == ("overpaid", "0.00")
    await shop.deliver(refunded(order, "0", "500"))
    assert (await see(shop, order))["financial_status"] == "refunded"


async def test_a_batch_of_facts_tells_each_of_them(shop: Bench) -> None:
    """Facts of many orders, and two of one, in one batch: each order and each fact counts."""
    orders = [await take(shop) for _ in range(3)]
    facts = [decided(order, "3") for order in orders] + [decided(orders[1])]
    records = [record_of(fact, version) for fact, version in zip(facts, (1, 1, 1, 2), strict=True)]
    [holds] = [s for s in shop.service.subscriptions if s.name == "follow_holds"]
    consumer = Consumer("orders", holds, shop.db)
    for _ in range(2):  # Everything is delivered twice.
        await consumer.consume(records)
    statuses = [(await see(shop, order))["status"] for order in orders]
    assert statuses == ["in_progress", "ready", "in_progress"]
    said = await shop.said(OrderProgressed)
    assert [str(fact.order_id) for fact in said] == [orders[n]["id"] for n in (0, 1, 2, 1)]


async def test_a_shipments_outcome_leaves_nothing_open(shop: Bench) -> None:
    """Once its outcome is known a shipment holds nothing back."""
    order, id = await take(shop), uuid7()
    await shop.deliver(posting(order, id), shipped(order, "5", "1000", shipment_id=id))
    assert (await see(shop, order))["status"] == "shipped"
    async with shop.db.reading() as tx:
        assert (await tx.exec_driver_sql("SELECT 1 FROM order_postings")).first() is None


async def test_a_hand_over_said_again_counts_once(shop: Bench) -> None:
    """A restored shipping says the same shipment under new versions: nothing moves twice."""
    order, id = await take(shop), uuid7()
    fact = shipped(order, "2", "400", shipment_id=id)
    await shop.deliver(posting(order, id), fact)
    before, facts = await see(shop, order), len(await shop.said())
    await shop.deliver(posting(order, id), fact)
    assert await see(shop, order) == before
    assert len(await shop.said()) == facts
    closed = await shop.http.post(f"/orders/{order['id']}/close", json={"reason": "enough"})
    assert closed.status_code == 200, closed.text  # Nothing is being handed over.


async def test_a_fact_about_no_order_is_parked(shop: Bench) -> None:
    """Nobody else makes orders: such a fact waits for an operator, others go on."""
    order = await take(shop)
    stranger = {**order, "id": str(uuid7())}
    await shop.deliver(paid(stranger, "1"), paid(order, "100"))
    [parked] = await shop.parked()
    assert parked.key == stranger["id"]
    assert (await see(shop, order))["paid"] == "100.00"


async def test_a_hold_without_an_answer_is_asked_for_again(shop: Bench) -> None:
    """After 30 seconds the same command goes again, once, under its revision."""
    order = await take(shop)
    later = datetime.now(UTC) + timedelta(seconds=31)
    after = timedelta(seconds=30)
    early = await shop.db.run(lambda tx: handlers.repeat_commands(tx, datetime.now(UTC), after))
    counts = [
        await shop.db.run(lambda tx: handlers.repeat_commands(tx, later, after)) for _ in range(2)
    ]
    assert (early, counts) == (0, [1, 0])
    commands = await shop.said(HoldGoods)
    assert [command.revision for command in commands] == [1, 1]
    await shop.deliver(decided(order))
    much_later = later + timedelta(hours=1)
    assert await shop.db.run(lambda tx: handlers.repeat_commands(tx, much_later, after)) == 0


async def test_the_longer_inventory_is_silent_the_less_it_is_asked(shop: Bench) -> None:
    """After twice as long each time, an hour at most: what lags is not given ever more to do."""
    placed = datetime.fromisoformat((await take(shop))["placed_at"])

    async def asked_in(minute: int) -> int:
        now, after = placed + timedelta(minutes=minute), timedelta(seconds=30)
        return await shop.db.run(lambda tx: handlers.repeat_commands(tx, now, after))

    minutes = [minute for minute in range(1, 250) if await asked_in(minute)]
    assert minutes == [1, 2, 4, 8, 16, 32, 64, 124, 184, 244]


async def test_a_stores_new_method_is_for_new_orders(shop: Bench) -> None:
    """A later change of the store's default leaves earlier orders as they are."""
    hold = {"warehouse_id": str(MAIN)}
    before = await take(shop, hold=hold)
    await shop.deliver(store_state(STORE, "S1", MAIN, TEMPORARY, hold_method="separate"))
    assert (await take(shop, hold=hold))["hold"]["method"] == "separate"
    assert (await see(shop, before))["hold"]["method"] == "nominal"
