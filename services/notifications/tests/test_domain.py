"""What a change is called, and who is told of it in which way."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from notifications.domain import (
    Customer,
    Headline,
    Line,
    Order,
    Reminder,
    channels_for,
    message_id,
    news_of,
    reminder_news,
)

from .conftest import UNTIL

EVENT = UUID(int=1)
LINE = Line(UUID(int=5), "Espresso beans", "piece", Decimal(5), Decimal(1000))
ORDER = Order(
    id=UUID(int=2),
    store_id=UUID(int=3),
    number="10045",
    customer_id=UUID(int=4),
    customer_key="4",
    notify=True,
    status="agreed",
    financial_status="unpaid",
    currency="EUR",
    total=Decimal(1000),
    paid=Decimal(0),
    prepayment=Decimal(500),
    until=UNTIL,
    lines=(LINE,),
)
AINO = Customer("4", UUID(int=4), "Aino", "aino@home.example", "fi")


@pytest.mark.parametrize(
    ("before", "after", "changed", "headline"),
    [
        ({}, {"status": "ready"}, ("status",), Headline.READY),
        ({"status": "pending_approval"}, {}, ("status",), Headline.AGREED),
        ({}, {"status": "in_progress"}, ("status",), Headline.IN_PROGRESS),
        ({}, {"status": "shipped"}, ("status",), Headline.HANDED_OVER),
        ({}, {"status": "closed"}, ("status", "financial_status"), Headline.CLOSED),
        ({}, {"status": "cancelled"}, ("status", "financial_status"), Headline.CANCELLED),
        ({"status": "closed"}, {"status": "shipped"}, ("status",), Headline.REOPENED),
        ({"status": "ready"}, {"status": "agreed"}, ("lines", "status"), Headline.LINES),
        ({"status": "ready"}, {"status": "agreed"}, ("status",), Headline.IN_PROGRESS),
        ({}, {"paid": Decimal(500)}, ("financial_status",), Headline.PAYMENT_RECEIVED),
        ({"paid": Decimal(500)}, {}, ("financial_status",), Headline.PAYMENT_REDUCED),
        (
            {"paid": Decimal(500)},
            {"financial_status": "refunded"},
            ("financial_status",),
            Headline.REFUNDED,
        ),
        ({}, {"total": Decimal(900)}, ("financial_status",), Headline.BALANCE),
    ],
)
def test_the_headline_names_what_matters_most(
    before: dict[str, object],
    after: dict[str, object],
    changed: tuple[str, ...],
    headline: Headline,
) -> None:
    """A fact with several changes gets one headline: the one that the customer cares for most."""
    was, now = replace(ORDER, **before), replace(ORDER, **after)  # type: ignore[arg-type]
    assert news_of(EVENT, was, now, changed, False, None).headline is headline


def test_an_order_that_waits_for_approval_is_received_not_accepted() -> None:
    """A site order is not promised before staff agreed to it."""
    pending = replace(ORDER, status="pending_approval")
    assert news_of(EVENT, None, pending, ("placed",), False, None).headline is Headline.RECEIVED
    assert news_of(EVENT, None, ORDER, ("placed",), False, None).headline is Headline.PLACED


def test_a_manager_closing_is_told_apart_from_a_complete_order() -> None:
    """Who did not get all goods does not read that everything was handed over."""
    closed = replace(ORDER, status="closed")
    news = news_of(EVENT, ORDER, closed, ("status",), True, None)
    assert news.headline is Headline.CLOSED_EARLY


def test_a_part_handed_over_is_told_as_such() -> None:
    """Goods that went while others wait are the news, not that some wait."""
    parted = replace(ORDER, status="in_progress", lines=(replace(LINE, shipped=Decimal(2)),))
    news = news_of(EVENT, ORDER, parted, ("status",), False, None)
    assert news.headline is Headline.PART_HANDED_OVER


@pytest.mark.parametrize(
    ("order", "customer", "channels"),
    [
        (ORDER, AINO, ("email", "account")),
        (replace(ORDER, notify=False), AINO, ()),
        (replace(ORDER, customer_id=None), AINO, ("email",)),
        (ORDER, replace(AINO, email=None), ("account",)),
        (ORDER, replace(AINO, email=None, erased=True), ()),
    ],
)
def test_channels(order: Order, customer: Customer, channels: tuple[str, ...]) -> None:
    """E-mail needs an address, the account a card; the erased and the unasked get none."""
    news = news_of(EVENT, None, order, ("placed",), False, None)
    assert channels_for(news, customer) == channels


@pytest.mark.parametrize("status", ["closed", "cancelled", "shipped"])
def test_nobody_is_reminded_of_an_order_that_is_over(status: str) -> None:
    """A reminder that comes late does not send people to the store in vain."""
    reminder = Reminder(EVENT, ORDER.id, UNTIL, ended=False)
    assert reminder_news(reminder, replace(ORDER, status=status)) is None
    assert reminder_news(reminder, ORDER) is not None


def test_a_message_has_the_same_id_whenever_it_is_made() -> None:
    """A database restored from an old copy makes the same messages, so mailboxes drop them."""
    event = uuid4()
    assert message_id(event, "email") == message_id(event, "email")
    assert message_id(event, "email") != message_id(event, "account")
