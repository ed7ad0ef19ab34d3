"""The ledger's rules, tried with any sequence of money and goods."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from billing.accounts import domain
from billing.accounts.domain import Account, Posting, Term, Transfer
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

STORE = UUID(int=1)
CENTS = st.integers(min_value=1, max_value=200_000).map(lambda n: Decimal(n) / 100)


class AnyOrder(RuleBasedStateMachine):
    """Payments, hand-overs, refunds and cancellations of one order, in any order."""

    payments = Bundle("payments")

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(UUID(int=9), "EUR", total=Decimal(1000))
        self.left = Decimal(1000)
        self.transfers: list[Transfer] = []
        self.posted: dict[UUID, Decimal] = {}
        self.refunded = Decimal(0)
        self.deposits_paid = Decimal(0)

    def take(self, posting: Posting) -> None:
        self.account = posting.account
        self.transfers += posting.transfers

    @rule(target=payments, amount=CENTS)
    def pay(self, amount: Decimal) -> UUID:
        payment_id = uuid4()
        self.take(domain.pay(self.account, payment_id, amount, "cash:1"))
        self.posted[payment_id] = amount
        return payment_id

    @rule(share=st.integers(min_value=1, max_value=100))
    def hand_over(self, share: int) -> None:
        value = (self.left * share / 100).quantize(Decimal("0.01"))
        before = self.account
        settled = domain.hand_over(before, uuid4(), "revenue:1", value, self.left)
        self.take(settled)
        self.left -= value
        assert settled.consumed <= before.deposit_left
        if self.left == 0:
            owed = before.due_now + value
            assert settled.consumed == min(before.deposit_left, owed)

    @rule(amount=CENTS)
    def refund(self, amount: Decimal) -> None:
        if amount > self.account.deposit_left:
            with pytest.raises(domain.MoreThanRefundable):
                domain.give_back(self.account, uuid4(), amount, "cash:2")
            return
        self.take(domain.give_back(self.account, uuid4(), amount, "cash:2"))
        self.refunded += amount

    @rule(payment_id=consumes(payments))
    def cancel(self, payment_id: UUID) -> None:
        amount = self.posted[payment_id]
        if sum(self.posted.values()) - amount < self.refunded:
            with pytest.raises(domain.RefundedAlready):
                domain.take_back(self.account, payment_id, amount, "cash:1")
            return
        self.take(domain.take_back(self.account, payment_id, amount, "cash:1"))
        del self.posted[payment_id]

    def balance(self, name: str) -> Decimal:
        """Debits less credits of an account, summed from the transfers."""
        return sum(
            (one.amount * ((one.debit == name) - (one.credit == name)) for one in self.transfers),
            Decimal(0),
        )

    @invariant()
    def balances_are_sums_of_transfers(self) -> None:
        assert self.account.deposit_left == -self.balance(self.account.deposits)
        assert self.account.due_now == self.balance(self.account.receivable)
        names = {one.debit for one in self.transfers} | {one.credit for one in self.transfers}
        assert sum((self.balance(name) for name in names), Decimal(0)) == 0

    @invariant()
    def paid_is_payments_less_refunds(self) -> None:
        assert self.account.paid == sum(self.posted.values()) - self.refunded
        assert self.account.paid == self.balance("cash:1") + self.balance("cash:2")

    @invariant()
    def nothing_is_negative(self) -> None:
        assert self.account.deposit_left >= 0
        assert self.account.due_now >= 0
        assert self.account.paid >= 0

    @invariant()
    def never_more_consumed_than_was_deposited(self) -> None:
        deposits = self.account.deposits
        deposited = sum(one.amount for one in self.transfers if one.credit == deposits)
        consumed = sum(one.amount for one in self.transfers if one.kind == "consumption")
        assert consumed <= deposited

    @invariant()
    def everything_paid_is_deposit_or_covers_goods(self) -> None:
        assert self.account.paid == self.account.deposit_left + self.account.covered

    @invariant()
    def keys_are_unique(self) -> None:
        keys = [one.key for one in self.transfers]
        assert len(keys) == len(set(keys))


TestAnyOrder = AnyOrder.TestCase


@given(
    amounts=st.lists(CENTS, min_size=1, max_size=5),
    paid=st.decimals(min_value=0, max_value=5000, places=2),
    named=st.lists(st.tuples(st.integers(0, 4), CENTS), max_size=4),
)
def test_terms_get_no_more_than_they_ask(
    amounts: list[Decimal], paid: Decimal, named: list[tuple[int, Decimal]]
) -> None:
    """What is paid is spread over the terms: never above one's amount, never more than there is."""
    from datetime import date, timedelta

    first = date(2026, 6, 1)
    terms = [
        Term(UUID(int=n), first + timedelta(days=n), amount) for n, amount in enumerate(amounts)
    ]
    standing = domain.paid_of_terms(terms, paid, [(UUID(int=n), part) for n, part in named])
    assert all(0 <= standing[term.term_id] <= term.amount for term in terms)
    assert sum(standing.values()) == min(paid, sum(amounts))


