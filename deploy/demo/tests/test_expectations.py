"""Figures that follow from the baskets alone."""

from decimal import Decimal

import pytest
from demo import expectations, figures
from demo.expectations import changes_told, standings, tally_order, tally_told
from demo.money import unit_price_of
from demo.plan import Household, hold_method, needed_goods

from .samples import plan

COUNTER, PHONE, SITE = 1, 7, 9
TWO_PARTS, ONE_PART = 0, 100  # Added to a basket's number.


def test_a_counter_order_is_told_of_five_times() -> None:
    """Placed, ready, deposit, handed over, and paid with closing: one message each."""
    order = plan(COUNTER + ONE_PART, (1, "10.00"))
    assert [(step.main, step.financial) for step in standings(order)] == [
        ("agreed", "unpaid"),
        ("ready", "unpaid"),
        ("ready", "partly_paid"),
        ("shipped", "partly_paid"),
        ("closed", "paid"),
    ]
    assert changes_told(order) == 5


def test_an_order_from_the_site_is_agreed_by_staff_first() -> None:
    """It is placed for approval; agreeing makes it ready in one change."""
    order = plan(SITE + ONE_PART, (1, "10.00"))
    assert order.needs_agreeing
    assert standings(order)[0].main == "pending_approval"
    assert changes_told(order) == 5


def test_two_parts_are_two_changes() -> None:
    """The first part puts the order in progress, the second ships it."""
    order = plan(COUNTER + TWO_PARTS, (3, "9.00"), (2, "1.00"))
    assert [[(line.position, line.quantity) for line in part] for part in order.parts] == [
        [(0, 2)],
        [(0, 1), (1, 2)],
    ]
    assert [step.main for step in standings(order)][3:5] == ["in_progress", "shipped"]
    assert changes_told(order) == 6


def test_a_cent_is_paid_whole_by_the_deposit_and_closes_at_the_hand_over() -> None:
    """Half of one cent is one cent: no last payment, the invoice is covered."""
    order = plan(COUNTER + ONE_PART, (1, "0.01"))
    assert order.deposit == Decimal("0.01")
    assert not order.left_after_deposit
    assert [step.main for step in standings(order)][-2:] == ["ready", "closed"]
    tally = tally_order(order)
    assert tally[figures.document_money("invoice", "covered by deposits")] == Decimal("0.01")
    assert tally[figures.payments("cash")] == 1


def test_a_free_order_takes_no_money_and_no_invoice() -> None:
    """Nothing to pay is paid; handing it over closes it, and no paper is printed."""
    order = plan(COUNTER + ONE_PART, (1, "0.00"))
    assert changes_told(order) == 3
    tally = tally_order(order)
    assert tally[figures.main_status("closed")] == 1
    assert tally[figures.financial_status("paid")] == 1
    assert not any(figure.section.startswith("Money") for figure in tally)
    assert not any(figure.section == "Papers" for figure in tally_told(order))


def test_a_phone_order_types_its_own_deposit() -> None:
    """30% of the total stands instead of the proposed half, rounded half up."""
    order = plan(PHONE + ONE_PART, (1, "9.95"))
    assert order.proposed_prepayment == Decimal("4.98")
    assert order.deposit == Decimal("2.99")
    assert order.left_after_deposit == Decimal("6.96")


def test_only_each_tenth_household_gets_e_mails() -> None:
    """All get account messages in their language; the tenth gets as many e-mails."""
    with_address = tally_told(plan(COUNTER + ONE_PART, (1, "10.00"), household=1770))
    without = tally_told(plan(COUNTER + ONE_PART, (1, "10.00"), household=1774))
    assert with_address[figures.EMAILS] == with_address[figures.ACCOUNT_MESSAGES] == 5
    assert without[figures.EMAILS] == 0
    assert without[figures.ACCOUNT_MESSAGES] == 5
    assert with_address[figures.told_in("bg")] == 5


def test_every_household_has_a_number_of_its_own_that_rings_nowhere() -> None:
    """Telephones differ, and all of them are 555-01xx."""
    phones = {Household(number).phone for number in range(1, 2501)}
    assert len(phones) == 2500
    assert all(phone[5:10] == "55501" and len(phone) == 12 for phone in phones)


def test_stock_comes_in_for_all_orders_and_the_reserve_is_left() -> None:
    """Two orders of one product need five; seven come in, two stay."""
    orders = [plan(COUNTER, (2, "2.00")), plan(COUNTER + 10, (3, "3.00"), (1, "1.00"))]
    assert needed_goods(orders) == {356: {1000: 5, 1001: 1}}
    assert expectations.receipts(orders) == {356: {1000: 7, 1001: 3}}
    assert expectations.tally_stock(orders)[figures.stock("on hand")] == 4


def test_stores_hold_in_turn_whatever_the_days() -> None:
    """A store's method depends on its place among all stores, not on who traded that day."""
    assert [hold_method(store, (10, 20, 30)) for store in (10, 20, 30)] == [
        "nominal",
        "separate",
        "nominal",
    ]


@pytest.mark.parametrize(
    ("quantity", "value", "price"),
    [(3, "10.00", "3.3333"), (7, "1.00", "0.1429"), (565, "1.46", None), (1000, "2.86", None)],
)
def test_a_unit_price_gives_the_value_or_there_is_none(
    quantity: int, value: str, price: str | None
) -> None:
    """Four decimals are enough for most, and never nearly enough."""
    found = unit_price_of(quantity, Decimal(value))
    assert found == (None if price is None else Decimal(price))
