"""What an order costs when a few are stored, and when a million are.

The stored orders are copies of real ones, taken through the whole job by the warm-up: the same
rows in each service's database, each copy with ids and times of an earlier day. A UUIDv7 keeps its
random part and gets an earlier time, so every database makes the same id without asking another,
and indexes grow as they do in life, at their right end.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
from local.instance import Instance
from psycopg import sql

from bench.arrivals import closed_loop
from bench.databases import analyse, connect
from bench.limit import CannotMeasure
from bench.stages import Ground

TEMPLATES_MAX = 1_000
CHUNK_ORDERS = 50_000
YEAR_MS = 365 * 24 * 60 * 60 * 1000
# Ids of things that the copies share with the orders that they are copied from.
SHARED = {
    *("store_id", "warehouse_id", "customer_id", "device_id", "term_id", "parent_id"),
    *("from_warehouse_id", "to_warehouse_id", "reverses", "pending_of"),
}
# These stay in the future: a deadline that is over makes work that no real system has at once.
DEADLINES = {"until", "remind_at", "expires_at", "next_attempt_at", "due_since"}
OF_ORDER = "order_id = ANY(%(ids)s)"
OF_SHIPMENT = "shipment_id IN (SELECT id FROM shipments WHERE order_id = ANY(%(ids)s))"
OF_ACCOUNT = """(split_part(debit_account, ':', 2) = ANY(%(names)s)
  OR split_part(credit_account, ':', 2) = ANY(%(names)s))"""
# Every table that grows with the orders, by service, and which of its rows are a template's; but
# the stock's ledger, which must go on explaining the stock, and what is kept for days only.
GROWING: Mapping[str, Mapping[str, str]] = {
    "orders": {
        "orders": "id = ANY(%(ids)s)",
        "order_lines": OF_ORDER,
        "order_history": OF_ORDER,
        "seen": "key = ANY(%(names)s)",
    },
    "inventory": {"order_hold": OF_ORDER, "hold_line": OF_ORDER, "take_outs": OF_ORDER},
    "billing": {
        "order_account": OF_ORDER,
        "order_copy": OF_ORDER,
        "payment": OF_ORDER,
        "hand_over": OF_ORDER,
        "document": OF_ORDER,
        "transfer": OF_ACCOUNT,
        "seen": "key = ANY(%(names)s)",
    },
    "shipping": {
        "orders": OF_ORDER,
        "order_lines": OF_ORDER,
        "shipments": OF_ORDER,
        "shipment_lines": OF_SHIPMENT,
        "seen": "key = ANY(%(names)s)",
    },
    "notifications": {
        "orders": "id = ANY(%(ids)s)",
        "messages": f"{OF_ORDER} AND state = 'sent'",
        "seen": "key = ANY(%(names)s)",
    },
    "devices": {"print_jobs": f"{OF_ORDER} AND state = 'printed'"},
}
FUNCTIONS = """
CREATE OR REPLACE FUNCTION pg_temp.earlier(id uuid, back_ms bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex(('x' || substr(h, 1, 12))::bit(48)::bigint - back_ms), 12, '0')
    || substr(h, 13))::uuid
  FROM (SELECT replace(id::text, '-', '')) AS t(h)
