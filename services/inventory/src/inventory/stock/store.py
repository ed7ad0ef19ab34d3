"""Tables of stock, its ledger and receipts, and one function per question or change."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.stock.domain import Receipt, ReceiptLine, Shelf
from inventory.stores.store import metadata, warehouses

QUANTITY = sa.Numeric(14, 3)
items = sa.Table(
    "items",
    metadata,
    sa.Column("sku", sa.Text, primary_key=True),
    sa.Column("unit", sa.Text, nullable=False),
)
stock = sa.Table(
    "stock",
    metadata,
    sa.Column("warehouse_id", sa.Uuid, sa.ForeignKey("warehouses.id"), primary_key=True),
    sa.Column("sku", sa.Text, primary_key=True),
    sa.Column("on_hand", QUANTITY, nullable=False),
    sa.Column("held", QUANTITY, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Index("stock_sku", "sku", "warehouse_id"),
    sa.Index("stock_broken", "warehouse_id", "sku", postgresql_where=sa.text("held > on_hand")),
)
stock_movement = sa.Table(
    "stock_movement",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("warehouse_id", sa.Uuid, nullable=False),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reference", sa.Uuid, nullable=False),
    sa.Column("quantity", QUANTITY, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("stock_movement_stock", "warehouse_id", "sku", "id"),
)
receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("warehouse_id", sa.Uuid, sa.ForeignKey("warehouses.id"), nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("by", sa.Text, nullable=False),
)
receipt_lines = sa.Table(
    "receipt_lines",
    metadata,
    sa.Column("receipt_id", sa.Uuid, sa.ForeignKey("receipts.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("quantity", QUANTITY, nullable=False),
    sa.Column("unit_cost", sa.Numeric(18, 4)),
)

KEEP_ITEMS = sa.text("""
INSERT INTO items(sku, unit)
SELECT * FROM unnest(CAST(:skus AS text[]), CAST(:units AS text[])) AS i(sku, unit) ORDER BY 1
ON CONFLICT (sku) DO UPDATE SET unit = excluded.unit WHERE items.unit <> excluded.unit""")
UNITS = sa.text("SELECT sku, unit FROM items WHERE sku = ANY(CAST(:skus AS text[]))")
ADD_RECEIPT = sa.text("""
WITH head AS (
  INSERT INTO receipts(id, warehouse_id, at, by) VALUES (:id, :warehouse_id, :at, :by)
  ON CONFLICT DO NOTHING RETURNING id),
body AS (
  INSERT INTO receipt_lines(receipt_id, position, sku, quantity, unit_cost)
  SELECT head.id, l.position - 1, l.sku, l.quantity, l.unit_cost
  FROM head, unnest(CAST(:skus AS text[]), CAST(:quantities AS numeric[]),
                    CAST(:unit_costs AS numeric[]))
       WITH ORDINALITY AS l(sku, quantity, unit_cost, position))
SELECT id FROM head""")


async def keep_items(tx: AsyncConnection, units: Mapping[str, str]) -> None:
    """Keep our copy of the items."""
    await tx.execute(KEEP_ITEMS, {"skus": list(units), "units": list(units.values())})


async def units_of(tx: AsyncConnection, skus: Collection[str]) -> dict[str, str]:
    """The unit of each of these items that is known."""
    rows = await tx.execute(UNITS, {"skus": list(skus)})
    return {row.sku: row.unit for row in rows}


async def add_receipt(tx: AsyncConnection, receipt: Receipt) -> bool:
    """Whether it was added, with all its lines; False when its id is taken."""
    rows = await tx.execute(
        ADD_RECEIPT,
        {
            "id": receipt.receipt_id,
            "warehouse_id": receipt.warehouse_id,
            "at": receipt.at,
            "by": receipt.by,
            "skus": [line.sku for line in receipt.lines],
            "quantities": [line.quantity for line in receipt.lines],
            "unit_costs": [line.unit_cost for line in receipt.lines],
        },
    )
    return rows.first() is not None


async def read_receipt(tx: AsyncConnection, receipt_id: UUID) -> Receipt | None:
    head = (await tx.execute(sa.select(receipts).where(receipts.c.id == receipt_id))).one_or_none()
    if head is None:
        return None
    rows = await tx.execute(
        sa.select(receipt_lines)
        .where(receipt_lines.c.receipt_id == receipt_id)
        .order_by(receipt_lines.c.position)
    )
    lines = tuple(ReceiptLine(row.sku, row.quantity, row.unit_cost) for row in rows)
    return Receipt(head.id, head.warehouse_id, lines, head.by, head.at)


def _seen(query: sa.Select[Any], visible: Collection[UUID] | None) -> sa.Select[Any]:
    if visible is None:
        return query
    return query.where(warehouses.c.store_id.in_(visible))


async def list_stock(
    tx: AsyncConnection,
    visible: Collection[UUID] | None,
    sku: str | None,
    warehouse_id: UUID | None,
    after: Sequence[Any] | None,
    limit: int,
    broken_only: bool = False,
) -> list[Shelf]:
    """Spots by (warehouse, item), at most limit + 1."""
    spot = (stock.c.warehouse_id, stock.c.sku)
    query = sa.select(stock).order_by(*spot).limit(limit + 1)
    if visible is not None:
        query = _seen(query.join(warehouses, warehouses.c.id == stock.c.warehouse_id), visible)
    if sku is not None:
        query = query.where(stock.c.sku == sku)
    if warehouse_id is not None:
        query = query.where(stock.c.warehouse_id == warehouse_id)
    if broken_only:
        query = query.where(stock.c.held > stock.c.on_hand)
    if after is not None:
        query = query.where(sa.tuple_(*spot) > sa.tuple_(*after))
    return [
        Shelf(row.warehouse_id, row.sku, row.on_hand, row.held, row.version)
        for row in await tx.execute(query)
    ]


async def list_movements(
    tx: AsyncConnection,
    visible: Collection[UUID] | None,
    sku: str | None,
    warehouse_id: UUID | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[sa.Row[Any]]:
    """The ledger in the order in which it was written, at most limit + 1."""
    query = sa.select(stock_movement).order_by(stock_movement.c.id).limit(limit + 1)
    if visible is not None:
        joined = query.join(warehouses, warehouses.c.id == stock_movement.c.warehouse_id)
        query = _seen(joined, visible)
    if sku is not None:
        query = query.where(stock_movement.c.sku == sku)
    if warehouse_id is not None:
        query = query.where(stock_movement.c.warehouse_id == warehouse_id)
    if after is not None:
        query = query.where(stock_movement.c.id > after[0])
    return list(await tx.execute(query))
