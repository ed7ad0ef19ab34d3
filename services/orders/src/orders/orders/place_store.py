"""The two statements of placing orders: what is known of their references, and the writing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from chassis import outbox
from chassis.outbox import Said
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.catalogue.domain import Item
from orders.order_settings.domain import OrderSettings
from orders.orders import store
from orders.orders.domain import Happening, Order
from orders.orders.placing import Known, KnownStore, KnownWarehouse, Wish
from orders.rows import Rows
from orders.words import lexemes

# One round trip for all orders of a group; columns a to d and x, y mean what each kind says.
REFERENCES = sa.text("""
SELECT 'item' AS kind, sku AS id, name AS a, unit AS b, currency AS c, items.kind AS d,
       price AS x, tax_rate AS y, NULL::jsonb AS j, NULL::bytea AS r
FROM items WHERE sku = ANY(CAST(:skus AS text[]))
UNION ALL
SELECT 'store', CAST(id AS text), hold_method, NULL, NULL, NULL, hold_days, NULL, NULL, NULL
FROM stores WHERE id = ANY(CAST(:stores AS uuid[]))
UNION ALL
SELECT 'warehouse', CAST(id AS text), warehouses.kind, CAST(store_id AS text),
       NULL, NULL, NULL, NULL, NULL, NULL
FROM warehouses WHERE id = ANY(CAST(:warehouses AS uuid[]))
UNION ALL
SELECT 'customer', CAST(id AS text), name, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM customers WHERE id = ANY(CAST(:customers AS uuid[])) AND NOT erased
UNION ALL
SELECT 'order', CAST(id AS text), NULL, NULL, NULL, NULL, NULL, NULL, NULL, request
FROM orders WHERE id = ANY(CAST(:ids AS uuid[]))
UNION ALL
SELECT 'settings', '', NULL, NULL, NULL, NULL, prepayment_percent, NULL, first_status, NULL
FROM order_settings
UNION ALL
SELECT 'number', CAST(nextval('order_numbers') AS text),
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM generate_series(1, CAST(:count AS int))""")

ITEMS_IN = Rows(
    "items",
    [
        sa.Column("order_id", sa.Uuid),
        *(sa.Column(name, sa.Text) for name in ("sku", "name", "unit", "currency", "words")),
        sa.Column("price", sa.Numeric),
        sa.Column("tax_rate", sa.Numeric),
    ],
)
PLACE = sa.text(f"""
WITH k AS (
  INSERT INTO idempotency(principal, key, fingerprint, status, subject)
  SELECT principal, key, fingerprint, CAST(:status AS smallint), subject
  FROM unnest(CAST(:principals AS text[]), CAST(:keys AS text[]), CAST(:fingerprints AS bytea[]),
              CAST(:subjects AS text[])) AS c(principal, key, fingerprint, subject)
  ORDER BY principal, key
  ON CONFLICT DO NOTHING RETURNING CAST(subject AS uuid) AS id),
o AS (
  INSERT INTO orders({store.ORDERS_IN.names})
  SELECT {store.ORDERS_IN.values} FROM {store.ORDERS_IN.source} JOIN k ON k.id = u.id),
l AS (
  INSERT INTO order_lines({store.LINES_IN.names})
  SELECT {store.LINES_IN.values} FROM {store.LINES_IN.source} JOIN k ON k.id = u.order_id),
h AS (
  INSERT INTO order_history({store.HISTORY_IN.names})
  SELECT {store.HISTORY_IN.values} FROM {store.HISTORY_IN.source} JOIN k ON k.id = u.order_id),
i AS (
  INSERT INTO items(sku, name, unit, kind, barcodes, tax_rate, price, currency, version, words)
  SELECT u.sku, u.name, u.unit, 'special', '{{}}', u.tax_rate, u.price, u.currency, 1,
         CAST(u.words AS tsvector)
  FROM {ITEMS_IN.source} JOIN k ON k.id = u.order_id),
b AS (
  INSERT INTO outbox({outbox.INSERT_COLUMNS})
  SELECT event_id, topic, said.key, version, type, payload, CAST(headers AS jsonb)
  FROM {outbox.ROWS}
  JOIN unnest(CAST(:said_of AS uuid[])) WITH ORDINALITY AS about(order_id, m) ON about.m = said.n
  JOIN k ON k.id = about.order_id ORDER BY said.n)
