"""The order's ledger through the service: money comes, goods go, money goes back."""

import asyncio
from datetime import UTC
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa
from billing.accounts.books import open_books
from billing.documents.handlers import IssueDocument, issue_documents
from chassis.database import Database
from chassis.http.idempotency import Call
from chassis.ids import uuid7
from chassis.testing import Bench, until_some_wait_for_a_lock
from contracts.billing import (
    FACTS,
    HandOverSettled,
    PaymentCancelled,
    PaymentPosted,
    RefundPosted,
)

from .conftest import NOW, Shop, open_shop, order_placed, shipment_posted


def money(**figures: str) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in figures.items()}


async def ledger_agrees(db: Database) -> None:
    """Every balance kept on an order is the sum of its transfers, and none is negative."""
    async with db.reading() as tx:
        rows = await tx.execute(
            sa.text("""
            WITH moves AS (
              SELECT debit_account AS account, amount FROM transfer
              UNION ALL SELECT credit_account, -amount FROM transfer),
            sums AS (SELECT account, sum(amount) AS balance FROM moves GROUP BY account)
            SELECT a.order_id FROM order_account a
            LEFT JOIN sums d ON d.account = 'deposits\\:' || a.order_id
            LEFT JOIN sums r ON r.account = 'receivable\\:' || a.order_id
            WHERE a.deposit_left <> -coalesce(d.balance, 0)
               OR a.due_now <> coalesce(r.balance, 0)""")
        )
        assert rows.all() == []


async def test_deposit_then_part_of_the_goods(shop: Shop, db: Database) -> None:
    """Scenario 13: prepaid 500 of 1,000, goods for 400 go: 200 consumed, 200 due, 300 left."""
    order = await shop.order("1000")
    await shop.pay(order, "500")
    await shop.hand_over(order, "400", "1000")
    settled = (await shop.bench.said(HandOverSettled))[0]
    assert settled.consumed == Decimal("200.00")
    assert await shop.figures(order) == money(
        paid="500", deposit_left="300", due_now="200", refunded="0"
    )
    await ledger_agrees(db)


async def test_all_at_once_asks_the_rest_at_the_till(shop: Shop) -> None:
    """Scenario 14: total 1,000 and deposit 500: at hand-over the till asks 500."""
    order = await shop.order("1000")
    await shop.pay(order, "500.00")
    await shop.hand_over(order, "1000", "1000")
    assert await shop.figures(order) == money(
        paid="500", deposit_left="0", due_now="500", refunded="0"
    )


async def test_refund_only_what_is_not_consumed(shop: Shop, db: Database) -> None:
    """Scenario 16: prepaid 500 and 300 consumed: 200.01 cannot be refunded, 200 can."""
    order = await shop.order("1000")
    await shop.pay(order, "500")
    await shop.hand_over(order, "600", "1000")
    refused = await shop.refund(order, "200.01")
    assert refused.status_code == 422
    assert refused.json()["type"] == "more-than-refundable"
    assert refused.json()["errors"][0]["pointer"] == "/amount"
    assert "200.00 EUR" in refused.json()["detail"]
    given = await shop.refund(order, "200")
    assert given.status_code == 201
    assert given.json()["amount"] == "200.00"
    assert await shop.figures(order) == money(
        paid="300", deposit_left="0", due_now="300", refunded="200"
    )
    assert [one.amount for one in await shop.bench.said(RefundPosted)] == [Decimal(200)]
    await ledger_agrees(db)


async def test_paid_before_goods_and_goods_before_money(shop: Shop) -> None:
    """Scenario 17: paid in full with nothing shipped, and the reverse, are both fine."""
    paid_first, goods_first = await shop.order("1000"), await shop.order("1000")
    await shop.pay(paid_first, "1000")
    assert await shop.figures(paid_first) == money(
        paid="1000", deposit_left="1000", due_now="0", refunded="0"
    )
    await shop.hand_over(goods_first, "1000", "1000")
    assert await shop.figures(goods_first) == money(
        paid="0", deposit_left="0", due_now="1000", refunded="0"
    )
    await shop.pay(goods_first, "1000")
    assert await shop.figures(goods_first) == money(
        paid="1000", deposit_left="0", due_now="0", refunded="0"
    )


async def test_three_in_a_row_share_the_deposit_to_the_cent(shop: Shop, db: Database) -> None:
    """Scenario 45: 3 at 100, deposit 100: 66.67, 66.66, 66.67 asked, all of it consumed."""
    order = await shop.order("300")
    await shop.pay(order, "100")
    asked = []
    for left in ("300", "200", "100"):
        await shop.hand_over(order, "100", left)
        due = (await shop.figures(order))["due_now"]
        asked.append(due)
        await shop.pay(order, f"{due:f}")
    consumed = [one.consumed for one in await shop.bench.said(HandOverSettled)]
    assert asked == [Decimal("66.67"), Decimal("66.66"), Decimal("66.67")]
    assert consumed == [Decimal("33.33"), Decimal("33.34"), Decimal("33.33")]
    assert (await shop.figures(order))["paid"] == Decimal(300)
    await ledger_agrees(db)


