"""Questions to and changes of documents, their numbers, and the copies that papers need."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.changes import Change
from billing.documents.domain import Document
from billing.tables import (
    UUIDS,
    customer,
    document,
    order_account,
    order_copy,
    store,
)

FIGURES = (
    "document_id",
    "order_id",
    "kind",
    "number",
    "term_id",
    "currency",
    "total",
    "uncovered",
    "covered_at_issue",
    "account_version",
    "issued_at",
    "credited",
    "advances",
    "paid",
    "state",
    "version",
)
COLUMNS = [document.c[name] for name in FIGURES]


def _document_of(row: Any) -> Document:
    return Document(**{name: row._mapping[name] for name in FIGURES})


async def documents_of_orders(
    tx: AsyncConnection, order_ids: Iterable[UUID]
) -> dict[UUID, list[Document]]:
    """The documents of each order that has any, in the order of their issue."""
    rows = await tx.execute(
        sa.select(*COLUMNS)
        .where(document.c.order_id == sa.any_(sa.literal(list(order_ids), UUIDS)))
        .order_by(document.c.order_id, document.c.issued_at, document.c.document_id)
    )
    found: dict[UUID, list[Document]] = {}
    for row in rows:
        found.setdefault(row.order_id, []).append(_document_of(row))
    return found


async def find_documents(tx: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Document]:
    rows = await tx.execute(
        sa.select(*COLUMNS).where(document.c.document_id == sa.any_(sa.literal(list(ids), UUIDS)))
    )
    return {row.document_id: _document_of(row) for row in rows}


async def store_of_order(tx: AsyncConnection, order_id: UUID) -> UUID | None:
    """The store that took the order; None when it is not known here."""
    question = sa.select(order_account.c.store_id).where(order_account.c.order_id == order_id)
    found: UUID | None = (await tx.execute(question)).scalar_one_or_none()
    return found


async def list_of_customer(
    tx: AsyncConnection,
    customer_id: UUID,
    order_id: UUID | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Document]:
    """The newest documents of the customer's orders, or of one, first; `limit` + 1 at most."""
    question = (
        sa.select(*COLUMNS)
        .join(order_account, order_account.c.order_id == document.c.order_id)
        .where(order_account.c.customer_id == customer_id)
    )
    if order_id is not None:
        question = question.where(document.c.order_id == order_id)
    if after is not None:
        question = question.where(sa.tuple_(document.c.issued_at, document.c.document_id) < after)
    question = question.order_by(document.c.issued_at.desc(), document.c.document_id.desc())
    return [_document_of(row) for row in await tx.execute(question.limit(limit + 1))]


KEEP_ISSUED = """
INSERT INTO document(document_id, order_id, kind, number, term_id, currency, total, uncovered,
  covered_at_issue, account_version, lines, advances, paid, state, version, issued_at, issued_by)
SELECT d.document_id, d.order_id, d.kind, d.number, d.term_id, d.currency, d.total, d.uncovered,
  d.covered, d.account_version, coalesce(c.lines, '[]'), d.advances, d.paid, d.state, d.version,
  d.issued_at, d.issued_by
FROM unnest(CAST(:issued_ids AS uuid[]), CAST(:issued_orders AS uuid[]),
  CAST(:issued_kinds AS text[]), CAST(:issued_numbers AS text[]), CAST(:issued_terms AS uuid[]),
  CAST(:issued_currencies AS text[]), CAST(:issued_totals AS numeric[]),
  CAST(:issued_uncovered AS numeric[]), CAST(:issued_covered AS numeric[]),
  CAST(:issued_account_versions AS bigint[]), CAST(:issued_advances AS numeric[]),
  CAST(:issued_paid AS numeric[]), CAST(:issued_states AS text[]),
  CAST(:issued_versions AS bigint[]), CAST(:issued_at AS timestamptz[]),
  CAST(:issued_by AS text[]))
  AS d(document_id, order_id, kind, number, term_id, currency, total, uncovered, covered,
       account_version, advances, paid, state, version, issued_at, issued_by)
LEFT JOIN order_copy c ON c.order_id = d.order_id"""


def keep_issued(issued: Sequence[tuple[Document, str]]) -> Change:
    """Write new documents, each with who issued it and with the order's lines as they are now."""
    made = [one for one, _ in issued]
    values = {
        "issued_ids": [one.document_id for one in made],
        "issued_orders": [one.order_id for one in made],
        "issued_kinds": [one.kind for one in made],
        "issued_numbers": [one.number for one in made],
        "issued_terms": [one.term_id for one in made],
        "issued_currencies": [one.currency for one in made],
        "issued_totals": [one.total for one in made],
        "issued_uncovered": [one.uncovered for one in made],
        "issued_covered": [one.covered_at_issue for one in made],
        "issued_account_versions": [one.account_version for one in made],
        "issued_advances": [one.advances for one in made],
        "issued_paid": [one.paid for one in made],
        "issued_states": [one.state for one in made],
        "issued_versions": [one.version for one in made],
        "issued_at": [one.issued_at for one in made],
        "issued_by": [by for _, by in issued],
    }
    return Change(KEEP_ISSUED, values)


