"""Closing the book: what was decided in memory is written in bulk."""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from chassis import outbox
from chassis.outbox import Said
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.holds.domain.book import Book
from inventory.holds.domain.orders import Line, OrderHold, Refused, Taken
from inventory.stock.domain import Shelf

# All in one statement, the messages with it; constraints are checked when it ends.
WRITE = sa.text(f"""
WITH shelves AS (
  INSERT INTO stock(warehouse_id, sku, on_hand, held, version)
  SELECT * FROM unnest(CAST(:shelf_warehouses AS uuid[]), CAST(:shelf_skus AS text[]),
    CAST(:shelf_on_hand AS numeric[]), CAST(:shelf_held AS numeric[]),
    CAST(:shelf_versions AS bigint[]))
  ON CONFLICT (warehouse_id, sku) DO UPDATE
  SET on_hand = excluded.on_hand, held = excluded.held, version = excluded.version),
movements AS (
  INSERT INTO stock_movement(warehouse_id, sku, kind, reference, quantity, at)
  SELECT warehouse_id, sku, kind, reference, quantity, :now
  FROM unnest(CAST(:moved_warehouses AS uuid[]), CAST(:moved_skus AS text[]),
    CAST(:moved_kinds AS text[]), CAST(:moved_references AS uuid[]),
    CAST(:moved_quantities AS numeric[]))
    WITH ORDINALITY AS m(warehouse_id, sku, kind, reference, quantity, n) ORDER BY n),
orders AS (
  INSERT INTO order_hold(order_id, store_id, warehouse_id, method, revision, until, placed_at,
    released, remind_at, version)
  SELECT * FROM unnest(CAST(:order_ids AS uuid[]), CAST(:order_stores AS uuid[]),
    CAST(:order_warehouses AS uuid[]), CAST(:order_methods AS text[]),
    CAST(:order_revisions AS int[]), CAST(:order_untils AS timestamptz[]),
    CAST(:order_placed AS timestamptz[]), CAST(:order_released AS boolean[]),
    CAST(:order_remind AS timestamptz[]), CAST(:order_versions AS bigint[]))
  ON CONFLICT (order_id) DO UPDATE
  SET store_id = excluded.store_id, warehouse_id = excluded.warehouse_id,
    method = excluded.method, revision = excluded.revision, until = excluded.until,
    placed_at = excluded.placed_at, released = excluded.released, remind_at = excluded.remind_at,
    version = excluded.version),
lines AS (
  INSERT INTO hold_line(order_id, line_id, warehouse_id, sku, position, placed_at, wanted, held,
    taken, to_put_back, given_up, awaiting)
  SELECT * FROM unnest(CAST(:line_orders AS uuid[]), CAST(:line_ids AS uuid[]),
    CAST(:line_warehouses AS uuid[]), CAST(:line_skus AS text[]), CAST(:line_positions AS int[]),
    CAST(:line_placed AS timestamptz[]), CAST(:line_wanted AS numeric[]),
    CAST(:line_held AS numeric[]), CAST(:line_taken AS numeric[]),
    CAST(:line_to_put_back AS numeric[]), CAST(:line_given_up AS boolean[]),
    CAST(:line_awaiting AS numeric[]))
  ON CONFLICT (order_id, line_id) DO UPDATE
  SET warehouse_id = excluded.warehouse_id, position = excluded.position,
    placed_at = excluded.placed_at, wanted = excluded.wanted, held = excluded.held,
    taken = excluded.taken, to_put_back = excluded.to_put_back, given_up = excluded.given_up,
    awaiting = excluded.awaiting),
answers AS (
  INSERT INTO take_outs(shipment_id, order_id, refused, lines, at)
  SELECT shipment_id, order_id, refused, CAST(lines AS jsonb), :now
  FROM unnest(CAST(:answer_ids AS uuid[]), CAST(:answer_orders AS uuid[]),
    CAST(:answer_refused AS text[]), CAST(:answer_lines AS text[]))
    AS t(shipment_id, order_id, refused, lines))
INSERT INTO outbox({outbox.INSERT_COLUMNS})
SELECT event_id, topic, key, version, type, payload, CAST(headers AS jsonb)
FROM {outbox.ROWS} ORDER BY n""")
TRANSFERS = sa.text("""
INSERT INTO transfers(id, order_id, kind, from_warehouse_id, to_warehouse_id, state, at)
SELECT id, order_id, kind, source, target, 'posted', :now
FROM unnest(CAST(:ids AS uuid[]), CAST(:orders AS uuid[]), CAST(:kinds AS text[]),
  CAST(:sources AS uuid[]), CAST(:targets AS uuid[])) AS t(id, order_id, kind, source, target)""")
