"""What is paid of documents, tried with any payments, refunds and documents."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from billing.documents import domain
from billing.documents.domain import Document, Money, OrderStanding, Wanted, restate
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ORDER = OrderStanding(
    order_id=UUID(int=1),
    currency="EUR",
    total=Decimal(1000),
    cancelled=False,
    covered=Decimal(0),
    account_version=0,
    terms={UUID(int=7): Decimal(600)},
)
AMOUNTS = st.integers(1, 1500).map(Decimal)


def wanted(kind: domain.Kind, n: int, amount: str | None = None) -> Wanted:
    return Wanted(UUID(int=100 + n), kind, None, None if amount is None else Decimal(amount))


class Desk:
    """Payments and documents of one order, kept as the service keeps them."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.moneys: list[Money] = []
        self.refunded = Decimal(0)
        self.total = ORDER.total
        self.version = 0

    def pay(self, amount: Decimal, document: int | None) -> None:
        self.version += 1
        named = None
        if document is not None and self.documents:
            named = self.documents[document % len(self.documents)]
        self.moneys.append(Money(self.version, amount, named.document_id if named else None))
        self.restate()

    def issue(self, kind: domain.Kind, amount: Decimal | None) -> None:
        order = replace(ORDER, account_version=self.version, total=self.total)
        number = len(self.documents)
        asked = Wanted(UUID(int=100 + number), kind, None, amount)
        try:
            made = domain.issue(asked, order, self.documents, NOW)
        except domain.REFUSALS:
            return
        self.documents.append(made)
        self.restate()

    def restate(self) -> None:
        self.documents = restate(self.documents, self.moneys, self.refunded, self.total)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pay"), AMOUNTS, st.none() | st.integers(0, 3)),
        st.tuples(st.just("issue"), st.sampled_from(["proforma", "invoice"]), st.none() | AMOUNTS),
        st.tuples(st.just("cancel"), st.integers(0, 10), st.none()),
        st.tuples(st.just("refund"), st.integers(0, 100), st.none()),
        st.tuples(st.just("change"), AMOUNTS, st.none()),
    ),
    max_size=12,
)


@given(steps=STEPS)
def test_figures_of_documents_always_add_up(steps: list[tuple[str, object, object]]) -> None:
    """Whatever happens: total is advances, paid and due; none negative; the state follows."""
    desk = Desk()
    for what, first, second in steps:
        if what == "pay":
            desk.pay(first, second)  # type: ignore[arg-type]
        elif what == "issue":
            desk.issue(first, second)  # type: ignore[arg-type]
        elif what == "cancel" and desk.moneys:
            desk.moneys.pop(int(str(first)) % len(desk.moneys))
        elif what == "refund":
            paid = sum((one.amount for one in desk.moneys), Decimal(0))
            desk.refunded = (paid * int(str(first)) / 100).quantize(Decimal(1))
        elif what == "change":
            desk.total = Decimal(str(first))
        desk.restate()
        paid = sum((one.amount for one in desk.moneys), Decimal(0))
        for one in desk.documents:
            assert one.credited + one.advances + one.paid + one.due == one.total
            assert min(one.advances, one.paid, one.due) >= 0
            assert (one.state in ("paid", "cancelled")) == (one.due == 0)
            assert (one.state == "open") == (one.due == one.asked and one.due > 0)
        if desk.refunded <= paid:
            assert sum((one.paid for one in desk.documents), Decimal(0)) <= paid


@given(amounts=st.lists(AMOUNTS, min_size=1, max_size=5), document=st.integers(0, 1))
def test_cancelling_everything_brings_everything_back(
    amounts: list[Decimal], document: int
) -> None:
    """After all payments are cancelled each document stands as on the day of its issue."""
    desk = Desk()
    desk.issue("proforma", Decimal(600))
    desk.issue("invoice", None)
    as_issued = list(desk.documents)
    for amount in amounts:
        desk.pay(amount, document)
    desk.moneys.clear()
    desk.restate()
    assert desk.documents == as_issued


def test_term_names_its_amount() -> None:
    """A proforma of a term asks the term's amount; a term of another order is unknown."""
    own = Wanted(UUID(int=100), "proforma", UUID(int=7), None)
    assert domain.issue(own, ORDER, [], NOW).total == Decimal(600)
    with pytest.raises(domain.UnknownTerm):
        domain.issue(replace(own, term_id=UUID(int=8)), ORDER, [], NOW)


def test_cancelled_order_gets_no_document() -> None:
    """Nothing is asked for an order that is cancelled."""
    with pytest.raises(domain.OrderIsCancelled):
        domain.issue(wanted("proforma", 1), replace(ORDER, cancelled=True), [], NOW)


def test_paid_document_stays_paid_when_the_order_is_cancelled() -> None:
    """What was paid stays visible; only what is open loses its force."""
    desk = Desk()
    desk.issue("proforma", Decimal(600))
    desk.issue("proforma", Decimal(300))
    desk.pay(Decimal(600), 0)
    desk.pay(Decimal(100), 1)
    before = list(desk.documents)
    after = restate(before, desk.moneys, Decimal(0), None)
    assert [one.state for one in after] == ["paid", "cancelled"]
    assert [one.due for one in after] == [0, 0]
    assert restate(after, desk.moneys, Decimal(0), desk.total) == before
