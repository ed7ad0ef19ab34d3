"""What decisions on orders' money need, asked in one statement that locks the accounts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from chassis.http import repeats
from chassis.http.idempotency import Call
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.documents.store import FIGURES

# The documents and the posted payments are arrays of rows, in the order of these names.
MONEY = ("payment_id", "version", "amount", "document_id")
BOOK = f"""a.*, (a.place <> at_first.ctid) AS changed_meanwhile, copy.terms,
  ARRAY(SELECT ROW({", ".join(f"d.{name}" for name in FIGURES)}) FROM document d
        WHERE d.order_id = a.order_id ORDER BY d.issued_at, d.document_id) AS documents,
  ARRAY(SELECT ROW({", ".join(f"p.{name}" for name in MONEY)}) FROM payment p
        WHERE p.order_id = a.order_id AND p.cancelled_at IS NULL ORDER BY p.version) AS moneys"""


def _question(asked: str, columns: str = "", joins: str = "") -> sa.TextClause:
    """One row for each that asks, in turn; its account is empty where there is none.

    The accounts are locked in the order of their ids, so that no two callers wait for each other.
    """
    return sa.text(f"""
WITH account AS MATERIALIZED (
  SELECT *, ctid AS place FROM order_account WHERE order_id = ANY(CAST(:order_ids AS uuid[]))
  ORDER BY order_id FOR UPDATE)
SELECT {BOOK}{columns}
FROM {asked} LEFT JOIN account a ON a.order_id = c.order_id
LEFT JOIN order_account at_first ON at_first.order_id = c.order_id
LEFT JOIN order_copy copy ON copy.order_id = c.order_id {joins}
ORDER BY c.n""")


def _keyed_question(table: str, id: str, store: str) -> sa.TextClause:
    """Of calls that make a row of the table under an id of the caller's, in a store."""
    asked = """unnest(CAST(:order_ids AS uuid[]), CAST(:ids AS uuid[]), CAST(:store_ids AS uuid[]),
  CAST(:principals AS text[]), CAST(:keys AS text[]))
  WITH ORDINALITY AS c(order_id, id, store_id, principal, key, n)"""
    columns = f""", shop.code AS store_code,
  EXISTS (SELECT FROM {table} WHERE {id} = c.id) AS id_known, {repeats.COLUMNS}"""
    joins = f"LEFT JOIN store shop ON shop.store_id = {store} {repeats.JOIN}"
    return _question(asked, columns, joins)


OF_ORDERS = _question("unnest(CAST(:order_ids AS uuid[])) WITH ORDINALITY AS c(order_id, n)")
OF_SHIPMENTS = _question(
    """unnest(CAST(:order_ids AS uuid[]), CAST(:ids AS uuid[]))
  WITH ORDINALITY AS c(order_id, id, n)""",
    ", EXISTS (SELECT FROM hand_over WHERE shipment_id = c.id) AS id_known",
)
TO_PAY = _keyed_question("payment", "payment_id", "c.store_id")
TO_REFUND = _keyed_question("refund", "refund_id", "c.store_id")
TO_ISSUE = _keyed_question("document", "document_id", "a.store_id")


async def _ask(tx: AsyncConnection, what: sa.TextClause, values: Mapping[str, Any]) -> list[Any]:
    """The rows; asked again where an account changed between the first look and its lock.

    Every change of what is read here beside the account also writes the account's row.
    """
    rows = list(await tx.execute(what, values))
    if any(row.changed_meanwhile for row in rows):
        rows = list(await tx.execute(what, values))
    return rows


async def of_orders(tx: AsyncConnection, order_ids: Iterable[UUID]) -> list[Any]:
    """The accounts of these orders."""
    return await _ask(tx, OF_ORDERS, {"order_ids": list(order_ids)})


async def of_shipments(tx: AsyncConnection, shipments: Sequence[tuple[UUID, UUID]]) -> list[Any]:
    """The accounts for (order, shipment), and whether the shipment is settled: `id_known`."""
    values = {"order_ids": [one for one, _ in shipments], "ids": [one for _, one in shipments]}
    return await _ask(tx, OF_SHIPMENTS, values)


async def of_calls(
    tx: AsyncConnection,
    what: sa.TextClause,
    asked: Sequence[tuple[UUID, UUID, UUID | None]],
    calls: Sequence[Call],
) -> list[Any]:
    """The accounts for (order, own id, store), with what is known of the id, store and call."""
    values = {
        "order_ids": [order_id for order_id, _, _ in asked],
        "ids": [id for _, id, _ in asked],
        "store_ids": [store_id for _, _, store_id in asked],
        **repeats.asked(calls),
    }
    return await _ask(tx, what, values)
