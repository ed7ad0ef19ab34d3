"""Questions to and changes of the orders' accounts and of what is copied of orders."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from contracts.money import round_half_up
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts.domain import Account, Term
from billing.changes import Change
from billing.tables import order_account


@dataclass(frozen=True, slots=True)
class OrderAccount:
    """An order's balances with what is known of the order; not `placed`: only its goods are."""

    account: Account
    placed: bool
    cancelled: bool
    number: str | None
    store_id: UUID | None
    customer_id: UUID | None
    placed_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderPlacedCopy:
    """What billing keeps of an order that was placed."""

    order_id: UUID
    currency: str
    number: str
    store_id: UUID
    customer_id: UUID | None
    customer_key: str | None
    placed_at: datetime
    terms: Sequence[Mapping[str, str]]
    lines: Sequence[Mapping[str, str | int]]


def order_account_of(row: Any) -> OrderAccount:
    money = partial(round_half_up, currency=row.currency)  # A zero, too, shows its decimals.
    account = Account(
        order_id=row.order_id,
        currency=row.currency,
        total=money(row.total),
        paid=money(row.paid),
        deposit_left=money(row.deposit_left),
        due_now=money(row.due_now),
        refunded=money(row.refunded),
        shipped_value=money(row.shipped_value),
        due_since=row.due_since,
        version=row.version,
    )
    return OrderAccount(
        account,
        row.placed,
        row.cancelled,
        row.number,
        row.store_id,
        row.customer_id,
        row.placed_at,
    )


async def find_account(tx: AsyncConnection, order_id: UUID) -> OrderAccount | None:
    rows = await tx.execute(sa.select(order_account).where(order_account.c.order_id == order_id))
    row = rows.one_or_none()
    return None if row is None else order_account_of(row)


def terms_of(kept: Sequence[Mapping[str, str]] | None) -> list[Term]:
    """The payment terms of an order, as they are kept with its copy."""
    return [
        Term(UUID(one["term_id"]), date.fromisoformat(one["due_on"]), Decimal(one["amount"]))
        for one in kept or ()
    ]


OPEN_ACCOUNTS = sa.text("""
INSERT INTO order_account(order_id, currency)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:currencies AS text[])) AS o(order_id, currency)
ORDER BY order_id
ON CONFLICT DO NOTHING""")


async def open_accounts(tx: AsyncConnection, currencies: Mapping[UUID, str]) -> None:
    """Make the accounts that are not there yet."""
    values = {"ids": list(currencies), "currencies": list(currencies.values())}
    await tx.execute(OPEN_ACCOUNTS, values)


KEEP_PLACED = sa.text("""
WITH o AS (
  SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:currencies AS text[]), CAST(:numbers AS text[]),
    CAST(:stores AS uuid[]), CAST(:customers AS uuid[]), CAST(:keys AS text[]),
    CAST(:placed_at AS timestamptz[]), CAST(:terms AS text[]), CAST(:lines AS text[]),
    CAST(:totals AS numeric[]), CAST(:cancelled AS boolean[]))
    AS o(order_id, currency, number, store_id, customer_id, customer_key, placed_at, terms, lines,
         total, cancelled)
  ORDER BY order_id),
copied AS (
  INSERT INTO order_copy(order_id, customer_key, terms, lines)
  SELECT order_id, customer_key, CAST(terms AS jsonb), CAST(lines AS jsonb) FROM o
  ON CONFLICT (order_id) DO NOTHING),
kept AS (
  INSERT INTO order_account(order_id, currency, placed, number, store_id, customer_id, placed_at,
    total, cancelled)
  SELECT order_id, currency, true, number, store_id, customer_id, placed_at, total, cancelled FROM o
  ON CONFLICT (order_id) DO UPDATE SET placed = true, number = excluded.number,
    store_id = excluded.store_id, customer_id = excluded.customer_id,
    placed_at = excluded.placed_at, total = excluded.total, cancelled = excluded.cancelled
  RETURNING order_id, shipped_value)
SELECT order_id FROM kept WHERE shipped_value > 0""")


