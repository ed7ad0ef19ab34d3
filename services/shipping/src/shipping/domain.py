"""Shipments: what may be handed over, when, and what each part is worth. Pure rules."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from contracts import money

Kind = Literal["hand_over", "delivery"]
State = Literal["draft", "posting", "posted", "refused"]
NEXT: Mapping[State, AbstractSet[State]] = {
    "draft": {"posting"},
    "posting": {"posted", "refused"},
    "posted": set(),
    "refused": set(),
}
NOT_YET_AGREED = ("draft", "pending_approval")
ZERO = Decimal(0)


class IllegalTransition(Exception):
    """A shipment was to go where its state does not lead."""


class Refused(Exception):
    """What was asked for is not done, and its text says what to do."""


class MayBeLate(Refused):
    """A refusal because of the order's copy, which may be behind by a moment."""

    order_id: UUID


class UnknownOrder(MayBeLate):
    pointer = "/order_id"

    def __init__(self, order_id: UUID) -> None:
        self.order_id = self.reference = order_id
        super().__init__(f"There is no order {order_id}: check the id.")


class UnknownLine(MayBeLate):
    def __init__(self, order_id: UUID, position: int) -> None:
        self.order_id, self.pointer = order_id, f"/lines/{position}/line_id"
        super().__init__("The order has no such line: read the order and take a line's id.")


class MoreThanIsLeft(MayBeLate):
    """Asked for more of a line than is neither handed over nor on its way."""

    def __init__(self, order_id: UUID, pointers: Mapping[str, str]) -> None:
        self.order_id, self.pointers = order_id, dict(pointers)
        super().__init__(next(iter(pointers.values())))


class LeftMeanwhile(MayBeLate):
    """A draft asks for what another shipment has taken since it was written."""

    def __init__(self, order_id: UUID, pointers: Mapping[str, str]) -> None:
        self.order_id, self.pointers = order_id, dict(pointers)
        super().__init__(next(iter(pointers.values())))


class NotAgreed(MayBeLate):
    def __init__(self, order_id: UUID) -> None:
        self.order_id = order_id
        super().__init__("The order is not agreed yet: agree it first, then hand over.")


class OrderIsMarked(MayBeLate):
    def __init__(self, order_id: UUID) -> None:
        self.order_id = order_id
        super().__init__("The order is marked for removal: restore it first.")


class OrderIsCancelled(Refused):
    def __init__(self) -> None:
        super().__init__("The order is cancelled: nothing of it can be handed over.")


class UnknownStore(Refused):
    pointer = "/store_id"

    def __init__(self, store_id: UUID) -> None:
        self.reference = store_id
        super().__init__(f"There is no store {store_id}: check the id.")


class OutsideYourStores(Refused):
    """What one may not see does not exist."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was not found: check the id and that it is in your stores.")


class ShipmentExists(Refused):
    pointer = "/id"

    def __init__(self) -> None:
        super().__init__("Another shipment has this id: leave it out or send a new one.")


class LineNamedTwice(Refused):
    def __init__(self, position: int) -> None:
        self.pointer = f"/lines/{position}/line_id"
        super().__init__("This line is named twice: name it once with the whole quantity.")


class QuantityTooPrecise(Refused):
    def __init__(self, position: int, unit: str, digits: int) -> None:
        self.pointer = f"/lines/{position}/quantity"
        allowed = "no decimals" if digits == 0 else f"at most {digits} decimals"
        super().__init__(f"A quantity in {unit} has {allowed}: round it.")


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of an order as shipping knows it; quantity and amount are those of the whole line."""

    line_id: UUID
    sku: str
    unit: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    posting: Decimal = ZERO
    posted: Decimal = ZERO
    posted_amount: Decimal = ZERO

    @property
    def left(self) -> Decimal:
        """What is neither handed over nor about to be; never below zero."""
        return max(ZERO, self.quantity - self.posted - self.posting)

    def worth_left(self, currency: str) -> Decimal:
        """What the rest of the line, not handed over yet, is worth."""
        if self.posted >= self.quantity:
            return money.round_half_up(ZERO, currency)
        return max(ZERO, self.amount - self.posted_amount)

    def worth_of(self, part: Decimal, currency: str) -> Decimal:
        """What handing over this part now is worth: half-up(amount × handed over ÷ quantity),
        cumulatively, less what came before, so that all parts add up to the line's amount.

        Less what really came before: after a change of price the rest makes up for it, but no
        part is worth less than nothing.
        """
        after = self.posted + part
        if after <= self.quantity:
            worth = money.round_half_up(self.amount * after / self.quantity, currency)
            return max(money.round_half_up(ZERO, currency), worth - self.posted_amount)
        # More left the store than the order still wanted (it was changed in between): at its price.
        beyond = min(part, after - self.quantity)
        return self.worth_left(currency) + money.line_amount(beyond, self.unit_price, currency)