KEEP_STANDING = """
UPDATE document SET credited = d.credited, advances = d.advances, paid = d.paid, state = d.state,
  version = d.version
FROM unnest(CAST(:standing_ids AS uuid[]), CAST(:standing_credited AS numeric[]),
  CAST(:standing_advances AS numeric[]), CAST(:standing_paid AS numeric[]),
  CAST(:standing_states AS text[]), CAST(:standing_versions AS bigint[]))
  AS d(document_id, credited, advances, paid, state, version)
WHERE document.document_id = d.document_id"""


def keep_standing(changed: Sequence[Document]) -> Change:
    """Write the figures and states of documents whose order is locked."""
    values = {
        "standing_ids": [one.document_id for one in changed],
        "standing_credited": [one.credited for one in changed],
        "standing_advances": [one.advances for one in changed],
        "standing_paid": [one.paid for one in changed],
        "standing_states": [one.state for one in changed],
        "standing_versions": [one.version for one in changed],
    }
    return Change(KEEP_STANDING, values)


NEXT_NUMBERS = sa.text("""
INSERT INTO document_series AS s(series, last)
SELECT * FROM unnest(CAST(:series AS text[]), CAST(:counts AS bigint[])) AS w(series, n)
ORDER BY series
ON CONFLICT (series) DO UPDATE SET last = s.last + excluded.last
RETURNING series, last""")


async def next_numbers(tx: AsyncConnection, wanted: Mapping[str, int]) -> dict[str, int]:
    """Take so many numbers of each series, held until commit; gives the first of each."""
    if not wanted:
        return {}
    values = {"series": list(wanted), "counts": list(wanted.values())}
    rows = await tx.execute(NEXT_NUMBERS, values)
    return {row.series: row.last - wanted[row.series] + 1 for row in rows}


@dataclass(frozen=True, slots=True)
class PaperCopy:
    """A document with everything that its paper says."""

    document: Document
    lines: Sequence[Mapping[str, Any]]
    order_number: str
    order_total: Any
    placed_at: datetime
    store_id: UUID
    store_code: str
    store_name: str
    customer_id: UUID | None
    customer_name: str | None
    language: str | None
    due_on: str | None


async def find_paper(tx: AsyncConnection, document_id: UUID) -> PaperCopy | None:
    """What the paper of the document says; names are those of now, lines those of the issue."""
    rows = await tx.execute(
        sa.select(
            *COLUMNS,
            document.c.lines,
            order_account.c.number.label("order_number"),
            order_account.c.total.label("order_total"),
            order_account.c.placed_at,
            order_account.c.store_id,
            order_account.c.customer_id,
            order_copy.c.terms,
            store.c.code,
            store.c.name.label("store_name"),
            customer.c.name.label("customer_name"),
            customer.c.language,
        )
        .join(order_account, order_account.c.order_id == document.c.order_id)
        .join(order_copy, order_copy.c.order_id == document.c.order_id)
        .outerjoin(store, store.c.store_id == order_account.c.store_id)
        .outerjoin(customer, customer.c.customer_key == order_copy.c.customer_key)
        .where(document.c.document_id == document_id)
    )
    row = rows.one_or_none()
    if row is None:
        return None
    terms = {term["term_id"]: term["due_on"] for term in row.terms}
    return PaperCopy(
        document=_document_of(row),
        lines=row.lines,
        order_number=row.order_number,
        order_total=row.order_total,
        placed_at=row.placed_at,
        store_id=row.store_id,
        store_code=row.code or "",
        store_name=row.store_name or "",
        customer_id=row.customer_id,
        customer_name=row.customer_name,
        language=row.language,
        due_on=terms.get(str(row.term_id)),
    )


KEEP_STORES = sa.text("""
INSERT INTO store(store_id, code, name)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[]), CAST(:names AS text[]))
  AS s(store_id, code, name) ORDER BY store_id
ON CONFLICT (store_id) DO UPDATE SET code = excluded.code, name = excluded.name""")


async def keep_stores(tx: AsyncConnection, stores: Mapping[UUID, tuple[str, str]]) -> None:
    """Code and name of each store as they are now."""
    values = {
        "ids": list(stores),
        "codes": [code for code, _ in stores.values()],
        "names": [name for _, name in stores.values()],
    }
    await tx.execute(KEEP_STORES, values)


KEEP_CUSTOMERS = sa.text("""
INSERT INTO customer(customer_key, name, language)
SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:names AS text[]), CAST(:languages AS text[]))
  AS c(customer_key, name, language) ORDER BY customer_key
ON CONFLICT (customer_key) DO UPDATE SET name = excluded.name, language = excluded.language""")


async def keep_customers(tx: AsyncConnection, customers: Mapping[str, tuple[str, str]]) -> None:
    """Name and language of each customer as they are now."""
    if customers:
        values = {
            "keys": list(customers),
            "names": [name for name, _ in customers.values()],
            "languages": [language for _, language in customers.values()],
        }
        await tx.execute(KEEP_CUSTOMERS, values)


async def forget_customers(tx: AsyncConnection, keys: Iterable[str]) -> None:
    """Nothing here says any more who these were."""
    gone = sa.any_(sa.literal(list(keys), sa.ARRAY(sa.Text)))
    await tx.execute(sa.delete(customer).where(customer.c.customer_key == gone))
