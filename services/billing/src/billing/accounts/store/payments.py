"""Questions to and changes of payments, refunds and hand-overs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts.domain import Allocation
from billing.changes import Change
from billing.tables import UUIDS, payment, refund


@dataclass(frozen=True, slots=True)
class Payment:
    payment_id: UUID
    order_id: UUID
    store_id: UUID
    method: str
    amount: Decimal
    currency: str
    document_id: UUID | None
    allocated: Decimal
    allocations: tuple[Allocation, ...]
    version: int
    at: datetime
    by: str
    cancelled_at: datetime | None = None
    cancelled_by: str | None = None
    cancel_reason: str | None = None

    @property
    def state(self) -> str:
        return "posted" if self.cancelled_at is None else "cancelled"


@dataclass(frozen=True, slots=True)
class Refund:
    refund_id: UUID
    order_id: UUID
    store_id: UUID
    method: str
    amount: Decimal
    currency: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class HandOver:
    shipment_id: UUID
    order_id: UUID
    store_id: UUID
    value: Decimal
    left_before: Decimal
    consumed: Decimal
    at: datetime


def _payment_of(row: Any) -> Payment:
    values = dict(row._mapping)
    parts = values.pop("allocations")
    return Payment(**values, allocations=tuple(_allocation(part) for part in parts))


def _allocation(part: Mapping[str, str | None]) -> Allocation:
    document_id, term_id = part["document_id"], part["term_id"]
    return Allocation(
        UUID(document_id) if document_id else None,
        UUID(term_id) if term_id else None,
        Decimal(part["amount"] or 0),
    )


def _allocation_json(part: Allocation) -> dict[str, str | None]:
    return {
        "document_id": str(part.document_id) if part.document_id else None,
        "term_id": str(part.term_id) if part.term_id else None,
        "amount": f"{part.amount:f}",
    }


async def find_payments(tx: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Payment]:
    rows = await tx.execute(
        sa.select(payment).where(payment.c.payment_id == sa.any_(sa.literal(list(ids), UUIDS)))
    )
    return {row.payment_id: _payment_of(row) for row in rows}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which payments or refunds are asked for; `stores` None means those of every store."""

    order_id: UUID | None = None
    stores: Sequence[UUID] | None = None
    begin: datetime | None = None
    end: datetime | None = None


def _filtered(table: sa.Table, key: sa.Column[Any], wanted: Filter) -> "sa.Select[Any]":
    question = sa.select(table)
    if wanted.order_id is not None:
        question = question.where(table.c.order_id == wanted.order_id)
    if wanted.stores is not None:
        stores = sa.literal(list(wanted.stores), UUIDS)
        question = question.where(table.c.store_id == sa.any_(stores))
    if wanted.begin is not None:
        question = question.where(table.c.at >= wanted.begin)
    if wanted.end is not None:
        question = question.where(table.c.at < wanted.end)
    return question.order_by(table.c.at, key)


async def list_payments(
    tx: AsyncConnection, wanted: Filter, after: tuple[datetime, UUID] | None, limit: int
) -> list[Payment]:
    """Payments, oldest first, `limit` + 1 at most."""
    question = _filtered(payment, payment.c.payment_id, wanted)
    if after is not None:
        question = question.where(sa.tuple_(payment.c.at, payment.c.payment_id) > after)
    return [_payment_of(row) for row in await tx.execute(question.limit(limit + 1))]


async def list_refunds(
    tx: AsyncConnection, wanted: Filter, after: tuple[datetime, UUID] | None, limit: int
) -> list[Refund]:
    """Refunds, oldest first, `limit` + 1 at most."""
    question = _filtered(refund, refund.c.refund_id, wanted)
    if after is not None:
        question = question.where(sa.tuple_(refund.c.at, refund.c.refund_id) > after)
    return [Refund(**row._mapping) for row in await tx.execute(question.limit(limit + 1))]


