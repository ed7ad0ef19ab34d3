"""What is no order is refused, and figures and SKUs keep their value and shape; no database."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orders.catalogue.domain import plain, special_sku, tidy_price
from orders.orders import refusals
from orders.orders.placing import WishedTerm

from .test_domain import MAIN, NOW, OTHER_MAIN, STORE, line, taken


@pytest.mark.parametrize(
    ("changes", "refusal", "pointer"),
    [
        ({"lines": (line("1.5"),)}, refusals.TooPrecise, "/lines/0/quantity"),
        ({"lines": (line("1"), line("1", "X"))}, refusals.UnknownItem, "/lines/1/sku"),
        ({"lines": (line("1"),), "currency": "USD"}, refusals.OtherCurrency, "/lines/0/unit_price"),
        ({"lines": (line("9", price="999999999"),)}, refusals.TooLarge, "/lines"),
        ({"until": NOW}, refusals.HoldEndsInThePast, "/hold/until"),
        ({"until": NOW + timedelta(days=91)}, refusals.HoldTooLong, "/hold/until"),
        ({"prepayment": Decimal("1.005")}, refusals.TooPrecise, "/prepayment"),
        ({"prepayment": Decimal(1001)}, refusals.PrepaymentAboveTotal, "/prepayment"),
        ({"terms": (WishedTerm(NOW.date(), Decimal(999)),)}, refusals.TermsDoNotAddUp, "/terms"),
        ({"store_id": MAIN}, refusals.UnknownStore, "/store_id"),
        ({"warehouse_id": STORE}, refusals.UnknownWarehouse, "/hold/warehouse_id"),
        ({"warehouse_id": OTHER_MAIN}, refusals.WarehouseOutOfReach, "/hold/warehouse_id"),
        ({"customer_id": STORE}, refusals.UnknownCustomer, "/customer_id"),
    ],
)
def test_what_is_no_order_is_refused_where_it_is_wrong(
    changes: dict[str, Any], refusal: type[refusals.Refused], pointer: str
) -> None:
    """Each mistake has its refusal and points at the field."""
    with pytest.raises(refusal) as caught:
        taken(**changes)
    assert caught.value.pointer == pointer


def test_kilograms_have_three_decimals_and_amounts_are_half_up() -> None:
    """0.333 kg at 1.2345 are 0.41; five at 0.105 are 0.53."""
    order = taken(line("0.333", "RICE"), line("5", price="0.105"))
    assert [n.amount for n in order.lines] == [Decimal("0.41"), Decimal("0.53")]


@given(st.integers(0, 1 << 50))
def test_special_skus_can_be_read_aloud(number: int) -> None:
    """A special SKU has no letter that is read as another."""
    assert not set("01ILO") & set(special_sku(number))


@given(st.integers(0, 10**9).map(lambda n: Decimal(n).scaleb(-4)))
def test_tidy_figures_keep_their_value(value: Decimal) -> None:
    """Leaving out zeros changes no price and no quantity, and shows no exponent."""
    assert tidy_price(value, "EUR") == plain(value) == value
    assert "E" not in f"{plain(value)}{tidy_price(value, 'EUR')}"
