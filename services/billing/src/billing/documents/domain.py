"""Proformas and invoices: what each is worth, and what is paid of it.

Nothing of a document's standing is counted up: it follows from the payments that are posted now,
so that cancelling one brings every figure and state back; and from what the order is worth and
whether it is cancelled now, so that an order that is taken up again brings its documents back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from contracts.money import ZERO, round_half_up

Kind = Literal["proforma", "invoice"]
State = Literal["open", "partly_paid", "paid", "cancelled"]
LETTERS: dict[str, str] = {"proforma": "P", "invoice": "I"}


class OrderIsCancelled(Exception):
    def __init__(self) -> None:
        super().__init__("The order is cancelled: it gets no documents any more.")


class AlreadyInvoiced(Exception):
    def __init__(self, number: str) -> None:
        super().__init__(f"Invoice {number} of this order is open: have it paid first.")


class NothingLeftToInvoice(Exception):
    def __init__(self) -> None:
        super().__init__("The whole order is invoiced already: read its invoices instead.")


class OrderOutOfSight(Exception):
    def __init__(self) -> None:
        super().__init__("The order was not found: check the id and that it is in your stores.")


class UnknownTerm(Exception):
    pointer = "/term_id"

    def __init__(self, term_id: UUID) -> None:
        super().__init__(f"The order has no payment term {term_id}: name one of its own.")


class MoreThanTheOrder(Exception):
    pointer = "/amount"

    def __init__(self, most: Decimal, currency: str) -> None:
        super().__init__(f"At most {most:f} {currency} of the order can be asked for here.")


REFUSALS = (
    OrderIsCancelled,
    AlreadyInvoiced,
    NothingLeftToInvoice,
    UnknownTerm,
    MoreThanTheOrder,
)


@dataclass(frozen=True, slots=True)
class Document:
    """A proforma or an invoice.

    uncovered: what of the order lay outside this and earlier invoices; advances pay that first.
    covered_at_issue: what was handed over and paid when an invoice was issued.
    account_version: the order's account when it was issued; payments up to it came before.
    """

    document_id: UUID
    order_id: UUID
    kind: Kind
    number: str
    term_id: UUID | None
    currency: str
    total: Decimal
    uncovered: Decimal
    covered_at_issue: Decimal
    account_version: int
    issued_at: datetime
    credited: Decimal = ZERO  # What the order asks for no more, since it became smaller.
    advances: Decimal = ZERO
    paid: Decimal = ZERO
    state: State = "open"
    version: int = 0

    @property
    def asked(self) -> Decimal:
        """What it still asks for, paid or not."""
        return self.total - self.credited

    @property
    def due(self) -> Decimal:
        """What is left to pay; nothing of a cancelled one."""
        none = round_half_up(ZERO, self.currency)
        return none if self.state == "cancelled" else self.asked - self.advances - self.paid


@dataclass(frozen=True, slots=True)
class Money:
    """A posted payment as documents see it: when it came and which document it names."""

    version: int  # The account's, after it.
    amount: Decimal
    document_id: UUID | None


@dataclass(frozen=True, slots=True)
class Allotted(Money):
    """A payment with what of it pays the document that it names."""

    allocated: Decimal


def restate(
    documents: Sequence[Document],
    moneys: Sequence[Money],
    refunded: Decimal,
    worth: Decimal | None,
) -> list[Document]:
    """Every document of one order as it stands with these payments posted and this refunded.

    worth: the order's total; None of a cancelled one, whose documents have no force where they are
    not paid; what was paid stays the order's.
    """
    asked = list(documents) if worth is None else _credited(documents, worth)
    most = Decimal("Infinity") if worth is None else worth
    result = _stand(asked, _allot(asked, moneys, most), refunded, most)
    return [_without_force(one) for one in result] if worth is None else result


def _credited(documents: Sequence[Document], worth: Decimal) -> list[Document]:
    """No document asks for more than the order is worth, nor do its invoices, the newest first."""
    beyond = sum((one.total for one in documents if one.kind == "invoice"), ZERO) - worth
    result = list(documents)
    for n, one in reversed(list(enumerate(documents))):  # They come in the order of their issue.
        most = beyond if one.kind == "invoice" else one.total - worth
        credited = max(ZERO, min(most, one.total))
        if one.kind == "invoice":
            beyond -= credited
        result[n] = replace(one, credited=round_half_up(credited, one.currency))
    return result


def _allot(
    documents: Sequence[Document], moneys: Sequence[Money], worth: Decimal
) -> list[Allotted]:
    """What each payment pays of its document: as much as was due when it came, of those posted now.

    A payment that found its document paid by another, which is cancelled since, pays it now.
    """
    allotted: list[Allotted] = []
    for one in sorted(moneys, key=lambda one: one.version):
        then = [document for document in documents if document.account_version < one.version]
        standing = _stand(then, allotted, ZERO, worth) if one.document_id else []
        due = sum((found.due for found in standing if found.document_id == one.document_id), ZERO)
        allotted.append(
            Allotted(one.version, one.amount, one.document_id, min(one.amount, max(due, ZERO)))
        )
    return allotted


def _stand(
    documents: Sequence[Document],
    moneys: Sequence[Allotted],
    refunded: Decimal,
    worth: Decimal,
) -> list[Document]:
    allocated = _after_refunds(moneys, refunded)
    result = [_standing(one, ZERO, allocated.get(one.document_id, ZERO)) for one in documents]
    on_proformas = sum((one.paid for one in result if one.kind == "proforma"), ZERO)
    invoices = {one.document_id for one in documents if one.kind == "invoice"}
    free = [(one.version, one.amount - _on(one, invoices)) for one in moneys]
    earlier = ZERO  # Advances that invoices issued before took up.
    outside = worth  # What of the order lies outside of the invoices until here.
    for n, one in sorted(enumerate(result), key=lambda entry: entry[1].account_version):
        if one.kind == "invoice":
            outside -= one.asked
            covered = _covered(one, free, refunded)
            pool = max(on_proformas, covered) - min(one.uncovered, outside) - earlier
            advances = max(ZERO, min(pool, one.asked - one.paid))
            earlier += advances
            result[n] = _standing(one, advances, one.paid)
    return result


def _standing(document: Document, advances: Decimal, paid: Decimal) -> Document:
    """The document with these figures, its state following from them."""
    paid = min(paid, document.asked)
    paid = round_half_up(paid, document.currency)
    advances = round_half_up(advances, document.currency)
    if document.asked == 0 < document.total:
        state: State = "cancelled"
    elif advances + paid >= document.asked:
        state = "paid"
    else:
        state = "partly_paid" if advances + paid > 0 else "open"
    return replace(document, advances=advances, paid=paid, state=state)


def _without_force(document: Document) -> Document:
    if document.state == "paid":
        return document
    none = round_half_up(ZERO, document.currency)
    return replace(document, advances=none, state="cancelled")


def _on(money: Allotted, documents: set[UUID]) -> Decimal:
    return money.allocated if money.document_id in documents else ZERO


def _covered(invoice: Document, free: Sequence[tuple[int, Decimal]], refunded: Decimal) -> Decimal:
    """What money that names no invoice had covered of hand-overs before this one's issue.

    Never more than is still posted of it, and of what came before; refunds take the newest first.
    """
    everything = sum((amount for _, amount in free), ZERO)
    before = sum((amount for at, amount in free if at <= invoice.account_version), ZERO)
    return max(ZERO, min(invoice.covered_at_issue, before, everything - refunded))


def _after_refunds(moneys: Sequence[Allotted], refunded: Decimal) -> dict[UUID, Decimal]:
    """What is paid on each document: a refund takes money that names none first, then the newest.

    Else a document would stay paid with money that the customer has back.
    """
    unnamed = sum((one.amount - one.allocated for one in moneys), ZERO)
    back = max(ZERO, refunded - unnamed)
    result: dict[UUID, Decimal] = {}
    for one in sorted(moneys, key=lambda one: one.version, reverse=True):
        if one.document_id is None:
            continue
        taken = min(back, one.allocated)
        back -= taken
        result[one.document_id] = result.get(one.document_id, ZERO) + one.allocated - taken
    return result


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a clerk asks for: a proforma or an invoice, of a term, of an amount, or of it all."""

    document_id: UUID
    kind: Kind
    term_id: UUID | None
    amount: Decimal | None


