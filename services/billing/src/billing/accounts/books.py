"""The books of some orders, opened under lock, changed in memory, closed in a few statements."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from chassis import outbox
from chassis.outbox import Said
from contracts.billing import AccountFact, DocumentFact, DocumentIssued, DocumentPaidChanged
from contracts.money import ZERO
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts import domain, store
from billing.accounts.domain import Posting, Term
from billing.accounts.store import OrderAccount, PostedTransfer
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
                self.row.cancelled,
            )

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
        advances=one.advances,
        paid=one.paid,
        due=one.due,
        state=one.state,
        at=now,
    )


async def open_books(
    tx: AsyncConnection,
    order_ids: Iterable[UUID],
    with_papers: bool = True,
    with_payments: bool = False,
) -> dict[UUID, Book]:
    """Lock the accounts that exist.

    with_papers: also the terms, the documents and, for orders that have documents, the payments;
    with_payments: the payments of every order.
    """
    accounts = await store.lock_accounts(tx, order_ids)
    books = {order_id: Book(row) for order_id, row in accounts.items()}
    if not with_papers or not books:
        return books
    terms = await store.terms_of(tx, books)
    documents = await papers_store.documents_of_orders(tx, books)
    for order_id, book in books.items():
        book.terms = terms.get(order_id, [])
        book.documents = documents.get(order_id, [])
        book.before = {one.document_id: one for one in book.documents}
    paid = list(books) if with_payments else list(documents)
    if paid:
        for one in await store.payments_of_orders(tx, paid):
            if one.state == "posted":
                books[one.order_id].moneys[one.payment_id] = Money(
                    one.version, one.amount, one.document_id, one.allocated
                )
    return books


async def close_books(tx: AsyncConnection, books: Iterable[Book], now: datetime) -> None:
    """Write what changed, and say it."""
    touched = list(books)
    changed = [one for book in touched for one in book.settle_documents(now)]
    issued = [
        (one, book.issued[one.document_id])
        for book in touched
        for one in book.documents
        if one.document_id in book.issued
    ]
    moved = [book.account for book in touched if book.posted or book.account != book.row.account]
    await store.post_transfers(tx, [one for book in touched for one in book.posted])
    if moved:
        await store.keep_balances(tx, moved)
    await papers_store.keep_issued(tx, issued)
    await papers_store.keep_standing(tx, changed)
    await outbox.say(tx, [said for book in touched for said in book.said])
