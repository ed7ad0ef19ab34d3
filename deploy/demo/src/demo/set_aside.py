"""Rows that cannot be orders: each is set aside by name, none is mended or invented."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from rich.table import Table

from demo.money import CURRENCY, to_cents, unit_price_of

QUANTITY_MAX = 1_000


class Reason(StrEnum):
    """Why a row is set aside, in the order in which the reasons are tried."""

    REPEATED = "the same row was read before"
    TORN_BASKET = "its basket began in another store or household"
    NO_QUANTITY = "quantity is 0: a discount or a correction, not goods"
    TOO_MANY = "quantity above 1,000: fuel, counted in thousandths of a gallon"
    NEGATIVE = "the value is negative: goods brought back"
    NOT_CENTS = "the value is not in whole cents"
    NO_UNIT_PRICE = "no unit price with 4 decimals gives the value to the cent"


@dataclass(frozen=True)
class Row:
    """One row of the data: a product in a basket and what was paid for it."""

    basket: int
    store: int
    household: int
    product: int
    quantity: int
    value: Decimal


@dataclass(frozen=True)
class SetAside:
    """A row that is no order line, and why."""

    row: Row
    reason: Reason


class Judge:
    """Says of each row, in the order of reading, why it must be set aside, or None."""

    def __init__(self) -> None:
        self._seen: set[Row] = set()
        self._baskets: dict[int, tuple[int, int]] = {}

    def reason_against(self, row: Row) -> Reason | None:
        """The first reason that fits; remembers the row and whose basket it is in."""
        if row in self._seen:
            return Reason.REPEATED
        self._seen.add(row)
        whose = self._baskets.setdefault(row.basket, (row.store, row.household))
        if whose != (row.store, row.household):
            return Reason.TORN_BASKET
        return _reason_in_figures(row)


def _reason_in_figures(row: Row) -> Reason | None:
    if row.quantity == 0:
        return Reason.NO_QUANTITY
    if row.quantity > QUANTITY_MAX:
        return Reason.TOO_MANY
    if row.quantity < 0 or row.value < 0:
        return Reason.NEGATIVE
    if row.value != to_cents(row.value):
        return Reason.NOT_CENTS
    if unit_price_of(row.quantity, row.value) is None:
        return Reason.NO_UNIT_PRICE
    return None


def table_of(rows: Iterable[SetAside], baskets_left_empty: int) -> Table:
    """How many rows were set aside for each reason, what they are worth, and one as an example."""
    kept = list(rows)
    counts = Counter(aside.reason for aside in kept)
    table = Table(title="Set aside, not made into orders", title_justify="left")
    table.add_column("why")
    table.add_column("rows", justify="right")
    table.add_column(f"worth {CURRENCY}", justify="right")
    table.add_column("for example")
    for reason in Reason:
        if not counts[reason]:
            continue
        those = [aside.row for aside in kept if aside.reason is reason]
        example = those[0]
        table.add_row(
            reason,
            f"{len(those):,}",
            f"{sum((row.value for row in those), Decimal(0)):,.2f}",
            f"basket {example.basket}, product {example.product}: "
            f"{example.quantity:,} for {example.value}",
        )
    table.add_section()
    total = sum((aside.row.value for aside in kept), Decimal(0))
    table.add_row("all of them", f"{len(kept):,}", f"{total:,.2f}", "")
    table.add_row("baskets with no row left", f"{baskets_left_empty:,}", "", "")
    return table