async def keep_placed(
    tx: AsyncConnection,
    orders: Sequence[OrderPlacedCopy],
    standing: Mapping[UUID, tuple[Decimal, bool]],
) -> list[UUID]:
    """Take over what the orders service says of new orders, with how they stand by now.

    Gives those of which goods were handed over before anything else was heard of them.
    """
    if not orders:
        return []
    values = {
        "ids": [one.order_id for one in orders],
        "currencies": [one.currency for one in orders],
        "numbers": [one.number for one in orders],
        "stores": [one.store_id for one in orders],
        "customers": [one.customer_id for one in orders],
        "keys": [one.customer_key for one in orders],
        "placed_at": [one.placed_at for one in orders],
        "terms": [json.dumps(list(one.terms)) for one in orders],
        "lines": [json.dumps(list(one.lines)) for one in orders],
        "totals": [standing[one.order_id][0] for one in orders],
        "cancelled": [standing[one.order_id][1] for one in orders],
    }
    return list((await tx.execute(KEEP_PLACED, values)).scalars())


KEEP_LINES = sa.text("""
UPDATE order_copy SET lines = CAST(o.lines AS jsonb)
FROM unnest(CAST(:ids AS uuid[]), CAST(:lines AS text[])) AS o(order_id, lines)
WHERE order_copy.order_id = o.order_id""")


async def keep_lines(
    tx: AsyncConnection, lines: Mapping[UUID, Sequence[Mapping[str, str | int]]]
) -> None:
    """The orders' lines as they are now."""
    if lines:
        values = {"ids": list(lines), "lines": [json.dumps(list(v)) for v in lines.values()]}
        await tx.execute(KEEP_LINES, values)


# Locks the accounts in the order of their ids, as everyone does, before it writes any.
KEEP_STANDING = sa.text("""
WITH locked AS MATERIALIZED (
  SELECT order_id FROM order_account WHERE order_id = ANY(CAST(:all_ids AS uuid[]))
  ORDER BY order_id FOR UPDATE)
UPDATE order_account SET total = o.total, cancelled = o.cancelled
FROM unnest(CAST(:ids AS uuid[]), CAST(:totals AS numeric[]), CAST(:cancelled AS boolean[]))
  AS o(order_id, total, cancelled) JOIN locked USING (order_id)
WHERE order_account.order_id = o.order_id
  AND (order_account.total, order_account.cancelled) IS DISTINCT FROM (o.total, o.cancelled)
RETURNING o.order_id""")


async def keep_standing(
    tx: AsyncConnection,
    all_ids: Iterable[UUID],
    standing: Mapping[UUID, tuple[Decimal, bool]],
) -> list[UUID]:
    """The orders' totals, and whether they are cancelled; gives those where either changed.

    all_ids: the accounts to lock; only rows that differ are written.
    """
    if not standing:
        return []
    values = {
        "all_ids": list(all_ids),
        "ids": list(standing),
        "totals": [total for total, _ in standing.values()],
        "cancelled": [cancelled for _, cancelled in standing.values()],
    }
    return list((await tx.execute(KEEP_STANDING, values)).scalars())


KEEP_BALANCES = """
UPDATE order_account SET paid = o.paid, deposit_left = o.deposit_left, due_now = o.due_now,
  refunded = o.refunded, shipped_value = o.shipped_value, due_since = o.due_since,
  version = o.version
FROM unnest(CAST(:balance_ids AS uuid[]), CAST(:balance_paid AS numeric[]),
  CAST(:balance_deposit_left AS numeric[]), CAST(:balance_due_now AS numeric[]),
  CAST(:balance_refunded AS numeric[]), CAST(:balance_shipped AS numeric[]),
  CAST(:balance_due_since AS timestamptz[]), CAST(:balance_versions AS bigint[]))
  AS o(order_id, paid, deposit_left, due_now, refunded, shipped_value, due_since, version)
WHERE order_account.order_id = o.order_id"""


def keep_balances(accounts: Sequence[Account]) -> Change:
    """Write the balances of locked accounts."""
    values = {
        "balance_ids": [one.order_id for one in accounts],
        "balance_paid": [one.paid for one in accounts],
        "balance_deposit_left": [one.deposit_left for one in accounts],
        "balance_due_now": [one.due_now for one in accounts],
        "balance_refunded": [one.refunded for one in accounts],
        "balance_shipped": [one.shipped_value for one in accounts],
        "balance_due_since": [one.due_since for one in accounts],
        "balance_versions": [one.version for one in accounts],
    }
    return Change(KEEP_BALANCES, values)
