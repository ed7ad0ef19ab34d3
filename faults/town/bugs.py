"""Bugs to plant in the town: each is there while its block runs, and the judge must name it.

Those in code are patched in; those that are only wrong data are statements for one database.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from billing.accounts import domain as accounts
from chassis import consumer, outbox, relay
from chassis.consumer import Consumer
from chassis.outbox import Said
from chassis.records import Envelope
from contracts.message import Command, Fact
from devices.domain import JobState, PrintJob
from inventory.holds.domain.book import Book
from inventory.holds.domain.orders import Line, OrderHold
from sqlalchemy.ext.asyncio import AsyncConnection

from faults.town.topics import Follower, Topics

Bug = Callable[[], AbstractContextManager[object]]
HAPPENS = 0.1  # How often a bug that needs an accident meets one.


def acknowledge_before_handling() -> AbstractContextManager[object]:
    """A consumer that is killed has acknowledged what it never handled."""

    async def deliver(self: Topics, follower: Follower) -> None:
        batch = self.pick(follower)
        for delivery in batch:
            follower.queues[delivery.record.key].popleft()
        if self.chance.random() > HAPPENS:
            await follower.consumer.consume([delivery.record for delivery in batch])

    return patch.object(Topics, "deliver", deliver)


@contextmanager
def skip_dedupe() -> Iterator[None]:
    """What was seen before is handled again."""

    def all_new(
        envelopes: Sequence[Envelope], seen: dict[str, int], gapless: bool
    ) -> tuple[list[Envelope], list[Envelope]]:
        for envelope in envelopes:
            seen[envelope.key] = max(envelope.version, seen.get(envelope.key, 0))
        return list(envelopes), []

    with patch.object(consumer, "_by_version", all_new):
        yield


def lose_outbox_rows() -> AbstractContextManager[object]:
    """A change is made, and its fact is not saved with it."""
    say, chance = outbox.say, random.Random(1)  # noqa: S311 - to be repeatable

    async def say_some(tx: AsyncConnection, said: Sequence[Said]) -> None:
        kept = [one for one in said if not _is_fact(one) or chance.random() > HAPPENS]
        await say(tx, kept)

    return patch.object(outbox, "say", say_some)


def _is_fact(said: Said) -> bool:
    return isinstance(said.message, Fact) and not isinstance(said.message, Command)


def relay_out_of_order() -> AbstractContextManager[object]:
    """The relay sends the newest first."""
    return patch.object(
        relay, "SELECT", relay.SELECT.replace("position LIMIT", "position DESC LIMIT")
    )


def post_payments_twice() -> AbstractContextManager[object]:
    """The till's money is booked a second time."""
    pay = accounts.pay

    def pay_twice(*given: Any) -> accounts.Posting:
        posting = pay(*given)
        again = tuple(replace(one, key=f"{one.key}:again") for one in posting.transfers)
        return replace(posting, transfers=(*posting.transfers, *again))

    return patch.object(accounts, "pay", pay_twice)


def drop_holds() -> AbstractContextManager[object]:
    """Goods are set apart, and the line that they are for does not know."""
    hold = Book.hold

    def hold_and_forget(self: Book, order: OrderHold, line: Line, quantity: Decimal) -> None:
        before = line.held
        hold(self, order, line, quantity)
        line.held = before

    return patch.object(Book, "hold", hold_and_forget)


def count_holds_twice() -> AbstractContextManager[object]:
    """Each hold takes its quantity from what is available twice."""
    hold = Book.hold

    def hold_twice(self: Book, order: OrderHold, line: Line, quantity: Decimal) -> None:
        hold(self, order, line, quantity)
        self.shelf(self.held_in(order), line.sku).held += quantity

    return patch.object(Book, "hold", hold_twice)


def reprint_silently() -> AbstractContextManager[object]:
    """A paper of which nobody knows whether it came out is printed again by itself."""
    reported = PrintJob.reported

    def report(self: PrintJob, *given: Any) -> PrintJob | None:
        after = reported(self, *given)
        if after is not None and after.state is JobState.UNKNOWN:
            return replace(after, state=JobState.QUEUED, device_id=None)
        return after

    return patch.object(PrintJob, "reported", report)


def split_transactions() -> AbstractContextManager[object]:
    """What was seen is noted in a transaction of its own, and some die before they handle it."""
    chance = random.Random(1)  # noqa: S311 - to be repeatable

    async def handle_in(self: Consumer, tx: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        fresh = await self.db.run(lambda first: self.only_new(first, envelopes))
        if chance.random() > HAPPENS:
            await self._give(tx, fresh)

    return patch.object(Consumer, "handle_in", handle_in)


# The bug, and the invariant that must name it.
IN_CODE: Mapping[Bug, str] = {
    acknowledge_before_handling: "I2",
    skip_dedupe: "I8",
    lose_outbox_rows: "I2",
    relay_out_of_order: "I2",
    post_payments_twice: "I4",
    drop_holds: "I3",
    count_holds_twice: "I3",
    reprint_silently: "I6",
    split_transactions: "I8",
}


@dataclass(frozen=True, slots=True)
class WrongData:
    """A statement that makes one service's database wrong, and the invariant that must name it."""

    name: str
    invariant: str
    service: str
    sql: str


IN_DATA = (
    WrongData("a key that was never kept", "I1", "orders", """
        DELETE FROM idempotency WHERE subject = (SELECT min(id::text) FROM orders)"""),
    WrongData("an order that was accepted and is gone", "I1", "orders", """
        DELETE FROM orders WHERE id = (SELECT id FROM orders ORDER BY id LIMIT 1)"""),
    WrongData("the last fact of an order lost", "I2", "orders", """
        DELETE FROM outbox WHERE (key, version) = (
          SELECT id::text, version FROM orders ORDER BY version DESC, id LIMIT 1)"""),
    WrongData("a unit from nowhere", "I3", "inventory", """
        UPDATE stock SET on_hand = on_hand + 1 WHERE sku = 'TEA'"""),
    WrongData("a unit promised twice", "I3", "inventory", """
        UPDATE stock SET held = on_hand + 1 WHERE sku = 'RARE'"""),
    WrongData("a hold dropped", "I3", "inventory", """
        UPDATE hold_line SET held = 0 WHERE held > 0"""),
    WrongData("a balance edited", "I4", "billing", """
        UPDATE order_account SET deposit_left = deposit_left + 10 WHERE paid > 0"""),
    WrongData("a payment that the ledger does not know", "I4", "billing", """
        UPDATE payment SET amount = amount + 1"""),
    WrongData("an order that nobody has in hand", "I5", "inventory", """
        UPDATE order_hold SET revision = revision - 1"""),
    WrongData("a paper that nobody asked for", "I6", "devices", """
        UPDATE print_jobs SET copies = copies + 1"""),
    WrongData("a message sent twice", "I7", "notifications", """
        INSERT INTO messages(id, event_id, order_id, store_id, customer_id, customer_key, channel,
          kind, language, address, subject, body, html, state, attempts, at)
        SELECT gen_random_uuid(), gen_random_uuid(), order_id, store_id, customer_id, customer_key,
          channel, kind, language, address, subject, body, html, state, attempts, at
        FROM messages ORDER BY position LIMIT 1"""),
    WrongData("a message that was never sent", "I7", "notifications", """
        DELETE FROM messages WHERE kind = 'change' AND channel = 'account'"""),
    WrongData("a status set by hand", "I8", "orders", """
        UPDATE orders SET financial_status = 'paid' WHERE financial_status = 'unpaid'"""),
)  # fmt: skip