@dataclass(slots=True)
class Order:
    """The copy of an order; its lines follow what shipments do to them."""

    order_id: UUID
    store_id: UUID
    warehouse_id: UUID
    goods_store_id: UUID | None  # Whose warehouse it is, once that is known.
    currency: str
    status: str
    marked: bool
    lines: dict[UUID, OrderLine] = field(default_factory=dict)

    def worth_left(self) -> Decimal:
        """What is left to hand over is worth."""
        zero = money.round_half_up(ZERO, self.currency)
        return sum((line.worth_left(self.currency) for line in self.lines.values()), zero)

    def worth_handed_over(self) -> Decimal:
        """What is handed over is worth."""
        zero = money.round_half_up(ZERO, self.currency)
        return sum((line.posted_amount for line in self.lines.values()), zero)

    def check_open(self) -> None:
        """Refuse orders of which nothing will ever be handed over."""
        if self.status == "cancelled":
            raise OrderIsCancelled
        if self.marked:
            raise OrderIsMarked(self.order_id)


@dataclass(frozen=True, slots=True)
class Shortage:
    line_id: UUID
    sku: str
    wanted: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class ShipmentLine:
    line_id: UUID
    sku: str
    quantity: Decimal
    amount: Decimal | None = None  # Known once it is handed over.


@dataclass(frozen=True, slots=True)
class Shipment:
    """Goods of one order that leave together: draft → posting → posted or refused."""

    id: UUID
    order_id: UUID
    store_id: UUID
    kind: Kind
    state: State
    currency: str
    lines: tuple[ShipmentLine, ...]
    created_by: str
    created_at: datetime
    override: bool = False
    value: Decimal | None = None
    left_before: Decimal | None = None
    handed_over_before: Decimal | None = None
    consumed: Decimal | None = None
    due_now: Decimal | None = None
    reason: str | None = None
    shortages: tuple[Shortage, ...] = ()
    posted_by: str | None = None
    posting_at: datetime | None = None
    decided_at: datetime | None = None
    version: int = 0

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come: refused, or posted and its money known."""
        return self.state == "refused" or (self.state == "posted" and self.due_now is not None)

    def to(self, state: State) -> State:
        """The next state, when this one leads there."""
        if state not in NEXT[self.state]:
            raise IllegalTransition(f"shipment {self.id} is {self.state} and cannot be {state}")
        return state


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part of an order's line, as somebody asked for it."""

    line_id: UUID
    quantity: Decimal


def draft(
    order: Order,
    id: UUID,
    store_id: UUID,
    kind: Kind,
    wanted: Sequence[Wanted],
    by: str,
    now: datetime,
) -> Shipment:
    """A draft, which promises nothing and takes nothing. `wanted` has at least one line."""
    assert wanted, "the edge refuses an empty shipment"
    order.check_open()
    named: set[UUID] = set()
    for position, part in enumerate(wanted):
        if part.line_id in named:
            raise LineNamedTwice(position)
        named.add(part.line_id)
        line = order.lines.get(part.line_id)
        if line is None:
            raise UnknownLine(order.order_id, position)
        digits = money.UNIT_DIGITS.get(line.unit, 3)
        if not money.fits(part.quantity, digits):
            raise QuantityTooPrecise(position, line.unit, digits)
    if beyond := _beyond(order, wanted):
        raise MoreThanIsLeft(order.order_id, beyond)
    lines = tuple(
        ShipmentLine(part.line_id, order.lines[part.line_id].sku, part.quantity) for part in wanted
    )
    return Shipment(id, order.order_id, store_id, kind, "draft", order.currency, lines, by, now)


