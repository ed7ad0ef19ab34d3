"""The books of some orders, opened under lock, changed in memory, closed in a few statements."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis.outbox import Said
from contracts.billing import AccountFact, DocumentFact, DocumentIssued, DocumentPaidChanged
from contracts.money import ZERO
from sqlalchemy.ext.asyncio import AsyncConnection

from billing import changes
from billing.accounts import domain, store
from billing.accounts.domain import Account, Posting, Term
from billing.accounts.store import OrderAccount, PostedTransfer, locked
from billing.changes import Change
from billing.documents import domain as papers
from billing.documents import store as papers_store
from billing.documents.domain import Document, Money


@dataclass(slots=True)
class Book:
    """One order's account with its terms, documents and posted payments, while it changes."""

    row: OrderAccount
    terms: list[Term] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    moneys: dict[UUID, Money] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    posted: list[PostedTransfer] = field(default_factory=list)
    issued: dict[UUID, str] = field(default_factory=dict)  # New documents and who issued them.
    account: domain.Account = field(init=False)
    before: dict[UUID, Document] = field(init=False)

    def __post_init__(self) -> None:
        self.account = self.row.account
        self.before = {one.document_id: one for one in self.documents}

    def post(
        self,
        posting: Posting,
        fact: Callable[[domain.Account], AccountFact],
        now: datetime,
        trace: str | None = None,
    ) -> None:
        """Take over a decision: the balances, the transfers, and the fact that tells of them."""
        self.account = domain.aged(posting.account, now)
        said = Said(fact(self.account), self.account.version, trace=trace)
        self.said.append(said)
        self.posted += [
            PostedTransfer(transfer, self.account.currency, said.event_id, now)
            for transfer in posting.transfers
        ]

    def restate(self) -> None:
        """Bring the documents in line with the payments and the order as they are now."""
        if self.documents:
            self.documents = papers.restate(
                self.documents,
                list(self.moneys.values()),
                self.account.refunded,
                None if self.row.cancelled else self.account.total,
            )

    def is_all_handed_over(self, more: Decimal = ZERO) -> bool:
        """Whether the order wants nothing beyond what was handed over, and goods worth `more`.

        Of a cancelled order nobody knows: its total is none, and goods may have left meanwhile.
        """
        known = self.row.placed and not self.row.cancelled
        return known and self.account.shipped_value + more >= self.account.total

    def document(self, document_id: UUID) -> Document | None:
        return next((one for one in self.documents if one.document_id == document_id), None)

    def paid_of_terms(self) -> dict[UUID, Decimal]:
        """What is paid of each term with these payments and documents."""
        named = [
            (one.term_id, one.paid)
            for one in self.documents
            if one.term_id is not None and one.paid > ZERO
        ]
        return domain.paid_of_terms(self.terms, self.account.paid, named)

    def settle_documents(self, now: datetime) -> list[Document]:
        """Number and tell the changes of documents; those that were not new and changed."""
        changed = []
        for n, one in enumerate(self.documents):
            before = self.before.get(one.document_id)
            if before is None:
                self.said.append(Said(_told(DocumentIssued, one, now), one.version))
            elif one != before:
                self.documents[n] = replace(one, version=before.version + 1)
                told = _told(DocumentPaidChanged, one, now)
                self.said.append(Said(told, before.version + 1))
                changed.append(self.documents[n])
        return changed


def _told(kind: type[DocumentFact], one: Document, now: datetime) -> DocumentFact:
    return kind(
        document_id=one.document_id,
        order_id=one.order_id,
        kind=one.kind,
        number=one.number,
        currency=one.currency,
        total=one.total,
        credited=one.credited,
        advances=one.advances,
        paid=one.paid,
        due=one.due,
        state=one.state,
        at=now,
    )


def account_fact(
    kind: type[AccountFact], account: Account, at: datetime, by: str, **own: Any
) -> Any:
    """A fact of the account with its figures after it."""
    return kind(
        order_id=account.order_id,
        currency=account.currency,
        paid=account.paid,
        deposit_left=account.deposit_left,
        due_now=account.due_now,
        refunded=account.refunded,
        at=at,
        by=by,
        **own,
    )


def books_of(rows: Iterable[Any]) -> dict[UUID, Book]:
    """The books of the orders whose accounts were found, by `store.locked`."""
    return {row.order_id: _book(row) for row in rows if row.order_id is not None}


def _book(row: Any) -> Book:
    moneys = {payment_id: Money(*figures) for payment_id, *figures in row.moneys}
    documents = [Document(*figures) for figures in row.documents]
    return Book(store.order_account_of(row), store.terms_of(row.terms), documents, moneys)


async def open_books(tx: AsyncConnection, order_ids: Iterable[UUID]) -> dict[UUID, Book]:
    """Lock the accounts that exist and read what belongs to them."""
    return books_of(await locked.of_orders(tx, order_ids))


async def close_books(
    tx: AsyncConnection, books: Iterable[Book], now: datetime, *more: Change
) -> None:
    """Write what changed with what more there is to write, and say it, in one statement."""
    touched = list(books)
    changed = [one for book in touched for one in book.settle_documents(now)]
    issued = [
        (one, book.issued[one.document_id])
        for book in touched
        for one in book.documents
        if one.document_id in book.issued
    ]
    # Also for a document alone: who waits for the account sees by its row that something changed.
    moved = [book.account for book in touched if book.said or book.account != book.row.account]
    await changes.make(
        tx,
        [
            store.post_transfers([one for book in touched for one in book.posted]),
            store.keep_balances(moved),
            papers_store.keep_issued(issued),
            papers_store.keep_standing(changed),
            changes.say([said for book in touched for said in book.said]),
            *more,
        ],
    )
