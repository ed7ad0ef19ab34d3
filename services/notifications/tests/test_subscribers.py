"""Facts come in, in any order and any number of times: the customer is told once of each change."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from chassis.database import Database
from chassis.ids import uuid7
from chassis.testing import Bench, record_of
from contracts.message import Message
from contracts.notifications import MessageFailed, MessageSent
from contracts.orders import CustomerErased, OrderMarked
from notifications import handlers, messages
from notifications.handlers import OrderTold
from notifications.subscribers import press

from .conftest import NOW, UNTIL, Purchase, subjects, told


async def test_a_changed_line_makes_one_message_and_one_mail(desk: Bench) -> None:
    """Scenario 29: a line changes; the same fact delivered again adds nothing."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed())
    record = record_of(order.lines_changed(), version=2, event_id=uuid7())
    for _ in range(3):
        await desk.deliver_record(record)
    seen = await told(desk, order.order_id)
    of_the_change = [one for one in seen if one["event_id"] == record.headers["ce_id"]]
    assert sorted(one["channel"] for one in of_the_change) == ["account", "email"]
    assert {one["subject"] for one in of_the_change} == {"Order 10045 has been changed"}
    assert len(seen) == 4
    assert await desk.parked() == []


async def test_the_same_fact_is_told_once_even_if_the_notes_of_it_are_lost(
    desk: Bench, db: Database
) -> None:
    """A service that forgot what it saw (an old backup) makes no second message of a fact."""
    order = Purchase()
    await desk.deliver(order.card())
    record = record_of(order.placed(), version=1)
    await desk.deliver_record(record)
    await db.run(lambda tx: tx.execute(sa.text("DELETE FROM seen")))
    await desk.deliver_record(record)
    assert len(await told(desk, order.order_id)) == 2
    assert len(await desk.said(MessageSent)) == 1


async def test_each_step_of_an_order_is_told_in_the_customers_language(desk: Bench) -> None:
    """From placing to closing the customer reads each step, once a channel, in Finnish."""
    order = Purchase()
    await desk.deliver(order.card(language="fi"), order.placed())
    half: dict[str, Any] = {"paid": Decimal("500.00"), "financial_status": "partly_paid"}
    done: dict[str, Any] = {"paid": Decimal("1000.00"), "financial_status": "paid"}
    await desk.deliver(
        order.progressed(status="in_progress"),
        order.progressed(status="ready"),
        order.progressed(("financial_status",), status="ready", **half),
        order.progressed((), status="ready", **half),
        order.progressed(shipped=5, status="shipped", **half),
        order.progressed(("status", "financial_status"), shipped=5, status="closed", **done),
    )
    seen = await told(desk, order.order_id)
    steps = [
        "Tilaus 10045 on otettu vastaan",
        "Tilausta 10045 kootaan",
        "Tilaus 10045 on noudettavissa",
        "Olemme saaneet maksun tilauksesta 10045",
        "Tilaus 10045 on luovutettu",
        "Tilaus 10045 on toimitettu ja maksettu",
    ]
    assert subjects(seen, "email") == steps
    assert subjects(seen, "account") == steps
    assert {one["language"] for one in seen} == {"fi"}