async def test_money_ahead_is_shared_by_what_is_left(shop: Shop) -> None:
    """Scenario 46: 400 paid ahead cover 250 of the next 500 and 150 of the last 300."""
    order = await shop.order("1000")
    await shop.hand_over(order, "200", "1000")
    await shop.pay(order, "200")
    await shop.pay(order, "400")
    await shop.hand_over(order, "500", "800")
    assert (await shop.figures(order))["due_now"] == Decimal(250)
    await shop.hand_over(order, "300", "300")
    assert (await shop.figures(order))["due_now"] == Decimal(400)
    consumed = [one.consumed for one in await shop.bench.said(HandOverSettled)]
    assert consumed == [Decimal(0), Decimal(250), Decimal(150)]


async def test_refund_leaves_less_for_the_last_goods(shop: Shop) -> None:
    """Scenario 47: after 40 are refunded the last hand-over consumes 10 and asks 90."""
    order = await shop.order("200")
    await shop.pay(order, "100")
    await shop.hand_over(order, "100", "200")
    await shop.pay(order, "50")
    assert (await shop.refund(order, "40")).status_code == 201
    await shop.hand_over(order, "100", "100")
    last = (await shop.bench.said(HandOverSettled))[-1]
    assert (last.consumed, last.due_now) == (Decimal(10), Decimal(90))


async def test_order_worth_nothing(shop: Shop) -> None:
    """Scenario 48: an order worth 0 is handed over without a division by zero."""
    order = await shop.order("0", lines=())
    await shop.hand_over(order, "0", "0")
    assert await shop.figures(order) == money(paid="0", deposit_left="0", due_now="0", refunded="0")
    assert await shop.bench.parked() == []


async def test_cancelling_twice_takes_it_back_once(shop: Shop, db: Database) -> None:
    """Scenario 48: a second cancel answers the same and changes nothing."""
    order = await shop.order("1000")
    payment = await shop.pay(order, "500")
    await shop.hand_over(order, "400", "1000")
    first = await shop.cancel(payment)
    second = await shop.cancel(payment, "again")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert first.json()["state"] == "cancelled"
    assert first.json()["allocations"] == []
    assert await shop.figures(order) == money(
        paid="0", deposit_left="0", due_now="400", refunded="0"
    )
    assert len(await shop.bench.said(PaymentCancelled)) == 1
    await ledger_agrees(db)


async def test_cancel_refused_when_the_money_is_back_already(shop: Shop) -> None:
    """What was refunded cannot be taken back once more by cancelling its payment."""
    order = await shop.order("1000")
    payment = await shop.pay(order, "500")
    await shop.refund(order, "100")
    refused = await shop.cancel(payment)
    assert refused.status_code == 409
    assert refused.json()["type"] == "refunded-already"
    assert (await shop.figures(order))["paid"] == Decimal(400)


async def test_too_much_is_accepted(shop: Shop) -> None:
    """Money in the till is a fact: what exceeds the order stays refundable."""
    order = await shop.order("100")
    await shop.pay(order, "150")
    await shop.hand_over(order, "100", "100")
    assert await shop.figures(order) == money(
        paid="150", deposit_left="50", due_now="0", refunded="0"
    )


async def test_two_clerks_take_money_at_once(shop: Shop, db: Database) -> None:
    """Forty payments of one order at the same moment are all counted, each under a version."""
    order = await shop.order("1000")
    await asyncio.gather(*(shop.pay(order, "10") for _ in range(40)))
    assert (await shop.figures(order))["paid"] == Decimal(400)
    assert await versions(shop.bench, order) == list(range(1, 41))
    await ledger_agrees(db)


async def versions(billing: Bench, order_id: UUID) -> list[int]:
    """The versions of the account's facts, in the order in which they leave."""
    async with billing.db.reading() as tx:
        rows = await tx.execute(
            sa.text(
                "SELECT version FROM outbox WHERE topic = 'billing.accounts' AND key = :key "
                "ORDER BY position"
            ),
            {"key": str(order_id)},
        )
        return list(rows.scalars())


async def test_facts_are_numbered_without_holes(shop: Shop) -> None:
    """Payment, hand-over, refund and cancellation of one order are versions 1 to 4."""
    order = await shop.order("1000")
    payment = await shop.pay(order, "100")
    await shop.hand_over(order, "100", "1000")
    await shop.refund(order, "10")
    await shop.cancel(payment)
    await shop.pay(order, "20")
    await shop.hand_over(order, "900", "900")
    assert await versions(shop.bench, order) == [1, 2, 3, 4, 5]
    kinds = {type(one) for one in await shop.bench.said() if isinstance(one, FACTS)}
    assert kinds == {PaymentPosted, HandOverSettled, RefundPosted}


