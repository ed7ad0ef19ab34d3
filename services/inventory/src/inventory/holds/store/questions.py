"""Questions about holds, transfers and reminders."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.holds.store.tables import hold_line, order_hold, transfer_lines, transfers

# A replica skips what another one is about to tell.
LOCK_DUE = sa.text("""
SELECT o.order_id, o.store_id, o.until, o.version,
  EXISTS (SELECT FROM hold_line l WHERE l.order_id = o.order_id AND l.held > 0) AS has_goods
FROM order_hold o WHERE o.remind_at <= :now
ORDER BY o.remind_at LIMIT :at_most FOR UPDATE OF o SKIP LOCKED""")
WRITE_REMINDERS = sa.text("""
UPDATE order_hold o SET remind_at = r.remind_at, version = r.version
FROM unnest(CAST(:ids AS uuid[]), CAST(:remind AS timestamptz[]), CAST(:versions AS bigint[]))
     AS r(order_id, remind_at, version) WHERE o.order_id = r.order_id""")
FIND = sa.text("""
SELECT order_id, store_id, CAST(NULL AS uuid) AS line_id FROM order_hold WHERE order_id = :id
UNION ALL
SELECT l.order_id, o.store_id, l.line_id
FROM hold_line l JOIN order_hold o USING (order_id) WHERE l.line_id = :id
LIMIT 1""")
HOLD_COLUMNS = (
    hold_line,
    order_hold.c.store_id,
    order_hold.c.method,
    order_hold.c.until,
    order_hold.c.released,
    order_hold.c.revision,
)


@dataclass(slots=True)
class DueReminder:
    order_id: UUID
    store_id: UUID
    until: datetime
    version: int
    has_goods: bool
    remind_at: datetime | None = None


async def lock_due_reminders(tx: AsyncConnection, now: datetime, at_most: int) -> list[DueReminder]:
    """The orders whose reminder is due, locked for us alone."""
    rows = await tx.execute(LOCK_DUE, {"now": now, "at_most": at_most})
    return [
        DueReminder(row.order_id, row.store_id, row.until, row.version, row.has_goods)
        for row in rows
    ]


async def write_reminders(tx: AsyncConnection, due: Sequence[DueReminder]) -> None:
    if due:
        values = {
            "ids": [one.order_id for one in due],
            "remind": [one.remind_at for one in due],
            "versions": [one.version for one in due],
        }
        await tx.execute(WRITE_REMINDERS, values)


@dataclass(frozen=True, slots=True)
class Found:
    """What a hold's id stands for: an order, or one of its lines."""

    order_id: UUID
    store_id: UUID
    line_id: UUID | None


async def find_hold(tx: AsyncConnection, id: UUID) -> Found | None:
    row = (await tx.execute(FIND, {"id": id})).one_or_none()
    return None if row is None else Found(row.order_id, row.store_id, row.line_id)


async def list_holds(
    tx: AsyncConnection,
    visible: Collection[UUID] | None,
    order_id: UUID | None,
    overdue_at: datetime | None,
    to_put_back: bool,
    after: Sequence[Any] | None,
    limit: int,
) -> list[sa.Row[Any]]:
    """Lines with their order's terms, by (order, line), at most limit + 1.

    Without an order: those that hold or await something. overdue_at: goods held beyond their end
    by then. to_put_back: goods that lie free in temporary storage.
    """
    place = (hold_line.c.order_id, hold_line.c.line_id)
    query = (
        sa.select(*HOLD_COLUMNS)
        .join(order_hold, order_hold.c.order_id == hold_line.c.order_id)
        .order_by(*place)
        .limit(limit + 1)
    )
    if visible is not None:
        query = query.where(order_hold.c.store_id.in_(visible))
    if order_id is not None:
        query = query.where(hold_line.c.order_id == order_id)
    elif not to_put_back:
        query = query.where(sa.or_(hold_line.c.held > 0, hold_line.c.awaiting > 0))
    if to_put_back:
        query = query.where(hold_line.c.to_put_back > 0)
    if overdue_at is not None:
        query = query.where(order_hold.c.until < overdue_at, hold_line.c.held > 0)
    if after is not None:
        query = query.where(sa.tuple_(*place) > sa.tuple_(*after))
    return list(await tx.execute(query))


async def holders_of(tx: AsyncConnection, spots: Collection[tuple[UUID, str]]) -> list[sa.Row[Any]]:
    """The lines that hold goods in these main warehouses, in the order of the queue."""
    rows = await tx.execute(
        sa.text("""
        SELECT l.warehouse_id, l.sku, l.order_id, l.line_id, l.held
        FROM unnest(CAST(:warehouses AS uuid[]), CAST(:skus AS text[])) AS k(warehouse_id, sku)
        JOIN hold_line l ON l.warehouse_id = k.warehouse_id AND l.sku = k.sku AND l.held > 0
        JOIN order_hold o ON o.order_id = l.order_id AND o.method = 'nominal'
        ORDER BY l.placed_at, l.order_id, l.position"""),
        {"warehouses": [w for w, _ in spots], "skus": [sku for _, sku in spots]},
    )
    return list(rows)


async def list_transfers(
    tx: AsyncConnection,
    visible: Collection[UUID] | None,
    order_id: UUID | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[sa.Row[Any]]:
    """Transfers in the order in which they were made, at most limit + 1."""
    query = sa.select(transfers).order_by(transfers.c.id).limit(limit + 1)
    if visible is not None:
        query = query.join(order_hold, order_hold.c.order_id == transfers.c.order_id).where(
            order_hold.c.store_id.in_(visible)
        )
    if order_id is not None:
        query = query.where(transfers.c.order_id == order_id)
    if after is not None:
        query = query.where(transfers.c.id > after[0])
    return list(await tx.execute(query))


async def lines_of_transfers(tx: AsyncConnection, ids: Collection[UUID]) -> list[sa.Row[Any]]:
    query = sa.select(transfer_lines).where(transfer_lines.c.transfer_id.in_(ids))
    return list(
        await tx.execute(query.order_by(transfer_lines.c.transfer_id, transfer_lines.c.sku))
    )
