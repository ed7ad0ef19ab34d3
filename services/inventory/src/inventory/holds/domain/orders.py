"""What is held for an order, line by line, and what is said of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from contracts.money import ZERO

SEPARATE, NOMINAL = "separate", "nominal"
WARN, BLOCK = "warn", "block"
HOLD_DAYS_MAX = 90
REMINDER_BEFORE_END = timedelta(hours=24)


class HoldTooLong(Exception):
    """Goods are held for 90 days at most."""

    pointer = "/until"


class HoldEndsInThePast(Exception):
    """A hold can only be extended into the future."""

    pointer = "/until"


class NothingIsHeld(Exception):
    """There is no open hold to extend."""


class HoldFromTemporaryStorage(Exception):
    """Goods are held in main warehouses; temporary storage holds what was moved there."""


@dataclass(frozen=True, slots=True)
class Place:
    """A main warehouse, its temporary storage if there is one, and its store's rules."""

    warehouse_id: UUID
    store_id: UUID
    kind: str
    temporary_id: UUID | None
    hold_method: str
    held_goods_sale: str


@dataclass(slots=True)
class Line:
    """An order's line. `to_put_back` lies free in temporary storage since a hold was released.

    A line that was given up (its goods were put back) waits for nothing until the order asks anew.
    """

    line_id: UUID
    sku: str
    position: int = 0
    wanted: Decimal = ZERO
    held: Decimal = ZERO
    taken: Decimal = ZERO
    to_put_back: Decimal = ZERO
    given_up: bool = False

    @property
    def needed(self) -> Decimal:
        """What the order still wants to have held, what is held included."""
        return max(ZERO, self.wanted - self.taken)


@dataclass(slots=True)
class OrderHold:
    """All holds of one order. Revision 0: no hold command was seen yet."""

    order_id: UUID
    store_id: UUID
    warehouse_id: UUID
    method: str
    revision: int = 0
    until: datetime | None = None
    placed_at: datetime | None = None
    released: bool = False
    remind_at: datetime | None = None
    version: int = 0
    lines: dict[UUID, Line] = field(default_factory=dict)

    def awaiting(self, line: Line) -> Decimal:
        """What the line stands in the queue for."""
        if self.released or line.given_up:
            return ZERO
        return line.needed - line.held if line.needed > line.held else ZERO

    def line(self, line_id: UUID, sku: str) -> Line:
        """The line, made when it was never heard of."""
        return self.lines.setdefault(line_id, Line(line_id, sku))

    @property
    def is_open(self) -> bool:
        """Whether goods are held, or waited for."""
        return any(line.held > 0 or self.awaiting(line) > 0 for line in self.lines.values())


@dataclass(frozen=True, slots=True)
class Quantity:
    """So much of an item for a line."""

    line_id: UUID
    sku: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class HoldWish:
    order_id: UUID
    revision: int
    store_id: UUID
    warehouse_id: UUID
    method: str
    until: datetime
    placed_at: datetime
    lines: tuple[Quantity, ...]


@dataclass(frozen=True, slots=True)
class ReleaseWish:
    order_id: UUID
    revision: int
    warehouse_id: UUID


@dataclass(frozen=True, slots=True)
class ExtendWish:
    order_id: UUID
    warehouse_id: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class TakeOutWish:
    shipment_id: UUID
    order_id: UUID
    store_id: UUID
    warehouse_id: UUID
    lines: tuple[Quantity, ...]
    override: bool


Wish = HoldWish | ReleaseWish | ExtendWish | TakeOutWish


@dataclass(frozen=True, slots=True)
class LineThen:
    line_id: UUID
    sku: str
    wanted: Decimal
    held: Decimal
    taken: Decimal


@dataclass(frozen=True, slots=True)
class Decided:
    """The answer to a hold or release command."""


@dataclass(frozen=True, slots=True)
class Changed:
    cause: str  # arrival, extended or put_back


@dataclass(frozen=True, slots=True)
class Taken:
    shipment_id: UUID
    lines: tuple[Quantity, ...]


@dataclass(frozen=True, slots=True)
class Shortage:
    line_id: UUID
    sku: str
    wanted: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class Refused:
    shipment_id: UUID
    reason: str  # goods_missing, held_for_others or order_released
    shortages: tuple[Shortage, ...]


What = Decided | Changed | Taken | Refused


@dataclass(frozen=True, slots=True)
class Told:
    """Something to say of an order, with its holds as they were when it happened."""

    what: What
    version: int
    order_id: UUID
    revision: int
    warehouse_id: UUID
    method: str
    until: datetime | None
    released: bool
    lines: tuple[LineThen, ...]


def tell(order: OrderHold, what: What) -> Told:
    """The order's next fact."""
    order.version += 1
    return Told(
        what,
        order.version,
        order.order_id,
        order.revision,
        order.warehouse_id,
        order.method,
        order.until,
        order.released,
        tuple(_then(line) for line in _in_order(order.lines)),
    )


def _in_order(lines: Mapping[UUID, Line]) -> Iterable[Line]:
    return sorted(lines.values(), key=lambda line: (line.position, line.line_id))


def _then(line: Line) -> LineThen:
    # What was taken before its hold command came was wanted, whatever the command will say.
    wanted = max(line.wanted, line.held + line.taken)
    return LineThen(line.line_id, line.sku, wanted, line.held, line.taken)


def next_reminder(until: datetime | None, now: datetime) -> datetime | None:
    """A day before the end, or at the end when that day has begun; None once it is past."""
    if until is None or until <= now:
        return None
    early = until - REMINDER_BEFORE_END
    return early if early > now else until


def check_extension(until: datetime, now: datetime) -> None:
    """A hold ends in the future, 90 days from now at most."""
    if until <= now:
        raise HoldEndsInThePast("Choose an end that is still to come.")
    if until > now + timedelta(days=HOLD_DAYS_MAX):
        raise HoldTooLong(
            f"Goods are held for {HOLD_DAYS_MAX} days at most: choose an earlier end."
        )
