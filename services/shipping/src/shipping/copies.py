"""The copies of other services' facts: orders with their lines, stores with their warehouses."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
from contracts.inventory import StoreState
from contracts.orders import OrderFact, OrderLine, OrderPlaced
from sqlalchemy.ext.asyncio import AsyncConnection

PLACE = """
INSERT INTO orders(order_id, store_id, warehouse_id, currency, status, marked)
SELECT order_id, store_id, warehouse_id, currency, status, marked
FROM unnest(CAST(:ids AS uuid[]), CAST(:stores AS uuid[]), CAST(:warehouses AS uuid[]),
  CAST(:currencies AS text[]), CAST(:statuses AS text[]), CAST(:marked AS boolean[]))
  AS n(order_id, store_id, warehouse_id, currency, status, marked)
ORDER BY order_id"""
# Locks the orders in the order of their ids, as everyone does, before it writes any.
PROGRESS = sa.text("""
WITH locked AS MATERIALIZED (
  SELECT order_id FROM orders WHERE order_id = ANY(CAST(:ids AS uuid[]))
  ORDER BY order_id FOR UPDATE)
UPDATE orders o SET status = n.status, marked = coalesce(n.marked, o.marked)
FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:marked AS boolean[]))
  AS n(order_id, status, marked) JOIN locked USING (order_id)
WHERE o.order_id = n.order_id RETURNING o.order_id""")
LINES = """
INSERT INTO order_lines(order_id, line_id, sku, unit, quantity, unit_price, amount)
SELECT * FROM unnest(CAST(:order_ids AS uuid[]), CAST(:line_ids AS uuid[]), CAST(:skus AS text[]),
  CAST(:units AS text[]), CAST(:quantities AS numeric[]), CAST(:prices AS numeric[]),
  CAST(:amounts AS numeric[])) AS n(order_id, line_id, sku, unit, quantity, unit_price, amount)
ORDER BY order_id, line_id
ON CONFLICT (order_id, line_id) DO UPDATE SET quantity = excluded.quantity,
  unit_price = excluded.unit_price, amount = excluded.amount"""
PLACE_WITH_LINES = sa.text(f"WITH placed AS ({PLACE}) {LINES}")
KEEP_LINES = sa.text(LINES)
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


async def place_orders(
    tx: AsyncConnection,
    placed: Sequence[OrderPlaced],
    newest: Mapping[UUID, OrderFact],
    marks: Mapping[UUID, bool],
    lines: Mapping[UUID, Sequence[OrderLine]],
) -> None:
    """New orders with their lines, as they are by now."""
    values = {
        "ids": [fact.order_id for fact in placed],
        "stores": [fact.store_id for fact in placed],
        "warehouses": [fact.hold.warehouse_id for fact in placed],
        "currencies": [fact.currency for fact in placed],
        "statuses": [newest[fact.order_id].status for fact in placed],
        "marked": [marks.get(fact.order_id, False) for fact in placed],
    }
    await tx.execute(PLACE_WITH_LINES, {**values, **_lines(lines)})


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


async def keep_lines(tx: AsyncConnection, changed: Mapping[UUID, Sequence[OrderLine]]) -> None:
    """The lines of these orders as they now are, those that went included."""
    values = _lines(changed)
    await tx.execute(KEEP_LINES, values)
    named = {"named_orders": values["order_ids"], "named_lines": values["line_ids"]}
    await tx.execute(TAKE_BACK_LINES, {"order_ids": list(changed), **named})


def _lines(orders: Mapping[UUID, Sequence[OrderLine]]) -> dict[str, list[object]]:
    lines = [(order_id, line) for order_id, lines in orders.items() for line in lines]
    return {
        "order_ids": [order_id for order_id, _ in lines],
        "line_ids": [line.line_id for _, line in lines],
        "skus": [line.sku for _, line in lines],
        "units": [line.unit for _, line in lines],
        "quantities": [line.quantity for _, line in lines],
        "prices": [line.unit_price for _, line in lines],
        "amounts": [line.amount for _, line in lines],
    }


async def know_stores(tx: AsyncConnection, states: Sequence[StoreState]) -> None:
    """Stores and whose warehouse is whose."""
    newest = {state.store_id: state for state in states}
    await tx.execute(KNOW_STORES, {"ids": sorted(newest)})
    owners = {w.warehouse_id: s.store_id for s in newest.values() for w in s.warehouses}
    ids = sorted(owners)
    await tx.execute(KNOW_WAREHOUSES, {"ids": ids, "stores": [owners[id] for id in ids]})
