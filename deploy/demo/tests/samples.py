"""Small baskets and days for tests."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from demo.days import Basket, Days, Line, Product, baskets_of
from demo.plan import Plan, Settings, plan_order

SETTINGS = Settings(
    Decimal(50), {"counter": "agreed", "phone": "agreed", "site": "pending_approval"}
)
MORNING = datetime(2017, 5, 17, 13, 0)  # noqa: DTZ001 - as the data writes times


def record(**changes: Any) -> dict[str, Any]:
    """A row of the data as it is read."""
    return {
        "basket_id": 33180283000,
        "store_id": 356,
        "household_id": 1774,
        "product_id": 823990,
        "quantity": 1,
        "sales_value": 5.2,
        "transaction_timestamp": MORNING,
        **changes,
    }


def basket(
    number: int, *values: tuple[int, str], household: int = 1774, store: int = 356
) -> Basket:
    """A basket with a line for each (quantity, paid value)."""
    records: list[Mapping[str, Any]] = [
        record(
            basket_id=number,
            household_id=household,
            store_id=store,
            product_id=1000 + at,
            quantity=quantity,
            sales_value=float(value),
        )
        for at, (quantity, value) in enumerate(values)
    ]
    (made,), aside, _ = baskets_of(records)
    assert not aside
    return made


def plan(number: int, *values: tuple[int, str], household: int = 1774) -> Plan:
    """The plan of a basket whose store holds goods nominally."""
    return plan_order(basket(number, *values, household=household), "nominal", SETTINGS)


def days_of(baskets: Sequence[Basket]) -> Days:
    """Days that have these baskets."""
    products = {line.product: line for made in baskets for line in made.lines}
    return Days(
        first=date(2017, 5, 17),
        count=1,
        baskets=tuple(baskets),
        products={number: Product(number, f"Thing {number}", Decimal(1)) for number in products},
        set_aside=(),
        rows_read=sum(len(made.lines) for made in baskets),
        baskets_left_empty=0,
        every_store=tuple(sorted({made.store for made in baskets})),
    )


def line(quantity: int, unit_price: str, value: str) -> Line:
    """A line of some product."""
    return Line(1000, quantity, Decimal(unit_price), Decimal(value))


NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