$$;
CREATE OR REPLACE FUNCTION pg_temp.earlier(name text, back_ms bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN name ~ '^((deposits|receivable):)?[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}$'
    THEN left(name, -36) || pg_temp.earlier(right(name, 36)::uuid, back_ms)::text ELSE name END
$$;
"""
TEMPLATES = """
(SELECT id FROM orders WHERE status = 'closed' ORDER BY id LIMIT %(closed)s)
UNION ALL (SELECT id FROM orders WHERE status = 'ready' ORDER BY id LIMIT %(open)s)"""
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %s AND is_identity = 'NO'
ORDER BY ordinal_position"""


@dataclass
class Copying:
    """Which orders are copied, how far apart in time the copies are, and how many were made."""

    templates: Sequence[Any]
    step_ms: int
    made: int = 0

    def chunks(self, copies: int) -> list[tuple[int, int]]:
        """First and last copy of each transaction, until there are so many of each template."""
        size = max(1, CHUNK_ORDERS // len(self.templates))
        firsts = range(self.made + 1, copies + 1, size)
        return [(first, min(first + size - 1, copies)) for first in firsts]


async def growth(ground: Ground) -> dict[str, Any]:
    """CPU time an order at the large size, over that at the small one."""
    sizes = ground.sizes
    await _open_orders(ground)
    copying = await asyncio.to_thread(templates_of, ground.system.instance, sizes.growth_to)
    loaded_s = await _grow(ground, copying, sizes.growth_from)
    small = await _cost(ground)
    loaded_s += await _grow(ground, copying, sizes.growth_to)
    large = await _cost(ground)
    ratio = large["cpu_ms_per_order"]["system"] / small["cpu_ms_per_order"]["system"]
    return {
        "ratio": round(ratio, 3),
        "loaded_s": round(loaded_s, 1),
        "small": small,
        "large": large,
        "cpu_ms_per_order": large["cpu_ms_per_order"],
    }


async def _open_orders(ground: Ground) -> None:
    """Some orders that are not closed, so that not every stored one is."""
    journeys = ground.journeys()
    await closed_loop(ground.sizes.accept_callers, ground.sizes.warm_up_s / 5, journeys.accept)
    await journeys.drain("decided")
    await ground.quiet()  # What lags behind would be copied in halves.


async def _grow(ground: Ground, copying: Copying, wanted: int) -> float:
    """Copy orders until so many are stored; how long that took."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    await asyncio.to_thread(copy_orders, ground.system.instance, copying, wanted)
    await asyncio.to_thread(analyse, ground.system.instance)
    return clock() - begun


async def _cost(ground: Ground) -> dict[str, Any]:
    """Whole flows for a while, after some that warm the caches."""
    stored = await asyncio.to_thread(stored_orders, ground.system.instance)
    callers = max(1, ground.sizes.flow_callers // 4)
    warming = ground.journeys()
    await closed_loop(callers, ground.sizes.growth_s / 4, warming.flow)
    await warming.drain("closed")
    await ground.quiet()
    journeys, meter = ground.journeys(), ground.meter()
    await closed_loop(callers, ground.sizes.growth_s, journeys.flow)
    await journeys.drain("closed")
    await ground.quiet()
    orders = len(journeys.closed.ended)
    if not orders:
        raise CannotMeasure(f"no order was closed: {dict(journeys.failures)}")
    return {
        "stored": stored,
        "orders": orders,
        "cpu_ms_per_order": meter.ms_per_order(orders),
        "stolen": meter.stolen(),
        "failures": dict(journeys.failures),
        "timeline": journeys.closed.by_second(),
    }


def stored_orders(instance: Instance) -> int:
    """How many orders the orders service has."""
    with connect(instance, "orders") as database:
        row = database.execute("SELECT count(*) FROM orders").fetchone()
    assert row is not None
    return int(row[0])


def templates_of(instance: Instance, wanted: int) -> Copying:
    """The orders to copy, so far apart that their copies up to this number fill a year."""
    with connect(instance, "orders") as database:
        asked = {"closed": TEMPLATES_MAX * 9 // 10, "open": TEMPLATES_MAX // 10}
        templates = [row[0] for row in database.execute(TEMPLATES, asked)]
    if not templates:
        raise CannotMeasure("no order was finished that could be copied")
    return Copying(templates, YEAR_MS * len(templates) // wanted)


def copy_orders(instance: Instance, copying: Copying, wanted: int) -> None:
    """Bring the stored orders to this number, or a little above it."""
    missing = wanted - stored_orders(instance)
    if missing <= 0:
        return
    copies = copying.made - (-missing // len(copying.templates))

    def copy(service: str) -> None:
        with connect(instance, service) as database:
            database.execute(FUNCTIONS)
            for table, of_template in GROWING[service].items():
                _copy_rows(database, table, of_template, copying, copies)
            database.execute("CHECKPOINT")

    # Each by itself costs a core for many minutes.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(copy, GROWING))
    copying.made = copies


def _copy_rows(
    database: psycopg.Connection, table: str, of_template: str, copying: Copying, copies: int
) -> None:
    columns = [(str(row[0]), str(row[1])) for row in database.execute(COLUMNS, [table])]
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)
    values = sql.SQL(", ").join(sql.SQL(copied(name, kind)) for name, kind in columns)
    put_aside = sql.SQL("CREATE TEMPORARY TABLE template AS SELECT * FROM {} WHERE {}")
    ids = {"ids": copying.templates, "names": [str(id) for id in copying.templates]}
    # Looked for once: some of these conditions read the whole table.
    cursor = psycopg.ClientCursor(database)
    cursor.execute(put_aside.format(sql.Identifier(table), sql.SQL(of_template)), ids)
    statement = sql.SQL(
        "INSERT INTO {} ({}) SELECT {} FROM template, LATERAL ("
        "SELECT k, k * CAST(%(step_ms)s AS bigint) AS back_ms "
        "FROM generate_series(%(first)s::int, %(last)s::int) AS k) AS copy"
    ).format(sql.Identifier(table), names, values)
    for first, last in copying.chunks(copies):
        database.execute(statement, {"step_ms": copying.step_ms, "first": first, "last": last})
    database.execute("DROP TABLE template")


def copied(name: str, kind: str) -> str:
    """How a copy's column follows from its template's."""
    quoted = '"' + name + '"'
    if kind == "uuid" and name not in SHARED:
        return f"pg_temp.earlier({quoted}, back_ms)"
    if kind == "timestamp with time zone" and name not in DEADLINES:
        return f"{quoted} - back_ms * interval '1 ms'"
    if kind == "text" and name in ("number", "idempotency_key"):
        return f"{quoted} || '-' || k"
    if kind == "text" and name in ("key", "debit_account", "credit_account"):
        return f"pg_temp.earlier({quoted}, back_ms)"
    return quoted
