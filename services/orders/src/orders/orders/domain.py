"""An order, its two statuses as functions of facts, and what people and facts do to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from contracts.money import ZERO, round_half_up

FINISHED = ("closed", "cancelled")
HOLD_MAX = timedelta(days=90)


class What(StrEnum):
    """What happened to an order, in its history's words."""

    PLACED = "placed"
    AGREED = "agreed"
    LINES_CHANGED = "lines_changed"
    CANCELLED = "cancelled"
    CANCEL_VOIDED = "cancel_voided"
    CLOSED = "closed"
    MARKED = "marked_for_removal"
    RESTORED = "restored"
    HOLDS_DECIDED = "holds_decided"
    HOLDS_CHANGED = "holds_changed"
    GOODS_TAKEN = "goods_taken"
    GOODS_HANDED_OVER = "goods_handed_over"
    PAYMENT_POSTED = "payment_posted"
    PAYMENT_CANCELLED = "payment_cancelled"
    REFUND_POSTED = "refund_posted"
    HAND_OVER_SETTLED = "hand_over_settled"
    ASKED_AGAIN = "asked_again"


@dataclass(slots=True)
class Line:
    """An order's line: `taken` as inventory says, `shipped` as shipping's posted documents say.

    `quantity` is what is ordered and not taken back, goods handed over included; the amounts are in
    the order's currency.
    """

    id: UUID
    position: int
    sku: str
    description: str
    unit: str
    special: bool
    tax_rate: Decimal
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    held: Decimal = ZERO
    taken: Decimal = ZERO
    shipped: Decimal = ZERO
    shipped_amount: Decimal = ZERO

    @property
    def gone(self) -> Decimal:
        """What has left, whoever said so first."""
        return max(self.taken, self.shipped)

    @property
    def left(self) -> Decimal:
        """What is still to be handed over."""
        return max(ZERO, self.quantity - self.shipped)


@dataclass(frozen=True, slots=True)
class Term:
    """An amount of the order that is due on a date."""

    id: UUID
    due_on: date
    amount: Decimal


