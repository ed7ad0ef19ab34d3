"""Shipping's tables, and one function per question or change. Plural wherever orders pass."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from shipping.domain import Order, OrderLine, Shipment, ShipmentLine, Shortage

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
ORDERS = sa.text("""
SELECT o.order_id, o.store_id, o.warehouse_id, w.store_id AS goods_store_id, o.currency, o.status,
  o.marked
FROM orders o LEFT JOIN warehouses w USING (warehouse_id)
WHERE o.order_id = ANY(CAST(:ids AS uuid[]))""")
ORDER_LINES = sa.text("""
SELECT order_id, line_id, sku, unit, quantity, unit_price, amount, posting, posted, posted_amount
FROM order_lines WHERE order_id = ANY(CAST(:ids AS uuid[]))""")


async def lock_orders(tx: AsyncConnection, ids: Iterable[UUID]) -> None:
    """Take the orders for this transaction, always in the same order, so that nobody deadlocks."""
    await tx.execute(LOCK_ORDERS, {"ids": sorted(set(ids))})


async def find_orders(tx: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Order]:
    """The orders that are known, with their lines."""
    values = {"ids": sorted(set(ids))}
    orders = {row.order_id: Order(**row._mapping) for row in await tx.execute(ORDERS, values)}
    for row in await tx.execute(ORDER_LINES, values):
        line = dict(row._mapping)
        order = orders[line.pop("order_id")]
        order.lines[row.line_id] = OrderLine(**line)
    return orders


SAVE_LINES = sa.text("""
UPDATE order_lines l SET posting = n.posting, posted = n.posted, posted_amount = n.posted_amount
FROM unnest(CAST(:order_ids AS uuid[]), CAST(:line_ids AS uuid[]), CAST(:posting AS numeric[]),
  CAST(:posted AS numeric[]), CAST(:amounts AS numeric[]))
  AS n(order_id, line_id, posting, posted, posted_amount)
WHERE l.order_id = n.order_id AND l.line_id = n.line_id""")


async def save_progress(
    tx: AsyncConnection, orders: Mapping[UUID, Order], shipments: Sequence[Shipment]
) -> None:
    """Keep what these shipments did to the lines of their orders, which the caller has locked."""
    touched = sorted({(one.order_id, part.line_id) for one in shipments for part in one.lines})
    lines = [orders[order_id].lines[line_id] for order_id, line_id in touched]
    values = {
        "order_ids": [order_id for order_id, _ in touched],
        "line_ids": [line_id for _, line_id in touched],
        "posting": [line.posting for line in lines],
        "posted": [line.posted for line in lines],
        "amounts": [line.posted_amount for line in lines],
    }
    await tx.execute(SAVE_LINES, values)


SHIPMENTS = """
SELECT s.id, s.order_id, s.store_id, s.kind, s.state, s.currency, s.override, s.value,
  s.left_before, s.consumed, s.due_now, s.reason, s.shortages, s.created_by, s.created_at,
  s.posted_by, s.posting_at, s.decided_at, s.version
FROM shipments s"""
BY_ID = sa.text(f"{SHIPMENTS} WHERE s.id = ANY(CAST(:ids AS uuid[]))")
SHIPMENT_LINES = sa.text("""
SELECT shipment_id, line_id, sku, quantity, amount FROM shipment_lines
WHERE shipment_id = ANY(CAST(:ids AS uuid[])) ORDER BY shipment_id, position""")
ORDER_OF = sa.text("SELECT order_id FROM shipments WHERE id = ANY(CAST(:ids AS uuid[]))")


async def orders_of(tx: AsyncConnection, shipment_ids: Collection[UUID]) -> set[UUID]:
    """The orders that the shipments belong to."""
    return set((await tx.execute(ORDER_OF, {"ids": list(shipment_ids)})).scalars())


async def find_shipments(tx: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Shipment]:
    """The shipments that exist, with their lines."""
    if not ids:
        return {}
    rows = (await tx.execute(BY_ID, {"ids": list(ids)})).all()
    return {one.id: one for one in await _with_lines(tx, rows)}


async def _with_lines(tx: AsyncConnection, rows: Sequence[sa.Row[Any]]) -> list[Shipment]:
    parts: dict[UUID, list[ShipmentLine]] = {row.id: [] for row in rows}
    for row in await tx.execute(SHIPMENT_LINES, {"ids": list(parts)}):
        parts[row.shipment_id].append(ShipmentLine(row.line_id, row.sku, row.quantity, row.amount))
    return [
        Shipment(
            **{
                **row._mapping,
                "lines": tuple(parts[row.id]),
                "shortages": tuple(_shortage(one) for one in row.shortages),
            }
        )
        for row in rows
    ]


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
    return await _with_lines(tx, (await tx.execute(sa.text(query), values)).all())


ADD_SHIPMENTS = sa.text("""
INSERT INTO shipments(id, order_id, store_id, kind, state, currency, override, shortages,
  created_by, created_at, posted_by, posting_at, version)
SELECT id, order_id, store_id, kind, state, currency, override, '[]', created_by, created_at,
  posted_by, posting_at, version
