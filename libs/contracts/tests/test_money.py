"""Rounding is the same everywhere, and parts add up to the whole."""

from decimal import Decimal

from contracts.money import fits, line_amount, part_amount, round_half_up
from hypothesis import given
from hypothesis import strategies as st

amounts = st.decimals(min_value=0, max_value=1_000_000, places=2)
parts = st.lists(st.integers(min_value=1, max_value=50), min_size=1, max_size=8)


def test_half_a_cent_goes_up() -> None:
    """0.005 is 0.01, and a currency without minor units rounds to whole ones."""
    assert round_half_up(Decimal("0.005"), "EUR") == Decimal("0.01")
    assert round_half_up(Decimal("10.5"), "JPY") == Decimal("11")
    assert line_amount(Decimal("3"), Decimal("0.3333"), "EUR") == Decimal("1.00")


@given(amounts, parts)
def test_parts_of_a_line_add_up_to_its_amount(amount: Decimal, sizes: list[int]) -> None:
    """However a line is split over hand-overs, their worth is the line's amount."""
    quantity, before, total = Decimal(sum(sizes)), Decimal(0), Decimal(0)
    for size in sizes:
        worth = part_amount(amount, quantity, before, Decimal(size), "EUR")
        assert worth >= 0
        total += worth
        before += size
    assert total == amount


def test_a_line_of_nothing_is_worth_nothing() -> None:
    """No division by zero for a line whose quantity was taken back."""
    assert part_amount(Decimal("5"), Decimal(0), Decimal(0), Decimal(0), "EUR") == 0


def test_decimals_are_counted_without_trailing_zeros() -> None:
    """1.50 fits one decimal, 1.55 does not."""
    assert fits(Decimal("1.50"), 1)
    assert not fits(Decimal("1.55"), 1)
    assert fits(Decimal("1E+3"), 0)
