"""Shipping's tables, and one function per question. Plural wherever orders pass."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from chassis.http import repeats
from chassis.http.idempotency import Call
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from shipping.domain import Order, OrderLine, Shipment, ShipmentLine, Shortage

Row = sa.Row[Any]
metadata = sa.MetaData()
Moment = sa.DateTime(timezone=True)


def _amount(name: str, nullable: bool = False, zero: bool = False) -> sa.Column[Decimal]:
    default = sa.text("0") if zero else None
    return sa.Column(name, sa.Numeric, nullable=nullable, server_default=default)


sa.Table("stores", metadata, sa.Column("store_id", sa.Uuid, primary_key=True))
sa.Table(
    "warehouses",
    metadata,
    sa.Column("warehouse_id", sa.Uuid, primary_key=True),
    sa.Column("store_id", sa.Uuid, nullable=False),
)
sa.Table(
    "orders",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("store_id", sa.Uuid, nullable=False),
    sa.Column("warehouse_id", sa.Uuid, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("marked", sa.Boolean, nullable=False),
)
sa.Table(
    "order_lines",
    metadata,
    sa.Column("order_id", sa.ForeignKey("orders.order_id"), primary_key=True),
    sa.Column("line_id", sa.Uuid, primary_key=True),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    _amount("quantity"),
    _amount("unit_price"),
    _amount("amount"),
    _amount("posting", zero=True),
    _amount("posted", zero=True),
    _amount("posted_amount", zero=True),
)
sa.Table(
    "shipments",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.ForeignKey("orders.order_id"), nullable=False),
    sa.Column("store_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("override", sa.Boolean, nullable=False),
    _amount("value", nullable=True),
    _amount("left_before", nullable=True),
    _amount("handed_over_before", nullable=True),
    _amount("consumed", nullable=True),
    _amount("due_now", nullable=True),
    sa.Column("reason", sa.Text),
    sa.Column("shortages", JSONB, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("posted_by", sa.Text),
    sa.Column("posting_at", Moment),
    sa.Column("decided_at", Moment),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Index("shipments_order_id", "order_id"),
    sa.Index("shipments_created_at", "created_at", "id"),
    sa.Index(
        "shipments_posting", "created_at", "id", postgresql_where=sa.text("state = 'posting'")
    ),
)
sa.Table(
    "shipment_lines",
    metadata,
    sa.Column("shipment_id", sa.ForeignKey("shipments.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("line_id", sa.Uuid, nullable=False),
    sa.Column("sku", sa.Text, nullable=False),
    _amount("quantity"),
    _amount("amount", nullable=True),
    sa.UniqueConstraint("shipment_id", "line_id"),
)

LOCK_ORDERS = sa.text("""
SELECT order_id FROM orders WHERE order_id = ANY(CAST(:ids AS uuid[]))
ORDER BY order_id FOR UPDATE""")
LOCK_ORDERS_OF = sa.text("""
SELECT order_id FROM orders
WHERE order_id IN (SELECT order_id FROM shipments WHERE id = ANY(CAST(:ids AS uuid[])))
ORDER BY order_id FOR UPDATE""")
LINE = [column.name for column in dataclasses.fields(OrderLine)]
PART = [column.name for column in dataclasses.fields(ShipmentLine)]
# The lines are arrays of rows, in the order of these names.
ORDER = f"""o.order_id, o.store_id, o.warehouse_id, w.store_id AS goods_store_id, o.currency,
  o.status, o.marked, ARRAY(SELECT ROW({", ".join(f"l.{name}" for name in LINE)})
    FROM order_lines l WHERE l.order_id = o.order_id) AS order_lines"""
SHIPMENT = f"""s.id, s.order_id AS order_of, s.store_id AS leaves_from, s.kind, s.state,
  s.currency AS paid_in, s.override, s.value, s.left_before, s.handed_over_before, s.consumed,
  s.due_now, s.reason, s.shortages, s.created_by, s.created_at, s.posted_by, s.posting_at,
  s.decided_at, s.version,
  ARRAY(SELECT ROW({", ".join(f"p.{name}" for name in PART)}) FROM shipment_lines p
    WHERE p.shipment_id = s.id ORDER BY p.position) AS shipment_lines"""
SHIPMENTS = f"SELECT {SHIPMENT} FROM shipments s"
BY_ID = sa.text(f"{SHIPMENTS} WHERE s.id = ANY(CAST(:ids AS uuid[]))")
ORDERS = sa.text(f"""
SELECT {ORDER} FROM orders o LEFT JOIN warehouses w USING (warehouse_id)
WHERE o.order_id = ANY(CAST(:ids AS uuid[]))""")
# Each asks in one row for all that its decision needs; what is not there is empty.
TO_DRAFT = sa.text(f"""
SELECT {ORDER}, EXISTS (SELECT FROM shipments WHERE id = c.id) AS id_known,
  EXISTS (SELECT FROM stores WHERE store_id = c.store_id) AS store_known, {repeats.COLUMNS}