async def test_goods_before_the_order_is_heard_of(shop: Shop, db: Database) -> None:
    """A hand-over whose order is not known yet is settled, and the order then finds it."""
    placed = order_placed(shop.store_id, Decimal(300))
    shipped = shipment_posted(placed.order_id, shop.store_id, "100", "300")
    await shop.bench.deliver(shipped)
    await shop.bench.deliver(placed)
    await shop.pay(placed.order_id, "100")
    assert await shop.figures(placed.order_id) == money(
        paid="100", deposit_left="0", due_now="0", refunded="0"
    )
    assert await shop.bench.parked() == []
    await ledger_agrees(db)


async def test_many_hand_overs_in_one_batch(shop: Shop, db: Database) -> None:
    """Hand-overs that come together are settled one after the other, each with its own figures."""
    from billing.accounts.handlers import settle_hand_overs

    from .conftest import NOW

    orders = [await shop.order("300") for _ in range(3)]
    for order in orders:
        await shop.pay(order, "100")
    shipped = [
        (shipment_posted(order, shop.store_id, "100", left), None)
        for left in ("300", "200", "100")
        for order in orders
    ]
    await db.run(lambda tx: settle_hand_overs(tx, shipped, NOW))
    for order in orders:
        assert await shop.figures(order) == money(
            paid="100", deposit_left="0", due_now="200", refunded="0"
        )
    await ledger_agrees(db)


async def test_deposit_in_one_store_refund_in_another(shop: Shop, db: Database) -> None:
    """Scenario 40: each till's account shows what it took and gave."""
    other = await open_shop(shop.bench, "S2", "Market Hall")
    order = await shop.order("100")
    await shop.pay(order, "100")
    assert (await other.refund(order, "30")).status_code == 201
    async with db.reading() as tx:
        rows = await tx.execute(
            sa.text("""
            SELECT account, sum(amount) FROM (
              SELECT debit_account AS account, amount FROM transfer
              UNION ALL SELECT credit_account, -amount FROM transfer) AS moves
            WHERE account LIKE 'cash%' GROUP BY account""")
        )
        tills = {row[0]: row[1] for row in rows}
    assert tills == {f"cash:{shop.store_id}": 100, f"cash:{other.store_id}": -30}


@pytest.mark.parametrize("statement", ["UPDATE transfer SET amount = 1", "DELETE FROM transfer"])
async def test_ledger_is_append_only(shop: Shop, db: Database, statement: str) -> None:
    """Nobody changes or deletes a transfer, not even the database's owner."""
    order = await shop.order("100")
    await shop.pay(order, "100")
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        await db.run(lambda tx: tx.execute(sa.text(statement)))


async def test_unknown_order_of_another_id_kind(shop: Shop) -> None:
    """An order id that was never minted here is refused with a pointer."""
    old = UUID("01900000-0000-7000-8000-0000000000aa")
    answer = await shop.post_payment(old, "10")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/order_id"


async def test_order_made_a_moment_ago(shop: Shop) -> None:
    """A payment of an order that is not known yet waits for it, and then is taken."""
    order = uuid7()

    async def place() -> None:
        await asyncio.sleep(0)
        await shop.order("100", order_id=order)

    answer, _ = await asyncio.gather(shop.post_payment(order, "10"), place())
    assert answer.status_code == 201


async def test_order_that_does_not_come(shop: Shop) -> None:
    """A fresh order id that stays unknown is not known yet: try again."""
    answer = await shop.bench.http.post(
        "/payments",
        json={
            "order_id": str(uuid7()),
            "amount": "10",
            "method": "cash",
            "store_id": str(shop.store_id),
        },
        headers={"Prefer": "wait=0"},
    )
    assert answer.status_code == 409
    assert answer.json()["type"] == "not-known-yet"
    assert answer.headers["Retry-After"] == "1"


async def test_payment_that_waited_sees_what_it_waited_for(shop: Shop, db: Database) -> None:
    """Who waits for an order's account decides on the documents issued meanwhile, too."""
    order = await shop.order("100")
    async with db.engine.connect() as first, db.engine.connect() as second:
        await first.execute(sa.text("SELECT FROM order_account FOR UPDATE"))
        waiting = asyncio.create_task(open_books(second, [order]))
        await until_some_wait_for_a_lock(db)
        await issue_documents(first, [proforma(order)], UTC)
        await first.commit()
        book = (await waiting)[order]
    assert [one.kind for one in book.documents] == ["proforma"]


def proforma(order: UUID) -> IssueDocument:
    return IssueDocument(
        document_id=uuid7(),
        order_id=order,
        kind="proforma",
        term_id=None,
        amount=None,
        stores=None,
        by="clerk",
        call=Call("clerk", "a proforma", b""),
        at=NOW,
    )
