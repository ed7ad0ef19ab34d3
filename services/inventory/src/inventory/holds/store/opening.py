"""Opening the book: lock what the commands may touch, then read it.

Every change of stock or holds locks its source warehouses first, in order of their ids, so there
is one writer per warehouse and nobody waits in a circle. What is read after that lock is true.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.holds.domain.book import Book, Spot
from inventory.holds.domain.orders import (
    Line,
    OrderHold,
    Place,
    Quantity,
    Refused,
    Shortage,
    Taken,
)
from inventory.stock.domain import Shelf

LOCK_WAREHOUSES = sa.text("""
SELECT id FROM warehouses
WHERE id = ANY(CAST(:warehouses AS uuid[])) OR id IN (
  SELECT warehouse_id FROM order_hold WHERE order_id = ANY(CAST(:orders AS uuid[])))
ORDER BY id FOR NO KEY UPDATE""")
PLACES = sa.text("""
SELECT w.id, w.store_id, w.kind, t.id AS temporary_id, s.hold_method, s.held_goods_sale
FROM warehouses w JOIN stores s ON s.id = w.store_id
LEFT JOIN warehouses t ON t.parent_id = w.id AND t.kind = 'temporary_storage'
WHERE w.id = ANY(CAST(:warehouses AS uuid[]))""")
LOCK_ORDERS = sa.text("""
SELECT * FROM order_hold WHERE order_id = ANY(CAST(:orders AS uuid[]))
ORDER BY order_id FOR UPDATE""")
LINES = sa.text("SELECT * FROM hold_line WHERE order_id = ANY(CAST(:orders AS uuid[]))")
# The front of each spot's queue, as far as so much more free goods may reach.
WAITING = sa.text("""
SELECT DISTINCT order_id FROM (
  SELECT l.order_id, r.quantity,
    sum(l.awaiting) OVER (PARTITION BY l.warehouse_id, l.sku
                          ORDER BY l.placed_at, l.order_id, l.position, l.line_id)
    - l.awaiting AS before
  FROM unnest(CAST(:warehouses AS uuid[]), CAST(:skus AS text[]), CAST(:quantities AS numeric[]))
       AS r(warehouse_id, sku, quantity)
  JOIN hold_line l ON l.warehouse_id = r.warehouse_id AND l.sku = r.sku AND l.awaiting > 0
  WHERE l.order_id <> ALL(CAST(:orders AS uuid[]))
) AS queue WHERE before < quantity""")
LOCK_SHELVES = sa.text("""
SELECT s.warehouse_id, s.sku, s.on_hand, s.held, s.version
FROM stock s JOIN unnest(CAST(:warehouses AS uuid[]), CAST(:skus AS text[]))
     AS k(warehouse_id, sku) ON s.warehouse_id = k.warehouse_id AND s.sku = k.sku