FROM unnest(CAST(:ids AS uuid[]), CAST(:order_ids AS uuid[]), CAST(:store_ids AS uuid[]),
  CAST(:principals AS text[]), CAST(:keys AS text[]))
  WITH ORDINALITY AS c(id, order_id, store_id, principal, key, n)
LEFT JOIN orders o ON o.order_id = c.order_id
LEFT JOIN warehouses w ON w.warehouse_id = o.warehouse_id {repeats.JOIN}
ORDER BY c.n""")
TO_POST = sa.text(f"""
SELECT {SHIPMENT}, {ORDER}, {repeats.COLUMNS}
FROM unnest(CAST(:ids AS uuid[]), CAST(:principals AS text[]), CAST(:keys AS text[]))
  WITH ORDINALITY AS c(id, principal, key, n)
LEFT JOIN shipments s ON s.id = c.id
LEFT JOIN orders o ON o.order_id = s.order_id
LEFT JOIN warehouses w ON w.warehouse_id = o.warehouse_id {repeats.JOIN}
ORDER BY c.n""")
TO_DECIDE = sa.text(f"""
SELECT {SHIPMENT}, {ORDER} FROM shipments s
JOIN orders o ON o.order_id = s.order_id
LEFT JOIN warehouses w ON w.warehouse_id = o.warehouse_id
WHERE s.id = ANY(CAST(:ids AS uuid[]))""")


async def lock_orders(tx: AsyncConnection, ids: Iterable[UUID]) -> set[UUID]:
    """Take the orders for this transaction, always in the same order, so that nobody deadlocks.

    What is asked afterwards is what the last one who held them left. The answer is those that are
    known: one that comes to be known afterwards is not held.
    """
    return set((await tx.execute(LOCK_ORDERS, {"ids": list(set(ids))})).scalars())


async def lock_orders_of(tx: AsyncConnection, shipment_ids: Iterable[UUID]) -> None:
    """The same for the orders that the shipments belong to."""
    await tx.execute(LOCK_ORDERS_OF, {"ids": list(shipment_ids)})


async def ask_to_draft(
    tx: AsyncConnection,
    asked: Sequence[tuple[UUID, UUID, UUID | None]],
    calls: Sequence[Call],
) -> Sequence[Row]:
    """For each (shipment, order, store) its order, and what is known of the id, store and call."""
    values = {
        "ids": [id for id, _, _ in asked],
        "order_ids": [order_id for _, order_id, _ in asked],
        "store_ids": [store_id for _, _, store_id in asked],
        **repeats.asked(calls),
    }
    return (await tx.execute(TO_DRAFT, values)).all()


async def ask_to_post(
    tx: AsyncConnection, ids: Sequence[UUID], calls: Sequence[Call]
) -> Sequence[Row]:
    """For each its shipment and order, and what is known of the call."""
    return (await tx.execute(TO_POST, {"ids": list(ids), **repeats.asked(calls)})).all()


async def ask_to_decide(tx: AsyncConnection, ids: Sequence[UUID]) -> Sequence[Row]:
    """The shipments that exist, each with its order."""
    return (await tx.execute(TO_DECIDE, {"ids": list(ids)})).all()


def orders_in(rows: Iterable[Row]) -> dict[UUID, Order]:
    """The orders in the answers, with their lines."""
    return {row.order_id: _order(row) for row in rows if row.order_id is not None}


def _order(row: Row) -> Order:
    lines = {figures[0]: OrderLine(*figures) for figures in row.order_lines}
    return Order(
        row.order_id,
        row.store_id,
        row.warehouse_id,
        row.goods_store_id,
        row.currency,
        row.status,
        row.marked,
        lines,
    )


def shipments_in(rows: Iterable[Row]) -> dict[UUID, Shipment]:
    """The shipments in the answers, with their lines."""
    return {row.id: _shipment(row) for row in rows if row.id is not None}


def _shipment(row: Row) -> Shipment:
    return Shipment(
        id=row.id,
        order_id=row.order_of,
        store_id=row.leaves_from,
        kind=row.kind,
        state=row.state,
        currency=row.paid_in,
        lines=tuple(ShipmentLine(*figures) for figures in row.shipment_lines),
        created_by=row.created_by,
        created_at=row.created_at,
        override=row.override,
        value=row.value,
        left_before=row.left_before,
        handed_over_before=row.handed_over_before,
        consumed=row.consumed,
        due_now=row.due_now,
        reason=row.reason,
        shortages=tuple(_shortage(one) for one in row.shortages),
        posted_by=row.posted_by,
        posting_at=row.posting_at,
        decided_at=row.decided_at,
        version=row.version,
    )


async def find_orders(tx: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Order]:
    """The orders that are known, with their lines."""
    return orders_in(await tx.execute(ORDERS, {"ids": list(ids)}))


async def find_shipments(tx: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Shipment]:
    """The shipments that exist, with their lines."""
    if not ids:
        return {}
    return shipments_in(await tx.execute(BY_ID, {"ids": list(ids)}))


def _shortage(kept: Mapping[str, str]) -> Shortage:
    return Shortage(
        UUID(kept["line_id"]), kept["sku"], Decimal(kept["wanted"]), Decimal(kept["available"])
    )


@dataclass(frozen=True, slots=True)
class Filter:
    """Which shipments to list. `stores`: those that the caller may see, None for all."""

    stores: Sequence[UUID] | None = None
    order_id: UUID | None = None
    store_id: UUID | None = None
    state: str | None = None
    after: tuple[datetime, UUID] | None = None
    limit: int = 50


async def list_shipments(tx: AsyncConnection, wanted: Filter) -> list[Shipment]:
    """The oldest first."""
    where: list[str] = []
    values: dict[str, Any] = {"limit": wanted.limit}
    for name in ("order_id", "store_id", "state"):
        if (value := getattr(wanted, name)) is not None:
            where.append(f"s.{name} = :{name}")
            values[name] = value
    if wanted.stores is not None:
        where.append("""(s.store_id = ANY(CAST(:stores AS uuid[])) OR EXISTS (
            SELECT FROM orders o WHERE o.order_id = s.order_id
            AND o.store_id = ANY(CAST(:stores AS uuid[]))))""")
        values["stores"] = list(wanted.stores)
    if wanted.after is not None:
        where.append("(s.created_at, s.id) > (:after_at, :after_id)")
        values["after_at"], values["after_id"] = wanted.after
    condition = f"WHERE {' AND '.join(where)}" if where else ""
    query = f"{SHIPMENTS} {condition} ORDER BY s.created_at, s.id LIMIT :limit"
    return list(shipments_in(await tx.execute(sa.text(query), values)).values())
