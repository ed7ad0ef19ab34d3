"""Documents' use case: issue proformas and invoices."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis.http.idempotency import Call, Kept
from chassis.http.repeats import Repeats
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts.books import Book, books_of, close_books
from billing.accounts.domain import (
    IdTaken,
    TooManyDecimals,
    UnknownOrder,
    UnknownStore,
    exact,
)
from billing.accounts.store import locked
from billing.changes import keep_keys
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
    tx: AsyncConnection, commands: Sequence[IssueDocument], zone: tzinfo
) -> list[Document | Exception]:
    """Issue each document or say why not; a replay issues nothing.

    zone: whose year stands in the numbers.
    """
    calls = [one.call for one in commands]
    asked = [(one.order_id, one.document_id, None) for one in commands]
    rows = await locked.of_calls(tx, locked.TO_ISSUE, asked, calls)
    books, repeats = books_of(rows), Repeats(calls, rows)
    codes = {row.store_id: row.store_code for row in rows if row.store_code is not None}
    known = await _known_documents(tx, commands, rows, repeats)
    drafts: dict[UUID, IssueDocument] = {}
    answers: list[Exception | UUID] = []
    for one in commands:
        before = repeats.before(one.call)
        if isinstance(before, Kept):
            answers.append(UUID(before.subject))
            continue
        book, first = books.get(one.order_id), drafts.get(one.document_id)
        refusal = before or _refused(one, book, codes, known.get(one.document_id), first)
        if refusal is not None:
            answers.append(refusal)
            continue
        drafts.setdefault(one.document_id, one)
        repeats.keep(one.call, ISSUED, str(one.document_id))
        answers.append(one.document_id)
    await _close(tx, books, codes, commands[0].at, repeats, zone)
    found = {one.document_id: one for book in books.values() for one in book.documents} | known
    return [one if isinstance(one, Exception) else found[one] for one in answers]


async def _known_documents(
    tx: AsyncConnection, commands: Sequence[IssueDocument], rows: Sequence[Any], repeats: Repeats
) -> dict[UUID, Document]:
    """The documents that are there already under the commands' ids and keys; mostly none."""
    ids = {one.document_id for one, row in zip(commands, rows, strict=True) if row.id_known}
    kept = [repeats.before(one.call) for one in commands]
    ids |= {UUID(one.subject) for one in kept if isinstance(one, Kept)}
    return await store.find_documents(tx, ids) if ids else {}


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


async def _close(
    tx: AsyncConnection,
    books: dict[UUID, Book],
    codes: dict[UUID, str],
    now: datetime,
    done: Repeats,
    zone: tzinfo,
) -> None:
    """Give the new documents their numbers and standing, and write them."""
    changed = [book for book in books.values() if book.issued]
    series = {
        one.document_id: _series(one, codes[book.row.store_id], zone)
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
    await close_books(tx, changed, now, keep_keys(done))


def _series(one: Document, store_code: str, zone: tzinfo) -> str:
    """Numbers run per kind, store and year."""
    return f"{domain.LETTERS[one.kind]}-{store_code}-{one.issued_at.astimezone(zone).year}"
