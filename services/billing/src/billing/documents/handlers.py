"""Documents' use case: issue proformas and invoices."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from chassis.http.idempotency import Call, Claim, Kept, claim_all, recall
from chassis.http.problems import KeyReused
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts.books import Book, close_books, open_books
from billing.accounts.domain import (
    IdTaken,
    TooManyDecimals,
    UnknownOrder,
    UnknownStore,
    exact,
)
from billing.documents import domain, store
from billing.documents.domain import Document, Kind, OrderStanding, Wanted

ISSUED = 201


@dataclass(frozen=True, slots=True)
class IssueDocument:
    document_id: UUID
    order_id: UUID
    kind: Kind
    term_id: UUID | None
    amount: Decimal | None
    stores: frozenset[UUID] | None  # Those that the caller sees; None: all.
    by: str
    call: Call
    at: datetime


async def issue_documents(
    tx: AsyncConnection, commands: Sequence[IssueDocument]
) -> list[Document | Exception]:
    """Issue each document or say why not; a replay issues nothing."""
    books = await open_books(tx, {one.order_id for one in commands}, with_payments=True)
    codes = await store.codes_of_stores(
        tx, {book.row.store_id for book in books.values() if book.row.store_id}
    )
    known = await store.find_documents(tx, {one.document_id for one in commands})
    answers: list[Document | Exception | None] = []
    drafts: dict[UUID, IssueDocument] = {}
    for one in commands:
        book, first = books.get(one.order_id), drafts.get(one.document_id)
        refusal = _refused(one, book, codes, known.get(one.document_id), first)
        if refusal is None:
            drafts.setdefault(one.document_id, one)
        answers.append(refusal and await _unless_kept(tx, one, refusal))
    wanted = [n for n, answer in enumerate(answers) if answer is None]
    claims = [Claim(commands[n].call, ISSUED, str(commands[n].document_id)) for n in wanted]
    kept = dict(zip(wanted, await claim_all(tx, claims), strict=True))
    replayed = [UUID(one.subject) for one in kept.values() if isinstance(one, Kept)]
    if replayed:
        known |= await store.find_documents(tx, replayed)
    new = {commands[n].document_id for n, claimed in kept.items() if claimed is None} - set(known)
    for n, claimed in kept.items():
        one = commands[n]
        if one.document_id not in new:
            _withdraw(books[one.order_id], one.document_id)
        if isinstance(claimed, Kept):
            answers[n] = known[UUID(claimed.subject)]
        else:
            answers[n] = claimed or known.get(one.document_id)
    await _close(tx, books, codes, commands[0].at)
    for n, one in enumerate(commands):
        answers[n] = answers[n] or books[one.order_id].document(one.document_id)
    return [answer for answer in answers if answer is not None]


async def _unless_kept(
    tx: AsyncConnection, one: IssueDocument, refusal: Exception
) -> Document | Exception:
    """What would be refused now may be the repetition of what was accepted before."""
    try:
        kept = await recall(tx, one.call)
    except KeyReused as reused:
        return reused
    if kept is None:
        return refusal
    return (await store.find_documents(tx, [UUID(kept.subject)]))[UUID(kept.subject)]


def _refused(
    one: IssueDocument,
    book: Book | None,
    codes: dict[UUID, str],
    known: Document | None,
    first: IssueDocument | None,
) -> Exception | None:
    """Why there is no such document; else it stands in the book now, without its number.

    first: the command of the same group that drew this document up already.
    """
    if book is None or not book.row.placed or book.row.store_id is None:
        return UnknownOrder(one.order_id)
    if one.stores is not None and book.row.store_id not in one.stores:
        return domain.OrderOutOfSight()
    if book.row.store_id not in codes:
        return UnknownStore(book.row.store_id)
    try:
        amount = None if one.amount is None else exact(one.amount, book.account.currency)
        if known is not None:
            same = (known.order_id, known.kind, known.term_id, known.total)
            asked = (one.order_id, one.kind, one.term_id, amount or known.total)
            return None if same == asked else IdTaken(one.document_id)
        if first is not None:
            return None if _asked(first) == _asked(one) else IdTaken(one.document_id)
        wanted = Wanted(one.document_id, one.kind, one.term_id, amount)
        issued = domain.issue(wanted, _standing(book), book.documents, one.at)
    except (TooManyDecimals, *domain.REFUSALS) as error:
        return error
    book.documents.append(issued)
    book.issued[issued.document_id] = one.by
    return None


def _asked(one: IssueDocument) -> tuple[UUID, Kind, UUID | None, Decimal | None]:
    return one.order_id, one.kind, one.term_id, one.amount


def _standing(book: Book) -> OrderStanding:
    account = book.account
    return OrderStanding(
        order_id=account.order_id,
        currency=account.currency,
        total=account.total,
        cancelled=book.row.cancelled,
        covered=account.covered,
        account_version=account.version,
        terms={term.term_id: term.amount for term in book.terms},
    )


def _withdraw(book: Book, document_id: UUID) -> None:
    """What was issued before is not issued again."""
    if book.issued.pop(document_id, None) is not None:
        book.documents = [one for one in book.documents if one.document_id != document_id]


async def _close(
    tx: AsyncConnection, books: dict[UUID, Book], codes: dict[UUID, str], now: datetime
) -> None:
    """Give the new documents their numbers and standing, and write them."""
    changed = [book for book in books.values() if book.issued]
    series = {
        one.document_id: _series(one, codes[book.row.store_id])
        for book in changed
        for one in book.documents
        if one.document_id in book.issued and book.row.store_id is not None
    }
    following = await store.next_numbers(tx, Counter(series.values()))
    for book in changed:
        for n, one in enumerate(book.documents):
            if name := series.get(one.document_id):
                book.documents[n] = replace(one, number=f"{name}-{following[name]:06d}")
                following[name] += 1
        book.restate()
    await close_books(tx, changed, now)


def _series(one: Document, store_code: str) -> str:
    """Numbers run per kind, store and year."""
    return f"{domain.LETTERS[one.kind]}-{store_code}-{one.issued_at.year}"