ORDER BY s.warehouse_id, s.sku FOR UPDATE OF s""")
ANSWERED = sa.text("""
SELECT shipment_id, refused, lines FROM take_outs
WHERE shipment_id = ANY(CAST(:shipments AS uuid[]))""")


@dataclass(frozen=True, slots=True)
class Scope:
    """What the commands are about.

    `spots` are those that they name. `rises` says by how much the free goods of a spot may rise,
    given the orders as they are; the front of the queue there is loaded that far.
    """

    warehouses: Collection[UUID]
    orders: Collection[UUID]
    spots: Collection[Spot]
    rises: Callable[[Mapping[UUID, OrderHold]], Mapping[Spot, Decimal]]
    shipments: Collection[UUID] = ()


async def open_book(
    tx: AsyncConnection, scope: Scope, now: datetime, new_id: Callable[[], UUID]
) -> Book:
    """Lock and read all that the commands may touch."""
    locked = await tx.execute(
        LOCK_WAREHOUSES,
        {"warehouses": list(scope.warehouses), "orders": list(scope.orders)},
    )
    places = await _places(tx, {*locked.scalars(), *scope.warehouses})
    orders = await _orders(tx, scope.orders)
    elsewhere = {order.warehouse_id for order in orders.values()} - set(places)
    if elsewhere:  # The order was first heard of while we waited for the locks.
        await tx.execute(LOCK_WAREHOUSES, {"warehouses": list(elsewhere), "orders": []})
        places |= await _places(tx, elsewhere)
    waiting = await _waiting(tx, scope.rises(orders), orders)
    spots = {*scope.spots, *(spot for order in orders.values() for spot in _spots(order))}
    shelves = await _shelves(tx, spots, places)
    answered = await _answered(tx, scope.shipments)
    return Book(now, new_id, places, shelves, [*orders.values(), *waiting.values()], answered)


def _spots(order: OrderHold) -> Iterable[Spot]:
    return ((order.warehouse_id, line.sku) for line in order.lines.values())


async def _places(tx: AsyncConnection, warehouses: Collection[UUID]) -> dict[UUID, Place]:
    rows = await tx.execute(PLACES, {"warehouses": list(warehouses)})
    return {
        row.id: Place(
            row.id, row.store_id, row.kind, row.temporary_id, row.hold_method, row.held_goods_sale
        )
        for row in rows
    }


async def _orders(tx: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, OrderHold]:
    """The orders, locked, with all their lines."""
    if not ids:
        return {}
    rows = await tx.execute(LOCK_ORDERS, {"orders": list(ids)})
    orders = {row.order_id: order_of(row) for row in rows}
    if orders:
        for row in await tx.execute(LINES, {"orders": list(orders)}):
            orders[row.order_id].lines[row.line_id] = line_of(row)
    return orders


def order_of(row: sa.Row[Any]) -> OrderHold:
    return OrderHold(
        order_id=row.order_id,
        store_id=row.store_id,
        warehouse_id=row.warehouse_id,
        method=row.method,
        revision=row.revision,
        until=row.until,
        placed_at=row.placed_at,
        released=row.released,
        remind_at=row.remind_at,
        version=row.version,
    )


def line_of(row: sa.Row[Any]) -> Line:
    return Line(
        line_id=row.line_id,
        sku=row.sku,
        position=row.position,
        wanted=row.wanted,
        held=row.held,
        taken=row.taken,
        to_put_back=row.to_put_back,
        given_up=row.given_up,
    )


async def _waiting(
    tx: AsyncConnection, rises: Mapping[Spot, Decimal], known: Collection[UUID]
) -> dict[UUID, OrderHold]:
    """The other orders at the front of the queues where free goods may rise."""
    if not rises:
        return {}
    rows = await tx.execute(
        WAITING,
        {
            "warehouses": [warehouse_id for warehouse_id, _ in rises],
            "skus": [sku for _, sku in rises],
            "quantities": list(rises.values()),
            "orders": list(known),
        },
    )
    return await _orders(tx, list(rows.scalars()))


async def _shelves(
    tx: AsyncConnection, spots: Collection[Spot], places: Mapping[UUID, Place]
) -> list[Shelf]:
    """The spots and those below them in temporary storage, locked in order; empty if not there."""
    below = {
        (temporary_id, sku)
        for warehouse_id, sku in spots
        if warehouse_id in places and (temporary_id := places[warehouse_id].temporary_id)
    }
    shelves = {spot: Shelf(*spot) for spot in (*spots, *below)}
    if shelves:
        values = {"warehouses": [w for w, _ in shelves], "skus": [sku for _, sku in shelves]}
        for row in await tx.execute(LOCK_SHELVES, values):
            shelves[row.warehouse_id, row.sku] = Shelf(
                row.warehouse_id, row.sku, row.on_hand, row.held, row.version
            )
    return list(shelves.values())


async def _answered(
    tx: AsyncConnection, shipments: Collection[UUID]
) -> dict[UUID, Taken | Refused]:
    if not shipments:
        return {}
    rows = await tx.execute(ANSWERED, {"shipments": list(shipments)})
    return {row.shipment_id: _answer(row) for row in rows}


def _answer(row: sa.Row[Any]) -> Taken | Refused:
    lines = json.loads(row.lines) if isinstance(row.lines, str) else row.lines
    if row.refused is None:
        taken = tuple(Quantity(UUID(id), sku, Decimal(quantity)) for id, sku, quantity in lines)
        return Taken(row.shipment_id, taken)
    shortages = tuple(
        Shortage(UUID(id), sku, Decimal(wanted), Decimal(available))
        for id, sku, wanted, available in lines
    )
    return Refused(row.shipment_id, row.refused, shortages)