KEEP_PAYMENTS = """
INSERT INTO payment(payment_id, order_id, store_id, method, amount, currency, document_id,
  allocated, allocations, version, at, by)
SELECT payment_id, order_id, store_id, method, amount, currency, document_id, allocated,
  CAST(allocations AS jsonb), version, at, by
FROM unnest(CAST(:payment_ids AS uuid[]), CAST(:payment_orders AS uuid[]),
  CAST(:payment_stores AS uuid[]), CAST(:payment_methods AS text[]),
  CAST(:payment_amounts AS numeric[]), CAST(:payment_currencies AS text[]),
  CAST(:payment_documents AS uuid[]), CAST(:payment_allocated AS numeric[]),
  CAST(:payment_allocations AS text[]), CAST(:payment_versions AS bigint[]),
  CAST(:payment_at AS timestamptz[]), CAST(:payment_by AS text[]))
  AS p(payment_id, order_id, store_id, method, amount, currency, document_id, allocated,
       allocations, version, at, by)"""


def keep_payments(payments: Sequence[Payment]) -> Change:
    """Write new payments."""
    values = {
        "payment_ids": [one.payment_id for one in payments],
        "payment_orders": [one.order_id for one in payments],
        "payment_stores": [one.store_id for one in payments],
        "payment_methods": [one.method for one in payments],
        "payment_amounts": [one.amount for one in payments],
        "payment_currencies": [one.currency for one in payments],
        "payment_documents": [one.document_id for one in payments],
        "payment_allocated": [one.allocated for one in payments],
        "payment_allocations": [
            json.dumps([_allocation_json(part) for part in one.allocations]) for one in payments
        ],
        "payment_versions": [one.version for one in payments],
        "payment_at": [one.at for one in payments],
        "payment_by": [one.by for one in payments],
    }
    return Change(KEEP_PAYMENTS, values)


async def cancel_payment(
    tx: AsyncConnection, payment_id: UUID, reason: str, by: str, now: datetime
) -> None:
    await tx.execute(
        sa.update(payment)
        .where(payment.c.payment_id == payment_id)
        .values(cancelled_at=now, cancelled_by=by, cancel_reason=reason)
    )


async def find_refunds(tx: AsyncConnection, ids: Sequence[UUID]) -> list[Refund]:
    rows = await tx.execute(
        sa.select(refund).where(refund.c.refund_id == sa.any_(sa.literal(list(ids), UUIDS)))
    )
    return [Refund(**row._mapping) for row in rows]


KEEP_REFUND = """
INSERT INTO refund(refund_id, order_id, store_id, method, amount, currency, at, by)
SELECT * FROM unnest(CAST(:refund_ids AS uuid[]), CAST(:refund_orders AS uuid[]),
  CAST(:refund_stores AS uuid[]), CAST(:refund_methods AS text[]),
  CAST(:refund_amounts AS numeric[]), CAST(:refund_currencies AS text[]),
  CAST(:refund_at AS timestamptz[]), CAST(:refund_by AS text[]))"""


def keep_refund(one: Refund) -> Change:
    """Write a new refund."""
    values = {
        "refund_ids": [one.refund_id],
        "refund_orders": [one.order_id],
        "refund_stores": [one.store_id],
        "refund_methods": [one.method],
        "refund_amounts": [one.amount],
        "refund_currencies": [one.currency],
        "refund_at": [one.at],
        "refund_by": [one.by],
    }
    return Change(KEEP_REFUND, values)


KEEP_HAND_OVERS = """
INSERT INTO hand_over(shipment_id, order_id, store_id, value, left_before, consumed, at)
SELECT * FROM unnest(CAST(:hand_over_ids AS uuid[]), CAST(:hand_over_orders AS uuid[]),
  CAST(:hand_over_stores AS uuid[]), CAST(:hand_over_values AS numeric[]),
  CAST(:hand_over_left AS numeric[]), CAST(:hand_over_consumed AS numeric[]),
  CAST(:hand_over_at AS timestamptz[]))"""


def keep_hand_overs(made: Sequence[HandOver]) -> Change:
    """Write what was handed over; the unique ids refuse what is there already."""
    values = {
        "hand_over_ids": [one.shipment_id for one in made],
        "hand_over_orders": [one.order_id for one in made],
        "hand_over_stores": [one.store_id for one in made],
        "hand_over_values": [one.value for one in made],
        "hand_over_left": [one.left_before for one in made],
        "hand_over_consumed": [one.consumed for one in made],
        "hand_over_at": [one.at for one in made],
    }
    return Change(KEEP_HAND_OVERS, values)