def test_unnamed_money_pays_terms_in_date_order() -> None:
    """Scenario 22's terms: 100 of 300 in June are paid, July waits."""
    from datetime import date

    june = Term(UUID(int=1), date(2026, 6, 1), Decimal(300))
    july = Term(UUID(int=2), date(2026, 7, 1), Decimal(700))
    standing = domain.paid_of_terms([july, june], Decimal(100), [])
    assert standing == {june.term_id: Decimal(100), july.term_id: Decimal(0)}


@given(
    amount=CENTS,
    named_percent=st.integers(0, 100),
    term_percents=st.lists(st.integers(0, 50), max_size=2),
    own_term=st.sampled_from([None, 0, 1]),
)
def test_allocations_add_up_to_the_payment(
    amount: Decimal, named_percent: int, term_percents: list[int], own_term: int | None
) -> None:
    """The parts of a payment add up to it, and so do the parts that name the document."""
    named = (amount * named_percent / 100).quantize(Decimal("0.01"), rounding="ROUND_DOWN")
    terms = [
        (UUID(int=n), (amount * percent / 100).quantize(Decimal("0.01"), rounding="ROUND_DOWN"))
        for n, percent in enumerate(term_percents)
    ]
    document = (UUID(int=99), None if own_term is None else UUID(int=own_term), named)
    parts = domain.allocate(amount, document, terms)
    assert sum(part.amount for part in parts) == amount
    assert all(part.amount > 0 for part in parts)
    assert sum((part.amount for part in parts if part.document_id), Decimal(0)) == named
    for term_id, moved in terms:
        of_term = sum((part.amount for part in parts if part.term_id == term_id), Decimal(0))
        assert of_term == moved


def test_amount_too_precise_for_its_currency() -> None:
    """Yen have no decimals, dinars three."""
    with pytest.raises(domain.TooManyDecimals):
        domain.exact(Decimal("10.5"), "JPY")
    assert domain.exact(Decimal("10.505"), "KWD") == Decimal("10.505")
    assert f"{domain.exact(Decimal('10'), 'EUR'):f}" == "10.00"


def test_deposit_that_exceeds_the_goods_stays() -> None:
    """The last hand-over never consumes more than is due; the excess is the customer's."""
    paid = domain.pay(Account(UUID(int=1), "EUR"), uuid4(), Decimal(150), "bank").account
    settled = domain.hand_over(paid, uuid4(), "revenue:1", Decimal(100), Decimal(100))
    assert settled.consumed == Decimal(100)
    assert settled.account.deposit_left == Decimal(50)


def test_money_of_the_bank_has_no_store() -> None:
    """Cash and cards have a till per store, the bank is one account."""
    assert domain.till("cash", STORE) == f"cash:{STORE}"
    assert domain.till("card", STORE) == f"card:{STORE}"
    assert domain.till("bank", STORE) == "bank"
