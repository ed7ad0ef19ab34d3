"""The ledger of an order: what a payment, a hand-over, a refund and a cancellation move.

Two accounts per order, `deposits` (what the chain owes the customer) and `receivable` (what the
customer owes). Each decision gives the order's new balances together with the transfers that
explain them, so that the two cannot differ.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from contracts.money import ZERO, fits, minor_digits, round_half_up

BANK = "bank"


class UnknownOrder(Exception):
    """The order is not known here, or not yet."""

    pointer = "/order_id"

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"There is no order {order_id}: check the id.")
        self.reference = order_id


class UnknownStore(Exception):
    """The store is not known here, or not yet."""

    pointer = "/store_id"

    def __init__(self, store_id: UUID) -> None:
        super().__init__(f"There is no store {store_id}: check the id.")
        self.reference = store_id


class UnknownDocument(Exception):
    pointer = "/document_id"

    def __init__(self, document_id: UUID) -> None:
        super().__init__(
            f"The order has no document {document_id}: name one of the order's own, or none."
        )


class DocumentIsCancelled(Exception):
    pointer = "/document_id"

    def __init__(self, number: str) -> None:
        super().__init__(f"{number} is cancelled: name another document, or none.")


class TooManyDecimals(Exception):
    pointer = "/amount"

    def __init__(self, currency: str) -> None:
        digits = minor_digits(currency)
        super().__init__(f"An amount in {currency} has at most {digits} decimals.")


class MoreThanRefundable(Exception):
    pointer = "/amount"

    def __init__(self, refundable: Decimal, currency: str) -> None:
        super().__init__(
            f"At most {refundable:f} {currency} can be refunded: what is paid and not consumed."
        )


class RefundedAlready(Exception):
    def __init__(self, refunded: Decimal, remains: Decimal, currency: str) -> None:
        super().__init__(
            f"{refunded:f} {currency} were refunded of this order, and only {remains:f} would "
            "remain paid: this payment cannot be cancelled any more."
        )


class IdTaken(Exception):
    pointer = "/id"

    def __init__(self, id: UUID) -> None:
        super().__init__(f"{id} is something else already: mint a new id.")


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement. `key` is unique for ever; `reverses` begins the keys of what it undoes."""

    key: str
    debit: str
    credit: str
    amount: Decimal
    kind: str
    reverses: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The balances of one order. `due_now` is the receivable's, `paid` is payments less refunds."""

    order_id: UUID
    currency: str
    total: Decimal = ZERO
    paid: Decimal = ZERO
    deposit_left: Decimal = ZERO
    due_now: Decimal = ZERO
    refunded: Decimal = ZERO
    shipped_value: Decimal = ZERO
    due_since: datetime | None = None
    version: int = 0

    @property
    def deposits(self) -> str:
        return f"deposits:{self.order_id}"

    @property
    def receivable(self) -> str:
        return f"receivable:{self.order_id}"

    @property
    def covered(self) -> Decimal:
        """What is handed over and paid for."""
        return self.shipped_value - self.due_now


@dataclass(frozen=True, slots=True)
class Posting:
    """The account after a movement, and the transfers that brought it there."""

    account: Account
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class Settled(Posting):
    """`consumed` is what the deposit paid of what is handed over."""

    consumed: Decimal


def till(method: str, store_id: UUID) -> str:
    """The account that money of this method goes to and comes from."""
    return BANK if method == "bank" else f"{method}:{store_id}"


def exact(amount: Decimal, currency: str) -> Decimal:
    """The amount with the currency's decimals; TooManyDecimals when it has more."""
    if not fits(amount, minor_digits(currency)):
        raise TooManyDecimals(currency)
    return round_half_up(amount, currency)


def pay(account: Account, payment_id: UUID, amount: Decimal, into: str) -> Posting:
    """Money first covers what is handed over and unpaid; the rest is deposit."""
    covers = min(amount, account.due_now)
    transfers = [
        Transfer(f"payment:{payment_id}:due", into, account.receivable, covers, "payment"),
        Transfer(
            f"payment:{payment_id}:deposit", into, account.deposits, amount - covers, "payment"
        ),
    ]
    after = replace(
        account,
        paid=account.paid + amount,
        due_now=account.due_now - covers,
        deposit_left=account.deposit_left + amount - covers,
        version=account.version + 1,
    )
    return Posting(after, moved(transfers))


def hand_over(
    account: Account, shipment_id: UUID, revenue: str, value: Decimal, left_before: Decimal
) -> Settled:
    """The goods become due, then the deposit pays its share of them.

    value: what the hand-over is worth, H; left_before: what was left to hand over before it, L.
    The share is half-up(deposit × H / L), all of it at the last hand-over, and never more than is
    due: the excess stays refundable.
    """
    due = account.due_now + value
    if value >= left_before:
        share = account.deposit_left
    else:
        share = round_half_up(account.deposit_left * value / left_before, account.currency)
    consumed = min(share, account.deposit_left, due)
    key = f"hand_over:{shipment_id}"
    transfers = [
        Transfer(f"{key}:value", account.receivable, revenue, value, "hand_over"),
        Transfer(f"{key}:consumed", account.deposits, account.receivable, consumed, "consumption"),
    ]
    after = replace(
        account,
        due_now=due - consumed,
        deposit_left=account.deposit_left - consumed,
        shipped_value=account.shipped_value + value,
        version=account.version + 1,
    )
    return Settled(after, moved(transfers), consumed)


