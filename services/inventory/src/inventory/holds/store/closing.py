"""Closing the book: what was decided in memory is written in bulk, one statement a table."""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.holds.domain.book import Book
from inventory.holds.domain.orders import Refused, Taken
from inventory.stock.domain import Shelf

SHELVES = sa.text("""
INSERT INTO stock(warehouse_id, sku, on_hand, held, version)
SELECT * FROM unnest(CAST(:warehouses AS uuid[]), CAST(:skus AS text[]),
  CAST(:on_hand AS numeric[]), CAST(:held AS numeric[]), CAST(:versions AS bigint[]))
ON CONFLICT (warehouse_id, sku) DO UPDATE
SET on_hand = excluded.on_hand, held = excluded.held, version = excluded.version""")
MOVEMENTS = sa.text("""
INSERT INTO stock_movement(warehouse_id, sku, kind, reference, quantity, at)
SELECT warehouse_id, sku, kind, reference, quantity, :now
FROM unnest(CAST(:warehouses AS uuid[]), CAST(:skus AS text[]), CAST(:kinds AS text[]),
  CAST(:references AS uuid[]), CAST(:quantities AS numeric[]))
  WITH ORDINALITY AS m(warehouse_id, sku, kind, reference, quantity, n) ORDER BY n""")
ORDERS = sa.text("""
INSERT INTO order_hold(order_id, store_id, warehouse_id, method, revision, until, placed_at,
  released, remind_at, version)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:stores AS uuid[]), CAST(:warehouses AS uuid[]),
  CAST(:methods AS text[]), CAST(:revisions AS int[]), CAST(:untils AS timestamptz[]),
  CAST(:placed AS timestamptz[]), CAST(:released AS boolean[]), CAST(:remind AS timestamptz[]),
  CAST(:versions AS bigint[]))
ON CONFLICT (order_id) DO UPDATE
SET store_id = excluded.store_id, warehouse_id = excluded.warehouse_id, method = excluded.method,
  revision = excluded.revision, until = excluded.until, placed_at = excluded.placed_at,
  released = excluded.released, remind_at = excluded.remind_at, version = excluded.version""")
LINES = sa.text("""
INSERT INTO hold_line(order_id, line_id, warehouse_id, sku, position, placed_at, wanted, held,
  taken, to_put_back, given_up, awaiting)
SELECT * FROM unnest(CAST(:orders AS uuid[]), CAST(:ids AS uuid[]), CAST(:warehouses AS uuid[]),
  CAST(:skus AS text[]), CAST(:positions AS int[]), CAST(:placed AS timestamptz[]),
  CAST(:wanted AS numeric[]), CAST(:held AS numeric[]), CAST(:taken AS numeric[]),
  CAST(:to_put_back AS numeric[]), CAST(:given_up AS boolean[]), CAST(:awaiting AS numeric[]))
ON CONFLICT (order_id, line_id) DO UPDATE
SET warehouse_id = excluded.warehouse_id, position = excluded.position,
  placed_at = excluded.placed_at, wanted = excluded.wanted, held = excluded.held,
  taken = excluded.taken, to_put_back = excluded.to_put_back, given_up = excluded.given_up,
  awaiting = excluded.awaiting""")
TRANSFERS = sa.text("""
INSERT INTO transfers(id, order_id, kind, from_warehouse_id, to_warehouse_id, state, at)
SELECT id, order_id, kind, source, target, 'posted', :now
FROM unnest(CAST(:ids AS uuid[]), CAST(:orders AS uuid[]), CAST(:kinds AS text[]),
  CAST(:sources AS uuid[]), CAST(:targets AS uuid[])) AS t(id, order_id, kind, source, target)""")
TRANSFER_LINES = sa.text("""
INSERT INTO transfer_lines(transfer_id, line_id, sku, quantity)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:lines AS uuid[]), CAST(:skus AS text[]),
  CAST(:quantities AS numeric[]))""")
TAKE_OUTS = sa.text("""
INSERT INTO take_outs(shipment_id, order_id, refused, lines, at)
SELECT shipment_id, order_id, refused, CAST(lines AS jsonb), :now
FROM unnest(CAST(:ids AS uuid[]), CAST(:orders AS uuid[]), CAST(:refused AS text[]),
  CAST(:lines AS text[])) AS t(shipment_id, order_id, refused, lines)""")