async def test_a_fact_with_two_changes_is_one_message_that_tells_both(desk: Bench) -> None:
    """Closed and paid by one payment: the subject says closed, the text says what was paid."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed())
    paid: dict[str, Any] = {"paid": Decimal("1000.00"), "financial_status": "paid"}
    paid["status"] = "closed"
    await desk.deliver(order.progressed(("status", "financial_status"), shipped=5, **paid))
    [closed] = [
        one
        for one in await told(desk, order.order_id)
        if one["channel"] == "account" and one["subject"] == "Order 10045 is complete"
    ]
    assert "We have received €1,000.00 from you. Thank you!" in closed["body"]


async def test_facts_that_overtake_the_card_wait_for_it(desk: Bench) -> None:
    """An order taken before its new card is known here is told as soon as the card comes."""
    order = Purchase()
    await desk.deliver(order.placed(), order.progressed(status="ready"))
    assert await told(desk, order.order_id) == []
    assert await desk.parked() == []
    await desk.deliver(order.card(language="ru"), version=1)
    seen = await told(desk, order.order_id)
    assert subjects(seen, "email") == ["Заказ 10045 принят", "Заказ 10045 готов к выдаче"]
    assert subjects(seen, "account") == subjects(seen, "email")


async def test_what_waited_tells_of_its_own_moment(desk: Bench) -> None:
    """A message made late still shows the amounts of the change that it tells of."""
    order = Purchase()
    paid: dict[str, Any] = {"paid": Decimal("1000.00"), "financial_status": "paid"}
    await desk.deliver(order.placed(), order.progressed(("financial_status",), **paid))
    await desk.deliver(order.card(), version=1)
    mails = [one for one in await told(desk, order.order_id) if one["channel"] == "email"]
    assert "Paid: €1,000.00" not in mails[0]["body"]
    assert "Paid: €1,000.00" in mails[1]["body"]


async def test_order_and_card_that_miss_one_another_are_brought_together(
    desk: Bench, db: Database
) -> None:
    """Two transactions at the same moment see nothing of each other: a later look tells it."""
    order = Purchase()
    written, commit = asyncio.Event(), asyncio.Event()

    async def place_slowly() -> None:
        async with db.engine.begin() as tx:
            fact = OrderTold(uuid7(), order.placed())
            await handlers.follow_orders(tx, [fact], press(), NOW)
            written.set()
            await commit.wait()

    placing = asyncio.create_task(place_slowly())
    await written.wait()
    await desk.deliver(order.card())
    commit.set()
    await placing
    assert await told(desk, order.order_id) == []
    for _ in range(2):
        await db.run(lambda tx: handlers.tell_what_waited(tx, press(), NOW))
    assert len(await told(desk, order.order_id)) == 2


async def test_a_card_without_an_address_gets_the_account_message_alone(desk: Bench) -> None:
    """No e-mail is made up for a card that has no address."""
    order = Purchase()
    await desk.deliver(order.card(email=None), order.placed())
    assert [one["channel"] for one in await told(desk, order.order_id)] == ["account"]


async def test_a_typed_name_gets_the_mail_alone(desk: Bench) -> None:
    """Without a card there is no account; the address that was typed is written to."""
    order = Purchase(card=False)
    await desk.deliver(order.placed())
    await desk.deliver(order.card(), version=1)
    assert [one["channel"] for one in await told(desk, order.order_id)] == ["email"]


async def test_notify_false_tells_nobody(desk: Bench, db: Database) -> None:
    """An import of old orders fills neither mailboxes nor accounts, now or at later changes."""
    order, nobody = Purchase(notify=False), Purchase(key=False)
    await desk.deliver(order.card(), order.placed(), nobody.placed())
    await desk.deliver(order.progressed(status="ready"), nobody.progressed(status="ready"))
    assert await told(desk, order.order_id) == []
    assert await told(desk, nobody.order_id) == []
    async with db.reading() as tx:
        waiting = await tx.execute(sa.text("SELECT count(*) FROM pending"))
        assert waiting.scalar_one() == 0


async def test_an_account_message_is_said_to_be_sent(desk: Bench) -> None:
    """Others learn that the account message arrived, by ids alone; the e-mail is not sent yet."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed())
    [said] = await desk.said(MessageSent)
    assert (said.order_id, said.channel) == (order.order_id, "account")
    text = said.model_dump_json()
    assert "Aino" not in text
    assert "home.example" not in text
    states = {one["channel"]: one["state"] for one in await told(desk, order.order_id)}
    assert states == {"account": "sent", "email": "queued"}


async def test_the_store_is_named_when_it_is_known(desk: Bench) -> None:
    """The customer reads which store wrote; without its name the e-mail goes all the same."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed(), order.store("Riverside"))
    await desk.deliver(order.progressed(status="ready"))
    mails = [one for one in await told(desk, order.order_id) if one["channel"] == "email"]
    assert "Riverside" not in mails[0]["body"]
    assert "Kind regards,\nRiverside" in mails[1]["body"]


# Reminders.


async def _deliver_holds(desk: Bench, *facts: Message) -> None:
    for version, fact in enumerate(facts, 1):
        await desk.deliver(fact, version=version)


async def test_the_end_of_a_hold_is_reminded_of_twice(desk: Bench) -> None:
    """The day before and at the end the customer gets a reminder, one a channel each."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed())
    await _deliver_holds(desk, order.hold_ending(), order.hold_ending(ended=True))
    reminders = [one for one in await told(desk, order.order_id) if one["kind"] == "reminder"]
    wanted = [
        "Order 10045 is waiting for you until 10 May 2026",
        "The pick-up time of order 10045 has ended",
    ]
    assert subjects(reminders, "email") == wanted
    assert subjects(reminders, "account") == wanted