def cover(account: Account) -> Settled:
    """Nothing is left to hand over: the deposit covers what is due, as far as it goes."""
    consumed = min(account.deposit_left, account.due_now)
    key = f"consumed:{account.order_id}:{account.version + 1}"
    transfer = Transfer(key, account.deposits, account.receivable, consumed, "consumption")
    after = replace(
        account,
        due_now=account.due_now - consumed,
        deposit_left=account.deposit_left - consumed,
        version=account.version + 1,
    )
    return Settled(after, moved([transfer]), consumed)


def give_back(account: Account, refund_id: UUID, amount: Decimal, out_of: str) -> Posting:
    """A refund is at most what is paid and not consumed."""
    if amount > account.deposit_left:
        raise MoreThanRefundable(account.deposit_left, account.currency)
    key = f"refund:{refund_id}"
    after = replace(
        account,
        paid=account.paid - amount,
        deposit_left=account.deposit_left - amount,
        refunded=account.refunded + amount,
        version=account.version + 1,
    )
    return Posting(after, moved([Transfer(key, account.deposits, out_of, amount, "refund")]))


def take_back(account: Account, payment_id: UUID, amount: Decimal, out_of: str) -> Posting:
    """Cancel a payment: first out of the deposit left, the rest is due again."""
    if amount > account.paid:
        remains = account.paid + account.refunded - amount
        raise RefundedAlready(account.refunded, remains, account.currency)
    from_deposit = min(amount, account.deposit_left)
    again_due = amount - from_deposit
    key, undone, kind = f"cancel:{payment_id}", f"payment:{payment_id}", "cancellation"
    transfers = [
        Transfer(f"{key}:deposit", account.deposits, out_of, from_deposit, kind, undone),
        Transfer(f"{key}:due", account.receivable, out_of, again_due, kind, undone),
    ]
    after = replace(
        account,
        paid=account.paid - amount,
        deposit_left=account.deposit_left - from_deposit,
        due_now=account.due_now + again_due,
        version=account.version + 1,
    )
    return Posting(after, moved(transfers))


def moved(transfers: Iterable[Transfer]) -> tuple[Transfer, ...]:
    """Only what moves something: a transfer of nothing is none."""
    return tuple(transfer for transfer in transfers if transfer.amount > 0)


def aged(account: Account, now: datetime) -> Account:
    """The account with the time since which something is due."""
    if account.due_now == 0:
        return replace(account, due_since=None)
    return replace(account, due_since=account.due_since or now)


@dataclass(frozen=True, slots=True)
class Term:
    """An amount of the order that is due on a date."""

    term_id: UUID
    due_on: date
    amount: Decimal


def paid_of_terms(
    terms: Sequence[Term], paid: Decimal, named: Sequence[tuple[UUID, Decimal]]
) -> dict[UUID, Decimal]:
    """What is paid of each term: what documents of the term got, then the rest in date order.

    paid: what is paid of the order; named: (term, amount) of money that named a term's document.
    """
    standing = {term.term_id: ZERO for term in terms}
    amounts = {term.term_id: term.amount for term in terms}
    left = paid
    for term_id, amount in named:
        if term_id in standing:
            part = min(amount, amounts[term_id] - standing[term_id], left)
            standing[term_id] += part
            left -= part
    for term in sorted(terms, key=lambda term: term.due_on):
        part = min(left, term.amount - standing[term.term_id])
        standing[term.term_id] += part
        left -= part
    return standing


@dataclass(frozen=True, slots=True)
class Allocation:
    """The part of a payment that pays a document, a term, both, or only the order."""

    document_id: UUID | None
    term_id: UUID | None
    amount: Decimal


def allocate(
    amount: Decimal,
    document: tuple[UUID, UUID | None, Decimal] | None,
    terms: Sequence[tuple[UUID, Decimal]],
) -> tuple[Allocation, ...]:
    """Cut a payment so that each part pays one document and one term; the parts add up to it.

    document: (id, its term, what this payment pays of it); terms: (term, what it moved by).
    """
    document_id, own_term, named = document or (None, None, ZERO)
    by_term: list[tuple[UUID | None, Decimal]] = sorted(terms, key=lambda part: part[0] != own_term)
    by_term.append((None, amount - sum((part for _, part in terms), ZERO)))
    parts: list[Allocation] = []
    for term_id, moved_by in by_term:
        to_document = min(moved_by, named)
        named -= to_document
        if to_document > 0:
            parts.append(Allocation(document_id, term_id, to_document))
        if moved_by > to_document:
            parts.append(Allocation(None, term_id, moved_by - to_document))
    return tuple(parts)
