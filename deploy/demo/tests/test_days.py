"""The days as they are in the data."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from demo.days import TYPICAL_DAY, Days, baskets_of, product_name, read_days
from demo.money import line_amount
from demo.set_aside import Reason

from .samples import record


@pytest.fixture(scope="module")
def typical() -> Days:
    return read_days(TYPICAL_DAY, 1)


def test_the_typical_day_has_the_weekdays_median_of_baskets(typical: Days) -> None:
    """The chosen Wednesday is whole: every row is a line or is set aside."""
    lines = [line for basket in typical.baskets for line in basket.lines]
    assert len(typical.baskets) == 366
    assert len(typical.stores) == 98
    assert len(typical.households) == 317
    assert len(typical.products) == 2601
    assert len(lines) == 3587
    assert sum(line.quantity for line in lines) == 4770
    assert sum(line.value for line in lines) == Decimal("10276.39")
    assert len(lines) + len(typical.set_aside) == typical.rows_read == 3653
    assert typical.baskets_left_empty == 44


def test_what_the_typical_day_sets_aside_is_fuel_and_empty_rows(typical: Days) -> None:
    """43 rows of fuel and 23 without a quantity, nothing else."""
    reasons = [row.reason for row in typical.set_aside]
    assert reasons.count(Reason.TOO_MANY) == 43
    assert reasons.count(Reason.NO_QUANTITY) == 23
    assert len(reasons) == 66


def test_every_line_of_the_day_is_worth_what_was_paid(typical: Days) -> None:
    """Half-up(quantity × unit price) is the paid value to the cent, with four decimals at most."""
    for basket in typical.baskets:
        for line in basket.lines:
            assert line_amount(line.quantity, line.unit_price) == line.value
            assert line.unit_price == line.unit_price.quantize(Decimal("0.0001"))


def test_a_trading_day_runs_from_midnight_to_midnight_in_the_shops(typical: Days) -> None:
    """The day is New York's, in May four hours behind UTC."""
    assert typical.baskets[0].at >= datetime(2017, 5, 17, 4, tzinfo=UTC)
    assert typical.baskets[-1].at < datetime(2017, 5, 18, 4, tzinfo=UTC)
    assert list(typical.baskets) == sorted(typical.baskets, key=lambda basket: basket.at)


def test_a_real_row_that_no_unit_price_gives_is_set_aside() -> None:
    """On 21 January 2017 the data has such a row, of fuel below a gallon."""
    reasons = [row.reason for row in read_days(date(2017, 1, 21), 1).set_aside]
    assert Reason.NO_UNIT_PRICE in reasons


def test_baskets_come_in_the_order_of_their_time() -> None:
    """A later basket that stands first in the data is served later."""
    late = record(basket_id=1, transaction_timestamp=datetime(2017, 5, 17, 20))  # noqa: DTZ001
    baskets, _, _ = baskets_of([late, record(basket_id=2)])
    assert [basket.id for basket in baskets] == [2, 1]


def test_a_product_is_called_what_the_product_table_says() -> None:
    """The narrowest word that is there, with the package size, blanks made single."""
    known = {
        "department": "GROCERY",
        "product_category": "EGGS",
        "product_type": "EGGS - X-LARGE",
        "package_size": "A D   1 DZ",
    }
    assert product_name(known) == "EGGS - X-LARGE, A D 1 DZ"
    vague = known | {"product_category": None, "product_type": None, "package_size": None}
    assert product_name(vague) == "GROCERY"