FROM unnest(CAST(:ids AS uuid[]), CAST(:order_ids AS uuid[]), CAST(:store_ids AS uuid[]),
  CAST(:kinds AS text[]), CAST(:states AS text[]), CAST(:currencies AS text[]),
  CAST(:overrides AS boolean[]), CAST(:created_by AS text[]), CAST(:created_at AS timestamptz[]),
  CAST(:posted_by AS text[]), CAST(:posting_at AS timestamptz[]), CAST(:versions AS bigint[]))
  AS n(id, order_id, store_id, kind, state, currency, override, created_by, created_at,
       posted_by, posting_at, version)
ORDER BY id""")
ADD_SHIPMENT_LINES = sa.text("""
INSERT INTO shipment_lines(shipment_id, position, line_id, sku, quantity)
SELECT * FROM unnest(CAST(:shipment_ids AS uuid[]), CAST(:positions AS int[]),
  CAST(:line_ids AS uuid[]), CAST(:skus AS text[]), CAST(:quantities AS numeric[]))""")


async def add_shipments(tx: AsyncConnection, made: Sequence[Shipment]) -> None:
    """Keep new shipments: drafts, or ones that are posting from the start."""
    values = {
        "ids": [one.id for one in made],
        "order_ids": [one.order_id for one in made],
        "store_ids": [one.store_id for one in made],
        "kinds": [one.kind for one in made],
        "states": [one.state for one in made],
        "currencies": [one.currency for one in made],
        "overrides": [one.override for one in made],
        "created_by": [one.created_by for one in made],
        "created_at": [one.created_at for one in made],
        "posted_by": [one.posted_by for one in made],
        "posting_at": [one.posting_at for one in made],
        "versions": [one.version for one in made],
    }
    await tx.execute(ADD_SHIPMENTS, values)
    parts = [(one.id, n, part) for one in made for n, part in enumerate(one.lines)]
    lines = {
        "shipment_ids": [id for id, _, _ in parts],
        "positions": [n for _, n, _ in parts],
        "line_ids": [part.line_id for _, _, part in parts],
        "skus": [part.sku for _, _, part in parts],
        "quantities": [part.quantity for _, _, part in parts],
    }
    await tx.execute(ADD_SHIPMENT_LINES, lines)


SAVE_SHIPMENTS = sa.text("""
UPDATE shipments s SET state = n.state, override = n.override, value = n.value,
  left_before = n.left_before, reason = n.reason, shortages = CAST(n.shortages AS jsonb),
  posted_by = n.posted_by, posting_at = n.posting_at, decided_at = n.decided_at,
  version = n.version
FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:overrides AS boolean[]),
  CAST(:values AS numeric[]), CAST(:left_before AS numeric[]), CAST(:reasons AS text[]),
  CAST(:shortages AS text[]), CAST(:posted_by AS text[]), CAST(:posting_at AS timestamptz[]),
  CAST(:decided_at AS timestamptz[]), CAST(:versions AS bigint[]))
  AS n(id, state, override, value, left_before, reason, shortages, posted_by, posting_at,
       decided_at, version)
WHERE s.id = n.id""")
SAVE_AMOUNTS = sa.text("""
UPDATE shipment_lines l SET amount = n.amount
FROM unnest(CAST(:shipment_ids AS uuid[]), CAST(:line_ids AS uuid[]), CAST(:amounts AS numeric[]))
  AS n(shipment_id, line_id, amount)
WHERE l.shipment_id = n.shipment_id AND l.line_id = n.line_id""")


async def save_shipments(tx: AsyncConnection, changed: Sequence[Shipment]) -> None:
    """Keep where the shipments are now, and what their lines are worth."""
    values = {
        "ids": [one.id for one in changed],
        "states": [one.state for one in changed],
        "overrides": [one.override for one in changed],
        "values": [one.value for one in changed],
        "left_before": [one.left_before for one in changed],
        "reasons": [one.reason for one in changed],
        "shortages": [_kept_shortages(one) for one in changed],
        "posted_by": [one.posted_by for one in changed],
        "posting_at": [one.posting_at for one in changed],
        "decided_at": [one.decided_at for one in changed],
        "versions": [one.version for one in changed],
    }
    await tx.execute(SAVE_SHIPMENTS, values)
    parts = [(one.id, part) for one in changed for part in one.lines if part.amount is not None]
    if parts:
        amounts = {
            "shipment_ids": [id for id, _ in parts],
            "line_ids": [part.line_id for _, part in parts],
            "amounts": [part.amount for _, part in parts],
        }
        await tx.execute(SAVE_AMOUNTS, amounts)


def _kept_shortages(shipment: Shipment) -> str:
    return json.dumps(
        [
            {
                "line_id": str(one.line_id),
                "sku": one.sku,
                "wanted": str(one.wanted),
                "available": str(one.available),
            }
            for one in shipment.shortages
        ]
    )


SETTLE = sa.text("""
UPDATE shipments s SET consumed = n.consumed, due_now = n.due_now
FROM unnest(CAST(:ids AS uuid[]), CAST(:consumed AS numeric[]), CAST(:due_now AS numeric[]))
  AS n(id, consumed, due_now)
WHERE s.id = n.id RETURNING s.id""")


async def settle_shipments(
    tx: AsyncConnection, settled: Sequence[tuple[UUID, Decimal, Decimal]]
) -> set[UUID]:
    """Keep (shipment, deposit consumed, due now); the shipments that exist."""
    values = {
        "ids": [id for id, _, _ in settled],
        "consumed": [consumed for _, consumed, _ in settled],
        "due_now": [due_now for _, _, due_now in settled],
    }
    return set((await tx.execute(SETTLE, values)).scalars())