TRANSFER_LINES = sa.text("""
INSERT INTO transfer_lines(transfer_id, line_id, sku, quantity)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:lines AS uuid[]), CAST(:skus AS text[]),
  CAST(:quantities AS numeric[]))""")


async def write_book(
    tx: AsyncConnection, book: Book, shelves: Sequence[Shelf], said: Sequence[Said]
) -> None:
    """Write everything that the book did, the spots that it changed, and what is said of it.

    Temporary storage that it made must be there before.
    """
    lines = [(book.orders[order_id], line) for (order_id, _), line in book.changed_lines.items()]
    values = {
        "now": book.now,
        "shelf_warehouses": [one.warehouse_id for one in shelves],
        "shelf_skus": [one.sku for one in shelves],
        "shelf_on_hand": [one.on_hand for one in shelves],
        "shelf_held": [one.held for one in shelves],
        "shelf_versions": [one.version for one in shelves],
        "moved_warehouses": [one.warehouse_id for one in book.movements],
        "moved_skus": [one.sku for one in book.movements],
        "moved_kinds": [one.kind for one in book.movements],
        "moved_references": [one.reference for one in book.movements],
        "moved_quantities": [one.quantity for one in book.movements],
        **_order_values(list(book.changed_orders.values())),
        **_line_values(lines),
        "answer_ids": list(book.answers),
        "answer_orders": [order_id for order_id, _ in book.answers.values()],
        "answer_refused": [
            answer.reason if isinstance(answer, Refused) else None
            for _, answer in book.answers.values()
        ],
        "answer_lines": [_answer_lines(answer) for _, answer in book.answers.values()],
        **outbox.columns(said),
    }
    await tx.execute(WRITE, values)
    await _write_transfers(tx, book)


def _order_values(orders: Sequence[OrderHold]) -> dict[str, list[Any]]:
    return {
        "order_ids": [one.order_id for one in orders],
        "order_stores": [one.store_id for one in orders],
        "order_warehouses": [one.warehouse_id for one in orders],
        "order_methods": [one.method for one in orders],
        "order_revisions": [one.revision for one in orders],
        "order_untils": [one.until for one in orders],
        "order_placed": [one.placed_at for one in orders],
        "order_released": [one.released for one in orders],
        "order_remind": [one.remind_at if one.is_open else None for one in orders],
        "order_versions": [one.version for one in orders],
    }


def _line_values(lines: Sequence[tuple[OrderHold, Line]]) -> dict[str, list[Any]]:
    return {
        "line_orders": [order.order_id for order, _ in lines],
        "line_ids": [line.line_id for _, line in lines],
        "line_warehouses": [order.warehouse_id for order, _ in lines],
        "line_skus": [line.sku for _, line in lines],
        "line_positions": [line.position for _, line in lines],
        "line_placed": [order.placed_at for order, _ in lines],
        "line_wanted": [line.wanted for _, line in lines],
        "line_held": [line.held for _, line in lines],
        "line_taken": [line.taken for _, line in lines],
        "line_to_put_back": [line.to_put_back for _, line in lines],
        "line_given_up": [line.given_up for _, line in lines],
        "line_awaiting": [order.awaiting(line) for order, line in lines],
    }


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


def _answer_lines(answer: Taken | Refused) -> str:
    if isinstance(answer, Taken):
        return json.dumps([[str(one.line_id), one.sku, str(one.quantity)] for one in answer.lines])
    return json.dumps(
        [
            [str(one.line_id), one.sku, str(one.wanted), str(one.available)]
            for one in answer.shortages
        ]
    )