async def close_book(tx: AsyncConnection, book: Book) -> list[Shelf]:
    """Write everything that the book did; the spots that changed, with their new versions.

    Temporary storage that it made must be there before.
    """
    shelves = book.changed_shelves()
    for shelf in shelves:
        shelf.version += 1
    await _write_shelves(tx, shelves)
    await _write_movements(tx, book)
    await _write_orders(tx, book)
    await _write_lines(tx, book)
    await _write_transfers(tx, book)
    await _write_answers(tx, book)
    return shelves


async def _write_shelves(tx: AsyncConnection, shelves: Sequence[Shelf]) -> None:
    if shelves:
        values = {
            "warehouses": [one.warehouse_id for one in shelves],
            "skus": [one.sku for one in shelves],
            "on_hand": [one.on_hand for one in shelves],
            "held": [one.held for one in shelves],
            "versions": [one.version for one in shelves],
        }
        await tx.execute(SHELVES, values)


async def _write_movements(tx: AsyncConnection, book: Book) -> None:
    if book.movements:
        values = {
            "now": book.now,
            "warehouses": [one.warehouse_id for one in book.movements],
            "skus": [one.sku for one in book.movements],
            "kinds": [one.kind for one in book.movements],
            "references": [one.reference for one in book.movements],
            "quantities": [one.quantity for one in book.movements],
        }
        await tx.execute(MOVEMENTS, values)


async def _write_orders(tx: AsyncConnection, book: Book) -> None:
    orders = list(book.changed_orders.values())
    if orders:
        values = {
            "ids": [one.order_id for one in orders],
            "stores": [one.store_id for one in orders],
            "warehouses": [one.warehouse_id for one in orders],
            "methods": [one.method for one in orders],
            "revisions": [one.revision for one in orders],
            "untils": [one.until for one in orders],
            "placed": [one.placed_at for one in orders],
            "released": [one.released for one in orders],
            "remind": [one.remind_at if one.is_open else None for one in orders],
            "versions": [one.version for one in orders],
        }
        await tx.execute(ORDERS, values)


async def _write_lines(tx: AsyncConnection, book: Book) -> None:
    changed = [(book.orders[order_id], line) for (order_id, _), line in book.changed_lines.items()]
    if changed:
        values = {
            "orders": [order.order_id for order, _ in changed],
            "ids": [line.line_id for _, line in changed],
            "warehouses": [order.warehouse_id for order, _ in changed],
            "skus": [line.sku for _, line in changed],
            "positions": [line.position for _, line in changed],
            "placed": [order.placed_at for order, _ in changed],
            "wanted": [line.wanted for _, line in changed],
            "held": [line.held for _, line in changed],
            "taken": [line.taken for _, line in changed],
            "to_put_back": [line.to_put_back for _, line in changed],
            "given_up": [line.given_up for _, line in changed],
            "awaiting": [order.awaiting(line) for order, line in changed],
        }
        await tx.execute(LINES, values)


async def _write_transfers(tx: AsyncConnection, book: Book) -> None:
    transfers = list(book.transfers.values())
    if not transfers:
        return
    values: dict[str, Any] = {
        "now": book.now,
        "ids": [one.transfer_id for one in transfers],
        "orders": [one.order_id for one in transfers],
        "kinds": [one.kind for one in transfers],
        "sources": [one.from_warehouse_id for one in transfers],
        "targets": [one.to_warehouse_id for one in transfers],
    }
    await tx.execute(TRANSFERS, values)
    lines = [
        (one.transfer_id, line_id, sku, quantity)
        for one in transfers
        for (line_id, sku), quantity in one.lines.items()
    ]
    ids, line_ids, skus, quantities = map(list, zip(*lines, strict=True))
    await tx.execute(
        TRANSFER_LINES, {"ids": ids, "lines": line_ids, "skus": skus, "quantities": quantities}
    )


async def _write_answers(tx: AsyncConnection, book: Book) -> None:
    if book.answers:
        values = {
            "now": book.now,
            "ids": list(book.answers),
            "orders": [order_id for order_id, _ in book.answers.values()],
            "refused": [
                answer.reason if isinstance(answer, Refused) else None
                for _, answer in book.answers.values()
            ],
            "lines": [_answer_lines(answer) for _, answer in book.answers.values()],
        }
        await tx.execute(TAKE_OUTS, values)


def _answer_lines(answer: Taken | Refused) -> str:
    if isinstance(answer, Taken):
        return json.dumps([[str(one.line_id), one.sku, str(one.quantity)] for one in answer.lines])
    return json.dumps(
        [
            [str(one.line_id), one.sku, str(one.wanted), str(one.available)]
            for one in answer.shortages
        ]
    )
