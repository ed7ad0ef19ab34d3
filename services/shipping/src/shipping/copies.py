"""The copies of other services' facts: orders with their lines, stores with their warehouses."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
from contracts.inventory import StoreState
from contracts.orders import OrderFact, OrderLine, OrderPlaced
from sqlalchemy.ext.asyncio import AsyncConnection

PLACE = sa.text("""
INSERT INTO orders(order_id, store_id, warehouse_id, currency, status, marked)
SELECT order_id, store_id, warehouse_id, currency, status, false
FROM unnest(CAST(:ids AS uuid[]), CAST(:stores AS uuid[]), CAST(:warehouses AS uuid[]),
  CAST(:currencies AS text[]), CAST(:statuses AS text[]))
  AS n(order_id, store_id, warehouse_id, currency, status)
ORDER BY order_id""")
PROGRESS = sa.text("""
UPDATE orders o SET status = n.status, marked = coalesce(n.marked, o.marked)
FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:marked AS boolean[]))
  AS n(order_id, status, marked)
WHERE o.order_id = n.order_id RETURNING o.order_id""")
KEEP_LINES = sa.text("""
INSERT INTO order_lines(order_id, line_id, sku, unit, quantity, unit_price, amount)
SELECT * FROM unnest(CAST(:order_ids AS uuid[]), CAST(:line_ids AS uuid[]), CAST(:skus AS text[]),
  CAST(:units AS text[]), CAST(:quantities AS numeric[]), CAST(:prices AS numeric[]),
  CAST(:amounts AS numeric[])) AS n(order_id, line_id, sku, unit, quantity, unit_price, amount)
ORDER BY order_id, line_id
ON CONFLICT (order_id, line_id) DO UPDATE SET quantity = excluded.quantity,
  unit_price = excluded.unit_price, amount = excluded.amount""")
# A line that an order no longer names was taken back whole; what was handed over stays known.
TAKE_BACK_LINES = sa.text("""
UPDATE order_lines SET quantity = 0, amount = 0
WHERE order_id = ANY(CAST(:order_ids AS uuid[]))
  AND (order_id, line_id) NOT IN (
    SELECT * FROM unnest(CAST(:named_orders AS uuid[]), CAST(:named_lines AS uuid[])))""")
KNOW_STORES = sa.text("""
INSERT INTO stores(store_id) SELECT * FROM unnest(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING""")
KNOW_WAREHOUSES = sa.text("""
INSERT INTO warehouses(warehouse_id, store_id)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:stores AS uuid[]))
ON CONFLICT (warehouse_id) DO UPDATE SET store_id = excluded.store_id""")
KNOWN_STORES = sa.text("SELECT store_id FROM stores WHERE store_id = ANY(CAST(:ids AS uuid[]))")


async def place_orders(tx: AsyncConnection, placed: Sequence[OrderPlaced]) -> None:
    """New orders, in the status in which they were placed."""
    values = {
        "ids": [fact.order_id for fact in placed],
        "stores": [fact.store_id for fact in placed],
        "warehouses": [fact.hold.warehouse_id for fact in placed],
        "currencies": [fact.currency for fact in placed],
        "statuses": [fact.status for fact in placed],
    }
    await tx.execute(PLACE, values)


async def progress_orders(
    tx: AsyncConnection, newest: Sequence[OrderFact], marks: Mapping[UUID, bool]
) -> set[UUID]:
    """The newest status of each order, and whether it is marked for removal; the orders found."""
    values = {
        "ids": [fact.order_id for fact in newest],
        "statuses": [fact.status for fact in newest],
        "marked": [marks.get(fact.order_id) for fact in newest],
    }
    return set((await tx.execute(PROGRESS, values)).scalars())


async def keep_lines(
    tx: AsyncConnection, changed: Mapping[UUID, Sequence[OrderLine]], new: Collection[UUID]
) -> None:
    """The lines of these orders as they now are; `new` orders had none before."""
    lines = [(order_id, line) for order_id, lines in changed.items() for line in lines]
    values = {
        "order_ids": [order_id for order_id, _ in lines],
        "line_ids": [line.line_id for _, line in lines],
        "skus": [line.sku for _, line in lines],
        "units": [line.unit for _, line in lines],
        "quantities": [line.quantity for _, line in lines],
        "prices": [line.unit_price for _, line in lines],
        "amounts": [line.amount for _, line in lines],
    }
    await tx.execute(KEEP_LINES, values)
    if older := [order_id for order_id in changed if order_id not in new]:
        named = {"named_orders": values["order_ids"], "named_lines": values["line_ids"]}
        await tx.execute(TAKE_BACK_LINES, {"order_ids": older, **named})


async def know_stores(tx: AsyncConnection, states: Sequence[StoreState]) -> None:
    """Stores and whose warehouse is whose."""
    newest = {state.store_id: state for state in states}
    await tx.execute(KNOW_STORES, {"ids": sorted(newest)})
    owners = {w.warehouse_id: s.store_id for s in newest.values() for w in s.warehouses}
    ids = sorted(owners)
    await tx.execute(KNOW_WAREHOUSES, {"ids": ids, "stores": [owners[id] for id in ids]})


async def known_stores(tx: AsyncConnection, ids: Collection[UUID]) -> set[UUID]:
    if not ids:
        return set()
    return set((await tx.execute(KNOWN_STORES, {"ids": list(ids)})).scalars())
