"""What a customer is told of an order, in which way, and what the news is called."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import UUID, uuid5

Channel = Literal["email", "account"]
Kind = Literal["change", "reminder"]
ZERO = Decimal(0)
NOT_YET_AGREED = ("draft", "pending_approval")
OVER = ("closed", "cancelled")


class UnknownOrder(Exception):
    """A fact of an order came before the one that placed it: the topic's own order is broken."""


class MessageNotFound(Exception):
    """There is no such message among the customer's own."""


class Headline(StrEnum):
    """What the subject of a message says; everything else in the fact becomes a sentence below."""

    RECEIVED = "received"  # Placed, waits to be agreed.
    PLACED = "placed"
    AGREED = "agreed"
    IN_PROGRESS = "in_progress"
    PART_HANDED_OVER = "part_handed_over"
    READY = "ready"
    HANDED_OVER = "handed_over"
    CLOSED = "closed"
    CLOSED_EARLY = "closed_early"  # By a manager; the rest is taken back.
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    LINES = "lines"
    PAYMENT_RECEIVED = "payment_received"
    PAYMENT_REDUCED = "payment_reduced"
    REFUNDED = "refunded"
    BALANCE = "balance"
    UPDATED = "updated"
    HOLD_ENDS = "hold_ends"
    HOLD_ENDED = "hold_ended"


REMINDERS = (Headline.HOLD_ENDS, Headline.HOLD_ENDED)


@dataclass(frozen=True, slots=True)
class Line:
    """A line as the customer knows it. Quantity is what is ordered, goods handed over included."""

    line_id: UUID
    description: str
    unit: str
    quantity: Decimal
    amount: Decimal
    awaiting: Decimal = ZERO
    shipped: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Order:
    """The copy of an order; one that concerns no customer has no lines here."""

    id: UUID
    store_id: UUID
    number: str
    customer_id: UUID | None
    customer_key: str | None
    notify: bool
    status: str
    financial_status: str
    currency: str
    total: Decimal
    paid: Decimal
    prepayment: Decimal
    until: datetime | None
    lines: tuple[Line, ...]

    @property
    def concerns_someone(self) -> bool:
        """Whether there is anybody to tell: a card or a typed name, unless nobody is to be told."""
        return self.notify and self.customer_key is not None

    @property
    def due(self) -> Decimal:
        """What is left to pay; less than nothing when too much is paid."""
        return self.total - self.paid

    @property
    def shipped(self) -> Decimal:
        """How many units went, of whatever line."""
        return sum((line.shipped for line in self.lines), ZERO)


@dataclass(frozen=True, slots=True)
class Customer:
    """Who is told: a card, or a name typed into one order."""

    key: str
    customer_id: UUID | None
    name: str
    email: str | None
    language: str
    erased: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What one fact means to the customer, with the order as it was at that moment."""

    event_id: UUID
    headline: Headline
    order: Order
    moved: Decimal = ZERO  # By how much the paid amount rose, or fell.
    trace: str | None = None

    @property
    def kind(self) -> Kind:
        return "reminder" if self.headline in REMINDERS else "change"


@dataclass(frozen=True, slots=True)
class Reminder:
    """The hold of an order ends, or has ended."""

    event_id: UUID
    order_id: UUID
    until: datetime
    ended: bool
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message, rendered. `html` and `address` belong to e-mails only."""

    id: UUID
    news: News
    channel: Channel
    language: str
    address: str | None
    subject: str
    body: str
    html: str | None


def message_id(event_id: UUID, channel: Channel) -> UUID:
    """The same fact and channel always make the same id, even in a database restored from old."""
    return uuid5(event_id, channel)


def channels_for(news: News, customer: Customer) -> tuple[Channel, ...]:
    """The ways in which this customer is told: e-mail to a known address, the card's account."""
    if customer.erased or not news.order.notify:
        return ()
    channels: list[Channel] = []
    if customer.email:
        channels.append("email")
    if news.order.customer_id is not None:
        channels.append("account")
    return tuple(channels)


def news_of(
    event_id: UUID,
    before: Order | None,
    after: Order,
    changed: Collection[str],
    closed_by_hand: bool,
    trace: str | None,
) -> News:
    """The one piece of news that a fact with these changes is."""
    moved = after.paid - (before.paid if before else ZERO)
    headline = _headline(before, after, changed, closed_by_hand, moved)
    return News(event_id, headline, after, moved, trace)


def _headline(
    before: Order | None,
    after: Order,
    changed: Collection[str],
    closed_by_hand: bool,
    moved: Decimal,
) -> Headline:
    if before is None or "placed" in changed:
        return Headline.RECEIVED if after.status in NOT_YET_AGREED else Headline.PLACED
    status_changed = "status" in changed
    if status_changed and after.status == "cancelled":
        return Headline.CANCELLED
    if status_changed and after.status == "closed":
        return Headline.CLOSED_EARLY if closed_by_hand else Headline.CLOSED
    if "lines" in changed:
        return Headline.LINES
    if status_changed:
        return _status_headline(before, after)
    if "financial_status" in changed:
        return _money_headline(after, moved)
    return Headline.UPDATED


def _status_headline(before: Order, after: Order) -> Headline:
    if before.status in OVER:  # A payment was cancelled, or goods had left before the cancel.
        return Headline.REOPENED
    if after.status == "shipped":
        return Headline.HANDED_OVER
    if after.status == "ready" and after.shipped <= before.shipped:
        return Headline.READY
    if after.status == "agreed" and before.status in NOT_YET_AGREED:
        return Headline.AGREED
    if after.status in ("agreed", "in_progress", "ready"):
        parted = after.shipped > before.shipped
        return Headline.PART_HANDED_OVER if parted else Headline.IN_PROGRESS
    return Headline.UPDATED


def _money_headline(after: Order, moved: Decimal) -> Headline:
    if moved > 0:
        return Headline.PAYMENT_RECEIVED
    if moved < 0:
        refunded = after.financial_status == "refunded"
        return Headline.REFUNDED if refunded else Headline.PAYMENT_REDUCED
    return Headline.BALANCE


def reminder_news(reminder: Reminder, order: Order) -> News | None:
    """What a hold's end means to the customer; None when no goods are left to fetch."""
    if order.status in (*OVER, "shipped"):
        return None
    headline = Headline.HOLD_ENDED if reminder.ended else Headline.HOLD_ENDS
    asked = replace(order, until=reminder.until)
    return News(reminder.event_id, headline, asked, trace=reminder.trace)
