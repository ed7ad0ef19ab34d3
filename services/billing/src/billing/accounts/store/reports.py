"""Questions over many orders: customers' statements, debts, tills."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from contracts.money import round_half_up
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts.store.accounts import OrderAccount, order_account_of
from billing.tables import UUIDS, order_account

DebtKind = Literal["shipped_unpaid", "paid_unshipped"]


@dataclass(frozen=True, slots=True)
class Balance:
    """A customer's money in one currency."""

    currency: str
    debt: Decimal
    deposits: Decimal


@dataclass(frozen=True, slots=True)
class TillLine:
    """What one till took or gave by one kind of movement."""

    method: str
    kind: str
    currency: str
    taken: Decimal
    given: Decimal


def _of_customer(customer_id: UUID, stores: Sequence[UUID] | None) -> list[Any]:
    where: list[Any] = [order_account.c.customer_id == customer_id]
    if stores is not None:
        where.append(_in(stores))
    return where


def _in(stores: Sequence[UUID]) -> Any:
    return order_account.c.store_id == sa.any_(sa.literal(list(stores), UUIDS))


async def balances_of_customer(
    tx: AsyncConnection, customer_id: UUID, stores: Sequence[UUID] | None
) -> list[Balance]:
    """Debt and deposits over all orders of the customer, one row a currency."""
    rows = await tx.execute(
        sa.select(
            order_account.c.currency,
            sa.func.sum(order_account.c.due_now).label("debt"),
            sa.func.sum(order_account.c.deposit_left).label("deposits"),
        )
        .where(*_of_customer(customer_id, stores))
        .group_by(order_account.c.currency)
        .order_by(sa.func.count().desc(), order_account.c.currency)
    )
    return [
        Balance(
            row.currency,
            round_half_up(row.debt, row.currency),
            round_half_up(row.deposits, row.currency),
        )
        for row in rows
    ]


async def orders_of_customer(
    tx: AsyncConnection, customer_id: UUID, stores: Sequence[UUID] | None, limit: int
) -> list[OrderAccount]:
    """The customer's newest orders first."""
    rows = await tx.execute(
        sa.select(order_account)
        .where(*_of_customer(customer_id, stores))
        .order_by(order_account.c.placed_at.desc(), order_account.c.order_id.desc())
        .limit(limit)
    )
    return [order_account_of(row) for row in rows]


async def list_debts(
    tx: AsyncConnection,
    kind: DebtKind,
    customer_id: UUID | None,
    stores: Sequence[UUID] | None,
    until: datetime | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[OrderAccount]:
    """Orders with goods unpaid, or with money for goods that are not handed over; oldest first.

    until: only debts that began before it.
    """
    unpaid = kind == "shipped_unpaid"
    open_balance = order_account.c.due_now if unpaid else order_account.c.deposit_left
    since = order_account.c.due_since if unpaid else order_account.c.placed_at
    question = sa.select(order_account).where(open_balance > 0)
    if customer_id is not None:
        question = question.where(order_account.c.customer_id == customer_id)
    if stores is not None:
        question = question.where(_in(stores))
    if until is not None:
        question = question.where(since < until)
    if after is not None:
        question = question.where(sa.tuple_(since, order_account.c.order_id) > after)
    question = question.order_by(since, order_account.c.order_id).limit(limit + 1)
    return [order_account_of(row) for row in await tx.execute(question)]


TILLS = sa.text("""
WITH moves AS (
  SELECT debit_account AS account, kind, currency, amount AS taken, 0 AS given FROM transfer
  WHERE debit_account = ANY(CAST(:tills AS text[]))
    AND created_at >= :begin AND created_at < :end
  UNION ALL
  SELECT credit_account, kind, currency, 0, amount FROM transfer
  WHERE credit_account = ANY(CAST(:tills AS text[]))
    AND created_at >= :begin AND created_at < :end)
SELECT account, kind, currency, sum(taken) AS taken, sum(given) AS given
FROM moves GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""")


async def sum_tills(
    tx: AsyncConnection, tills: Sequence[str], begin: datetime, end: datetime
) -> list[TillLine]:
    """What these cash and card accounts took and gave in a period, by kind of movement."""
    rows = await tx.execute(TILLS, {"tills": list(tills), "begin": begin, "end": end})
    return [
        TillLine(row.account.split(":", 1)[0], row.kind, row.currency, row.taken, row.given)
        for row in rows
    ]


DIFFERENCES = sa.text("""
WITH moves AS (
  SELECT debit_account AS account, amount FROM transfer
  UNION ALL SELECT credit_account, -amount FROM transfer),
sums AS (SELECT account, sum(amount) AS balance FROM moves GROUP BY account)
SELECT a.order_id FROM order_account a
LEFT JOIN sums d ON d.account = 'deposits\\:' || a.order_id
LEFT JOIN sums r ON r.account = 'receivable\\:' || a.order_id
WHERE a.deposit_left <> -coalesce(d.balance, 0) OR a.due_now <> coalesce(r.balance, 0)
ORDER BY a.order_id LIMIT :limit""")


async def differing_orders(tx: AsyncConnection, limit: int) -> list[UUID]:
    """Orders whose balances are not the sums of their transfers: there must be none."""
    return list((await tx.execute(DIFFERENCES, {"limit": limit})).scalars())