def issue(
    wanted: Wanted, order: "OrderStanding", existing: Sequence[Document], now: datetime
) -> Document:
    """A new document, not numbered yet, nor standing with the payments: `restate` does that."""
    if order.cancelled:
        raise OrderIsCancelled
    invoices = [one for one in existing if one.kind == "invoice"]
    invoiced = sum((one.asked for one in invoices), ZERO)
    if wanted.kind == "invoice":
        _refuse_second_invoice(invoices, order.total - invoiced)
    most = order.total - invoiced if wanted.kind == "invoice" else order.total
    total = most
    if wanted.term_id is not None:
        if wanted.term_id not in order.terms:
            raise UnknownTerm(wanted.term_id)
        total = order.terms[wanted.term_id]
    if wanted.amount is not None:
        total = wanted.amount
    if total > most:
        raise MoreThanTheOrder(most, order.currency)
    is_invoice = wanted.kind == "invoice"
    on_invoices = sum((one.paid for one in invoices), ZERO)
    return Document(
        document_id=wanted.document_id,
        order_id=order.order_id,
        kind=wanted.kind,
        number="",
        term_id=wanted.term_id,
        currency=order.currency,
        total=total,
        uncovered=most - total if is_invoice else ZERO,
        covered_at_issue=max(ZERO, order.covered - on_invoices) if is_invoice else ZERO,
        account_version=order.account_version,
        issued_at=now,
        version=1,
    )


def _refuse_second_invoice(invoices: Sequence[Document], left: Decimal) -> None:
    for one in invoices:
        if one.state in ("open", "partly_paid"):
            raise AlreadyInvoiced(one.number)
    if invoices and left <= 0:
        raise NothingLeftToInvoice


@dataclass(frozen=True, slots=True)
class OrderStanding:
    """What issuing a document asks of its order."""

    order_id: UUID
    currency: str
    total: Decimal
    cancelled: bool
    covered: Decimal  # Handed over and paid for.
    account_version: int
    terms: dict[UUID, Decimal]