@dataclass(slots=True)
class Order:
    """An order with the facts that its statuses follow from.

    revision counts the hold commands; `asked_revision` is the one whose decision makes the holds
    decided; `edition` counts what people changed, `version` the facts that were said.
    """

    id: UUID
    number: str
    store_id: UUID
    channel: str
    customer_id: UUID | None
    customer_name: str | None
    currency: str
    placed_at: datetime
    placed_by: str
    method: str
    warehouse_id: UUID
    until: datetime
    first_status: str
    prepayment_percent: Decimal
    prepayment_typed: Decimal | None
    notify: bool
    terms: Sequence[Term]
    lines: list[Line]
    request: bytes | None = None
    agreed: bool = False
    cancelled: bool = False
    closed: bool = False
    marked: bool = False
    revision: int = 0
    asked_revision: int = 0
    decided_revision: int = 0
    released: bool = False
    holding: bool = False  # Whether the newest hold command asks for goods.
    hold_asked_at: datetime | None = None
    undecided_since: datetime | None = None
    paid: Decimal = ZERO
    refunded: Decimal = ZERO
    version: int = 0
    edition: int = 1
    status: str = "draft"
    financial_status: str = "unpaid"
    total: Decimal = ZERO
    shipped_amount: Decimal = ZERO
    shipped_unpaid: bool = False
    paid_unshipped: bool = False
    posting: set[UUID] = field(default_factory=set)  # Shipments whose outcome is not known yet.
    handed_over: set[UUID] = field(default_factory=set)  # Shipments that counted.

    @property
    def worth(self) -> Decimal:
        """What the lines are worth, cancelled or not."""
        return round_half_up(sum((line.amount for line in self.lines), ZERO), self.currency)

    @property
    def prepayment_proposed(self) -> Decimal:
        """What the setting of the day of the order proposes."""
        return round_half_up(self.worth * self.prepayment_percent / 100, self.currency)

    @property
    def prepayment(self) -> Decimal:
        """What stands: the typed one, or else the proposal."""
        typed = self.prepayment_typed
        return self.prepayment_proposed if typed is None else typed

    @property
    def customer_key(self) -> str | None:
        """Where `orders.customers` has the name: under the card's id, or the order's."""
        if self.customer_id is not None:
            return str(self.customer_id)
        return None if self.customer_name is None else str(self.id)

    @property
    def gone(self) -> bool:
        """Whether anything has left."""
        return any(line.gone > 0 for line in self.lines)

    @property
    def goods_open(self) -> bool:
        """Whether something is still to be handed over."""
        return self.status not in FINISHED and any(line.left > 0 for line in self.lines)

    @property
    def wanted(self) -> bool:
        """Whether goods are to be asked for: not of a draft, nor of an order that has ended."""
        return (self.agreed or self.first_status != "draft") and not (self.cancelled or self.closed)

    @property
    def decided(self) -> bool:
        """Whether inventory answered the hold that was asked for.

        A later change of quantities is not undecided again: one change is told once.
        """
        return 0 < self.asked_revision <= self.decided_revision and not self.released

    def awaiting(self, line: Line) -> Decimal:
        """What is short of the line as it is wanted now; nothing before inventory decided.

        A quantity that is made larger awaits at once, without inventory's next answer.
        """
        if not (self.holding and self.decided):
            return ZERO
        return max(ZERO, line.quantity - line.gone - line.held)

    @property
    def waits_for_inventory(self) -> bool:
        """Whether the newest hold command was not answered yet."""
        return self.decided_revision < self.revision

    def ask(self, now: datetime, holding: bool) -> None:
        """Note that a new hold command, or a release, goes to inventory."""
        self.revision += 1
        self.holding = holding
        self.hold_asked_at = self.undecided_since = now

    def ask_afresh(self, now: datetime) -> None:
        """Ask for the goods; when the end that was set is past, for as long as was meant then."""
        if self.until <= now:
            self.until = now + min(self.until - self.placed_at, HOLD_MAX)
        self.ask(now, holding=True)
        self.asked_revision = self.revision


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment, for its receipt; `deposit_left` is the order's deposit right after it."""

    id: UUID
    amount: Decimal
    store_id: UUID
    deposit_left: Decimal


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to an order; each is one fact and one row of its history.

    changed: what the customer is told of. asks: inventory is given a new command for it.
    """

    what: What
    by: str
    at: datetime
    changed: tuple[str, ...] = ()
    detail: str = ""
    asks: bool = False
    payment: Payment | None = None


def main_status(order: Order) -> str:
    """How far the order is fulfilled: the first that fits."""
    if order.cancelled and not order.gone:
        return "cancelled"
    wanted = [line for line in order.lines if line.quantity > 0]
    all_shipped = bool(wanted) and all(line.shipped >= line.quantity for line in wanted)
    if order.closed or (all_shipped and order.paid == order.worth):
        return "closed"
    if all_shipped:
        return "shipped"
    if not order.agreed:
        return order.first_status
    if not order.decided:
        return "agreed"
    return "in_progress" if any(order.awaiting(line) > 0 for line in wanted) else "ready"


def financial_status(paid: Decimal, total: Decimal, refunded: Decimal, cancelled: bool) -> str:
    """How far the order is paid."""
    if paid > total:
        return "overpaid"
    if paid == total and not cancelled:
        return "paid"
    if paid > 0:
        return "partly_paid"
    return "refunded" if refunded > 0 else "unpaid"


def settle(order: Order) -> tuple[str, ...]:
    """Work out both statuses and the figures again; what changed that the customer is told of."""
    before = order.status, order.financial_status
    order.status = main_status(order)
    cancelled = order.status == "cancelled"
    order.total = round_half_up(ZERO, order.currency) if cancelled else order.worth
    order.shipped_amount = sum((line.shipped_amount for line in order.lines), ZERO)
    order.financial_status = financial_status(order.paid, order.total, order.refunded, cancelled)
    order.shipped_unpaid = not cancelled and order.shipped_amount > order.paid
    order.paid_unshipped = order.goods_open and 0 < order.total <= order.paid
    after = order.status, order.financial_status
    names = ("status", "financial_status")
    changed = tuple(n for n, was, now in zip(names, before, after, strict=True) if was != now)
    return () if order.marked else changed