async def test_a_reminder_that_overtakes_its_order_waits_for_it(desk: Bench) -> None:
    """Inventory's word before the order's: the reminder follows when the order is known."""
    order = Purchase()
    await desk.deliver(order.card())
    await _deliver_holds(desk, order.hold_ending())
    assert await told(desk, order.order_id) == []
    await desk.deliver_record(record_of(order.placed(), version=1))
    kinds = [one["kind"] for one in await told(desk, order.order_id)]
    assert kinds == ["change", "change", "reminder", "reminder"]


async def test_an_extended_hold_is_told_with_its_new_end(desk: Bench) -> None:
    """Ready after an extension: the message names the day until which the goods are kept now."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed())
    await _deliver_holds(desk, order.extended(UNTIL + timedelta(days=10)))
    await desk.deliver_record(record_of(order.progressed(status="ready"), version=2))
    assert "until 20 May 2026" in (await told(desk, order.order_id))[-1]["body"]


# Erasure.


async def test_an_erased_customer_is_forgotten_and_told_nothing_more(
    desk: Bench, db: Database
) -> None:
    """Texts and addresses are gone, what was not sent is given up, later facts make nothing."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed())
    assert order.customer_key is not None
    await desk.deliver(CustomerErased(customer_key=order.customer_key))
    await desk.deliver_record(record_of(order.progressed(status="ready"), version=2))
    seen = await told(desk, order.order_id)
    assert [(one["channel"], one["state"], one["subject"], one["body"]) for one in seen] == [
        ("email", "failed", "", ""),
        ("account", "sent", "", ""),
    ]
    [failed] = await desk.said(MessageFailed)
    assert failed.reason == "customer_erased"
    assert await _everything_kept(db, without="outbox") == []


async def test_erasure_reaches_what_still_waits(desk: Bench, db: Database) -> None:
    """Erased before the card was ever known here: what waited is dropped, nothing is told."""
    order = Purchase()
    await desk.deliver(order.placed())
    assert order.customer_key is not None
    await desk.deliver(CustomerErased(customer_key=order.customer_key), version=1)
    await db.run(lambda tx: handlers.tell_what_waited(tx, press(), NOW))
    assert await told(desk, order.order_id) == []
    async with db.reading() as tx:
        assert (await tx.execute(sa.text("SELECT count(*) FROM pending"))).scalar_one() == 0


async def _everything_kept(db: Database, without: str) -> list[str]:
    """Tables in which the customer's name or address can still be read."""
    found = []
    async with db.reading() as tx:
        names = await tx.execute(
            sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        for table in [name for name in names.scalars() if not name.startswith(without)]:
            query = sa.text(f"SELECT count(*) FROM {table} t WHERE t::text ~* :canary")
            count = await tx.execute(query, {"canary": "aino|home.example"})
            if count.scalar_one():
                found.append(table)
    return found


async def test_an_erased_customers_mail_in_the_senders_hands_is_not_sent_again(
    desk: Bench, db: Database
) -> None:
    """A sender died with the e-mail in hand and the customer was erased: nobody is written to."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed())
    now = datetime.now(UTC)
    lease = timedelta(seconds=1)
    taken = await db.run(lambda tx: messages.take_due(tx, now, lease, 10))
    assert [mail.address for mail in taken] == ["aino@home.example"]
    assert order.customer_key is not None
    await desk.deliver(CustomerErased(customer_key=order.customer_key))
    again = await db.run(lambda tx: messages.take_due(tx, now + 2 * lease, lease, 10))
    assert [mail.address for mail in again] == [None]


async def test_a_mark_for_removal_that_changes_nothing_is_not_told(desk: Bench) -> None:
    """A fact whose changes are empty makes no message."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed())
    marked = OrderMarked(**order.head(()), reason="test")
    await desk.deliver(marked)
    assert len(await told(desk, order.order_id)) == 2
