"""Rows that cannot be orders are named, and nothing else is."""

from decimal import Decimal

import pytest
from demo.days import baskets_of
from demo.set_aside import Judge, Reason, Row, SetAside, table_of
from rich.console import Console

from .samples import record


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quantity": 0, "sales_value": 0.0}, Reason.NO_QUANTITY),
        ({"quantity": 0, "sales_value": 1.5}, Reason.NO_QUANTITY),
        ({"quantity": 6910, "sales_value": 19.0}, Reason.TOO_MANY),
        ({"quantity": 1001, "sales_value": 10.01}, Reason.TOO_MANY),
        ({"quantity": 1, "sales_value": -0.5}, Reason.NEGATIVE),
        ({"quantity": -1, "sales_value": 0.5}, Reason.NEGATIVE),
        ({"quantity": 1, "sales_value": 0.505}, Reason.NOT_CENTS),
        ({"quantity": 565, "sales_value": 1.46}, Reason.NO_UNIT_PRICE),
    ],
)
def test_a_row_that_no_till_could_have_made_is_set_aside_with_its_reason(
    changes: dict[str, object], reason: Reason
) -> None:
    """Each kind of dirty row is set aside under its own name and makes no line."""
    baskets, aside, left_empty = baskets_of([record(**changes)])
    assert [row.reason for row in aside] == [reason]
    assert (baskets, left_empty) == ((), 1)


@pytest.mark.parametrize(
    ("quantity", "value"), [(1, 0.0), (1, 0.01), (3, 10.0), (144, 24.0), (1000, 10.0), (1000, 2.9)]
)
def test_an_odd_row_that_can_be_sold_is_kept(quantity: int, value: float) -> None:
    """Free goods, thirds of a price and a thousand pieces are sold as they are."""
    baskets, aside, _ = baskets_of([record(quantity=quantity, sales_value=value)])
    assert aside == ()
    assert baskets[0].total == Decimal(str(value))


def test_the_same_row_twice_is_one_line() -> None:
    """A repeated row is set aside; the same product at another value is a line of its own."""
    baskets, aside, _ = baskets_of([record(), record(), record(sales_value=4.1)])
    assert [row.reason for row in aside] == [Reason.REPEATED]
    assert [line.value for line in baskets[0].lines] == [Decimal("5.20"), Decimal("4.10")]


def test_a_basket_is_of_one_store_and_one_household() -> None:
    """A row that names another store or household than its basket's first is set aside."""
    baskets, aside, _ = baskets_of(
        [record(), record(store_id=7, product_id=2), record(household_id=8, product_id=3)]
    )
    assert [row.reason for row in aside] == [Reason.TORN_BASKET, Reason.TORN_BASKET]
    assert len(baskets[0].lines) == 1


def test_the_table_says_how_many_and_what_they_were_worth() -> None:
    """Counts, worth and an example of each reason are printed, and the sum."""
    fuel = Row(1, 2, 3, 4, 6910, Decimal("19.00"))
    shown = Console(record=True, width=200)
    shown.print(table_of([SetAside(fuel, Reason.TOO_MANY)], 44))
    text = shown.export_text()
    assert Reason.TOO_MANY in text
    assert "basket 1, product 4: 6,910 for 19.00" in text
    assert "44" in text
    assert Reason.NO_QUANTITY not in text


def test_a_judge_has_nothing_against_a_clean_row() -> None:
    """An ordinary row is kept."""
    assert Judge().reason_against(Row(1, 2, 3, 4, 2, Decimal("3.99"))) is None