def post(shipment: Shipment, order: Order, override: bool, by: str, now: datetime) -> Shipment:
    """The draft asks for its goods; its quantities are on their way from now on."""
    state = shipment.to("posting")
    order.check_open()
    if order.status in NOT_YET_AGREED:
        raise NotAgreed(order.order_id)
    if beyond := _beyond(order, shipment.lines):
        raise LeftMeanwhile(order.order_id, beyond)
    for part in shipment.lines:
        line = order.lines[part.line_id]
        order.lines[part.line_id] = replace(line, posting=line.posting + part.quantity)
    return replace(
        shipment,
        state=state,
        override=override,
        posted_by=by,
        posting_at=now,
        version=shipment.version + 1,
    )


def _beyond(order: Order, wanted: Sequence[Wanted | ShipmentLine]) -> dict[str, str]:
    """Pointers to the quantities of which less is left, with a sentence each."""
    found: dict[str, str] = {}
    for position, part in enumerate(wanted):
        left = order.lines[part.line_id].left
        if part.quantity > left:
            found[f"/lines/{position}/quantity"] = (
                f"Only {_plain(left)} of this line is left to hand over: ask for no more."
                if left
                else "Nothing of this line is left to hand over: leave it out."
            )
    return found


def hand_over(shipment: Shipment, order: Order, at: datetime) -> Shipment:
    """The goods are out: each part gets its worth, and the order's lines have it handed over."""
    state = shipment.to("posted")
    left_before, handed_over_before = order.worth_left(), order.worth_handed_over()
    value = money.round_half_up(ZERO, shipment.currency)
    lines: list[ShipmentLine] = []
    for part in shipment.lines:
        line = order.lines[part.line_id]
        amount = line.worth_of(part.quantity, shipment.currency)
        order.lines[part.line_id] = replace(
            line,
            posting=line.posting - part.quantity,
            posted=line.posted + part.quantity,
            posted_amount=line.posted_amount + amount,
        )
        lines.append(replace(part, amount=amount))
        value += amount
    return replace(
        shipment,
        state=state,
        lines=tuple(lines),
        value=value,
        left_before=max(left_before, value),
        handed_over_before=handed_over_before,
        decided_at=at,
        version=shipment.version + 1,
    )


def refuse(
    shipment: Shipment, order: Order, reason: str, shortages: Sequence[Shortage], at: datetime
) -> Shipment:
    """The goods are not to be had: the quantities are left to hand over again."""
    state = shipment.to("refused")
    for part in shipment.lines:
        line = order.lines[part.line_id]
        order.lines[part.line_id] = replace(line, posting=line.posting - part.quantity)
    return replace(
        shipment,
        state=state,
        reason=reason,
        shortages=tuple(shortages),
        decided_at=at,
        version=shipment.version + 1,
    )


def asks_for(
    shipment: Shipment, order_id: UUID, store_id: UUID, kind: Kind, wanted: Sequence[Wanted]
) -> bool:
    """Whether the shipment is what this wish would make."""
    parts = [Wanted(line.line_id, line.quantity) for line in shipment.lines]
    its = (shipment.order_id, shipment.store_id, shipment.kind, parts)
    return its == (order_id, store_id, kind, list(wanted))


REASONS: Mapping[str, str] = {
    "goods_missing": "The goods are not there: receive them first, or hand over less.",
    "held_for_others": "The goods are held for other orders: a manager may override it.",
    "order_released": "The order wants nothing more, its holds are released: look at the order.",
}


def in_words(reason: str) -> str:
    """Why a shipment was refused, and what to do."""
    return REASONS.get(reason, reason)


def shortage_in_words(shortage: Shortage) -> str:
    return (
        f"{_plain(shortage.wanted)} of {shortage.sku} are wanted, "
        f"{_plain(shortage.available)} can be handed over."
    )


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