SELECT id FROM k""")
KEPT = sa.text("""
SELECT i.principal, i.key, i.fingerprint, i.status, i.subject FROM idempotency AS i
JOIN unnest(CAST(:principals AS text[]), CAST(:keys AS text[])) AS c(principal, key)
  USING (principal, key)""")
KEEP_KEY = sa.text("""
INSERT INTO idempotency(principal, key, fingerprint, status, subject)
VALUES (:principal, :key, :fingerprint, :status, :subject) ON CONFLICT DO NOTHING""")


@dataclass(frozen=True, slots=True)
class NewOrder:
    """All that is written when an order is placed."""

    order: Order
    happening: Happening
    new_items: Sequence[Item]
    said: Sequence[Said]
    principal: str
    key: str
    fingerprint: bytes


async def references(
    tx: AsyncConnection, wishes: Sequence[Wish], currency: str
) -> tuple[Known, list[str]]:
    """What is known of all that the wishes name, and a new order number for each."""
    rows = await tx.execute(
        REFERENCES,
        {
            "skus": list({line.sku for wish in wishes for line in wish.lines if line.sku}),
            "stores": list({wish.store_id for wish in wishes}),
            "warehouses": list({wish.warehouse_id for wish in wishes}),
            "customers": list({wish.customer_id for wish in wishes if wish.customer_id}),
            "ids": [wish.id for wish in wishes],
            "count": len(wishes),
        },
    )
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.kind, []).append(row)
    settings = found["settings"][0]
    known = Known(
        items={r.id: Item(r.id, r.a, r.b, r.d, (), r.y, r.x, r.c) for r in found.get("item", ())},
        stores={UUID(r.id): KnownStore(r.a, int(r.x)) for r in found.get("store", ())},
        warehouses={UUID(r.id): KnownWarehouse(r.a, UUID(r.b)) for r in found.get("warehouse", ())},
        customer_names={UUID(r.id): r.a for r in found.get("customer", ())},
        settings=OrderSettings(settings.x, settings.j),
        currency=currency,
        requests={UUID(r.id): r.r for r in found.get("order", ())},
    )
    return known, [row.id for row in found["number"]]


async def place(tx: AsyncConnection, placed: Sequence[NewOrder], status: int) -> set[UUID]:
    """Write all of it in one statement; the ids of the orders whose keys were new."""
    lines = [(one.order, line) for one in placed for line in one.order.lines]
    items = [(one.order, item) for one in placed for item in one.new_items]
    written = await tx.execute(
        PLACE,
        {
            "status": status,
            "principals": [one.principal for one in placed],
            "keys": [one.key for one in placed],
            "fingerprints": [one.fingerprint for one in placed],
            "subjects": [str(one.order.id) for one in placed],
            **store.new_order_binds([one.order for one in placed]),
            **store.line_binds(store.LINES_IN, lines),
            **store.HISTORY_IN.binds([store.entry_of(one.order, one.happening) for one in placed]),
            **ITEMS_IN.binds(
                [item for _, item in items],
                order_id=[order.id for order, _ in items],
                words=[lexemes(item.sku, item.name) for _, item in items],
            ),
            **outbox.columns([said for one in placed for said in one.said]),
            "said_of": [one.order.id for one in placed for _ in one.said],
        },
    )
    return set(written.scalars())


async def kept(tx: AsyncConnection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    """What was kept under these (principal, key) pairs."""
    if not keys:
        return {}
    values = {"principals": [who for who, _ in keys], "keys": [key for _, key in keys]}
    rows = await tx.execute(KEPT, values)
    return {(row.principal, row.key): row for row in rows}


async def keep_key(
    tx: AsyncConnection, principal: str, key: str, fingerprint: bytes, status: int, id: UUID
) -> None:
    """Keep a second key for an order that exists already."""
    await tx.execute(
        KEEP_KEY,
        {
            "principal": principal,
            "key": key,
            "fingerprint": fingerprint,
            "status": status,
            "subject": str(id),
        },
    )
