"""What inventory, billing and shipping say of an order, and what it does to the order.

Each topic keeps its own order per key; between topics any order ends alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from contracts.money import ZERO

from orders.orders.domain import Happening, Order, Payment, What, settle


@dataclass(frozen=True, slots=True)
class HeldLine:
    """What inventory knows of a line."""

    line_id: UUID
    held: Decimal
    taken: Decimal


@dataclass(frozen=True, slots=True)
class HoldsTold:
    """All holds of an order as they now are."""

    what: What
    revision: int
    released: bool
    until: datetime | None
    lines: Sequence[HeldLine]
    at: datetime

    @property
    def line_ids(self) -> set[UUID]:
        """The lines that may differ after it."""
        return {line.line_id for line in self.lines}


@dataclass(frozen=True, slots=True)
class AccountTold:
    """The order's account as it now is, and what moved it."""

    what: What
    paid: Decimal
    refunded: Decimal
    detail: str
    by: str
    at: datetime
    payment: Payment | None = None

    @property
    def line_ids(self) -> set[UUID]:
        """Money moves no line."""
        return set()


@dataclass(frozen=True, slots=True)
class PartShipped:
    """A part of a line that was handed over, and its worth."""

    line_id: UUID
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ShipmentTold:
    """A shipment's news: it is being posted (parts None), was posted, or refused (no parts)."""

    shipment_id: UUID
    parts: Sequence[PartShipped] | None
    by: str
    at: datetime

    @property
    def line_ids(self) -> set[UUID]:
        """The lines of which a part went."""
        return {part.line_id for part in self.parts or ()}


Told = HoldsTold | AccountTold | ShipmentTold


def hear(order: Order, told: Told) -> list[Happening]:
    """Take the news in; what it changed, each to be said as one fact."""
    if isinstance(told, HoldsTold):
        return hear_of_holds(order, told)
    if isinstance(told, AccountTold):
        return hear_of_account(order, told)
    return hear_of_shipment(order, told)


def hear_of_holds(order: Order, told: HoldsTold) -> list[Happening]:
    """Inventory decided, goods arrived, an employee extended, or goods went out."""
    before = _progress(order), order.until
    lines = {line.id: line for line in order.lines}
    for news in told.lines:
        line = lines[news.line_id]  # Inventory knows only lines that were asked for.
        line.held, line.taken = news.held, news.taken
    order.decided_revision = max(order.decided_revision, told.revision)
    order.released = told.released
    if order.decided_revision >= order.revision:
        order.hold_asked_at = order.undecided_since = None
    if told.until is not None:
        order.until = told.until
    happened = _void(order, told.at)
    changed = settle(order)
    if changed or (_progress(order), order.until) != before:
        held = sum((line.held for line in order.lines), ZERO)
        awaiting = sum(map(order.awaiting, order.lines), ZERO)
        detail = f"held {held:f}, awaiting {awaiting:f}"
        happened.insert(0, Happening(told.what, "inventory", told.at, changed, detail))
    return happened


def hear_of_account(order: Order, told: AccountTold) -> list[Happening]:
    """Money came, was given back, or covered a hand-over."""
    before = order.paid, order.refunded
    order.paid, order.refunded = told.paid, told.refunded
    happened = _void(order, told.at)
    changed = settle(order)
    moved = told.what is not What.HAND_OVER_SETTLED
    if moved or changed or (order.paid, order.refunded) != before:
        news = Happening(told.what, told.by, told.at, changed, told.detail, payment=told.payment)
        happened.insert(0, news)
    return happened


def hear_of_shipment(order: Order, told: ShipmentTold) -> list[Happening]:
    """Goods are being handed over, were, or were not; what was handed over counts once."""
    if told.shipment_id in order.handed_over:
        return []  # A restored shipping says it again, under a new version.
    if told.parts is None:
        order.posting.add(told.shipment_id)
        return []
    order.posting.discard(told.shipment_id)
    if not told.parts:
        return []
    order.handed_over.add(told.shipment_id)
    lines = {line.id: line for line in order.lines}
    amended = False
    for part in told.parts:
        line = lines[part.line_id]
        line.shipped += part.quantity
        line.shipped_amount += part.amount
        # Taken back, or priced anew, while the goods went out: they did go, at the price they had.
        went = line.shipped, line.shipped_amount
        if line.left == 0 and went != (line.quantity, line.amount):
            amended = True
            line.quantity, line.amount = went
    happened = _void(order, told.at)
    # A part that leaves an order ready is a change too: the customer is told of each hand-over.
    changed = settle(order) or ("status",)
    count = sum((part.quantity for part in told.parts), ZERO)
    news = Happening(What.GOODS_HANDED_OVER, told.by, told.at, changed, f"{count:f}")
    more = [Happening(What.LINES_CHANGED, told.by, told.at, ())] if amended else []
    return [news, *more, *happened]


def _void(order: Order, at: datetime) -> list[Happening]:
    """Goods went out before the release, or money came: what people did meanwhile does not stand.

    The order is not cancelled, and not out of sight with a debt on it; it wants the rest again.
    """
    happened: list[Happening] = []
    if order.cancelled and order.gone:
        order.cancelled = False
        order.edition += 1
        order.ask_afresh(at)
        happened.append(
            Happening(What.CANCEL_VOIDED, "orders", at, (), "goods had left already", True)
        )
    if order.marked and (order.gone or order.paid != 0):
        order.marked = False
        order.edition += 1
        asks = order.wanted and not order.holding
        if asks:
            order.ask_afresh(at)
        why = "goods had left already" if order.gone else "money came"
        happened.append(Happening(What.RESTORED, "orders", at, (), why, asks))
    return happened


def _progress(order: Order) -> list[tuple[Decimal, Decimal, Decimal]]:
    return [(line.held, order.awaiting(line), line.taken) for line in order.lines]
