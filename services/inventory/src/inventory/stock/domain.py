"""Stock: what lies in a warehouse, what of it is promised, and what may come in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from contracts.money import UNIT_DIGITS, ZERO, fits


class UnknownItem(Exception):
    """An item of the body is not in the catalogue."""

    def __init__(self, reference: str, pointers: Mapping[str, str]) -> None:
        super().__init__(f"There is no item {reference}: check the SKU, or make the item first.")
        self.reference, self.pointers = reference, pointers


class TooPreciseForItsUnit(Exception):
    """A quantity has more decimals than its item's unit."""

    def __init__(self, pointers: Mapping[str, str]) -> None:
        super().__init__(next(iter(pointers.values())))
        self.pointers = pointers


class UnknownWarehouse(Exception):
    """The warehouse named in the body is not there."""

    pointer = "/warehouse_id"

    def __init__(self, reference: UUID) -> None:
        super().__init__("There is no such warehouse: check the id.")
        self.reference = reference


class NotAMainWarehouse(Exception):
    """Temporary storage gets its goods by transfers only."""

    pointer = "/warehouse_id"


class ReceiptIdTaken(Exception):
    """This id belongs to another receipt."""

    pointer = "/id"


@dataclass(slots=True)
class Shelf:
    """An item in a warehouse. `free` may be negative: then held goods are missing."""

    warehouse_id: UUID
    sku: str
    on_hand: Decimal = ZERO
    held: Decimal = ZERO
    version: int = 0

    @property
    def free(self) -> Decimal:
        return self.on_hand - self.held

    @property
    def available(self) -> Decimal:
        """What may still be promised."""
        return max(ZERO, self.free)

    @property
    def broken(self) -> Decimal:
        """What is promised and not there."""
        return max(ZERO, -self.free)

    @property
    def expected(self) -> Decimal:
        """What is ordered from suppliers: nothing, by rule, while no supply orders are kept."""
        return ZERO


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    sku: str
    quantity: Decimal
    unit_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Goods that came in."""

    receipt_id: UUID
    warehouse_id: UUID
    lines: tuple[ReceiptLine, ...]
    by: str
    at: datetime


def check_lines(lines: Sequence[ReceiptLine], units: Mapping[str, str]) -> None:
    """Every item is known, and no quantity is more precise than its unit."""
    unknown = [n for n, line in enumerate(lines) if line.sku not in units]
    if unknown:
        raise UnknownItem(
            lines[unknown[0]].sku,
            {
                f"/lines/{n}/sku": f"There is no item {lines[n].sku}: check the SKU."
                for n in unknown
            },
        )
    pointers = {
        f"/lines/{n}/quantity": _too_precise(units[line.sku])
        for n, line in enumerate(lines)
        if not fits(line.quantity, UNIT_DIGITS.get(units[line.sku], 3))
    }
    if pointers:
        raise TooPreciseForItsUnit(pointers)


def _too_precise(unit: str) -> str:
    digits = UNIT_DIGITS.get(unit, 3)
    allowed = "whole numbers only" if digits == 0 else f"at most {digits} decimals"
    return f"This item is counted in the unit {unit}: send {allowed}."


def plain(quantity: Decimal) -> Decimal:
    """The same quantity without zeros at its end: 3, not 3.000."""
    normal = quantity.normalize()
    return normal.quantize(Decimal(1)) if normal == normal.to_integral_value() else normal
