"""The chain's real year: every basket an order, through holds, payments and hand-over.

As an import would be: in batches, nobody told, for as long as the year may take; a client that
has more open orders than it sends at once waits for them. What the orders name, 457 stores with
tens of thousands of items and the goods to sell, is there before the clock starts; items and goods
are written straight into the databases, for the year is about orders.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

import psycopg
from demo.days import TYPICAL_DAY, Basket, Days, read_days
from demo.money import CURRENCY
from demo.plan import hold_method
from demo.setup import Places
from local.instance import Instance

from bench.client import Body, may_succeed_later
from bench.databases import analyse, connect
from bench.figures import Course
from bench.limit import CannotMeasure
from bench.shop import line_body, new_id, open_places
from bench.stages import Ground

FIRST_DAY = date(2017, 1, 1)
TRIES = 20
TRY_AGAIN_S = 0.5
STALLED_S = 60.0
LOOK_AGAIN_S = 0.1
MEMORY_SAMPLES = 10
ITEMS = """
INSERT INTO items(sku, name, unit, kind, barcodes, tax_rate, price, currency, version, words)
SELECT sku, name, 'piece', 'listed', '{}', 0, price, 'USD', 1, to_tsvector('simple', name)
FROM coming ON CONFLICT DO NOTHING"""
GOODS = """
CREATE TEMP TABLE paper AS SELECT DISTINCT warehouse_id, uuidv7() AS id FROM (
  SELECT DISTINCT warehouse_id FROM coming) AS w;
INSERT INTO receipts(id, warehouse_id, at, by) SELECT id, warehouse_id, now(), 'bench' FROM paper;
INSERT INTO receipt_lines(receipt_id, position, sku, quantity)
SELECT id, row_number() OVER (PARTITION BY id ORDER BY sku), sku, quantity
FROM coming JOIN paper USING (warehouse_id);
INSERT INTO stock_movement(warehouse_id, sku, kind, reference, quantity, at)
SELECT warehouse_id, sku, 'receipt', id, quantity, now()
FROM coming JOIN paper USING (warehouse_id);
INSERT INTO stock(warehouse_id, sku, on_hand, held, version)
SELECT warehouse_id, sku, quantity, 0, 1 FROM coming
ON CONFLICT (warehouse_id, sku) DO UPDATE
SET on_hand = stock.on_hand + excluded.on_hand, version = stock.version + 1"""


@dataclass
class Progress:
    """How far the year is."""

    start: float
    closed: Course = field(default_factory=Course)
    sent: int = 0
    held_back_s: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    memory_mib: list[dict[str, float]] = field(default_factory=list)


async def year(ground: Ground) -> dict[str, Any]:
    """Seconds from the first order sent to the last one closed, or how far it came in its time."""
    sizes = ground.sizes
    first = TYPICAL_DAY if sizes.short else FIRST_DAY
    days = await asyncio.to_thread(read_days, first, sizes.year_days)
    places = await open_places(ground.api, days)
    await asyncio.to_thread(stock_up, ground.system.instance, days, places)
    gc.freeze()  # A million lines stay in memory: they need not be looked at again and again.
    clock = asyncio.get_running_loop().time
    progress, meter = Progress(clock()), ground.meter()
    matches = ground.follower.listen(
        "closed", lambda at, took: progress.closed.add(at - progress.start, took)
    )
    chunks = _chunks(days, sizes.year_batch)

    def over() -> bool:
        return clock() - progress.start > sizes.year_limit_s

    async def serve() -> None:
        for chunk in chunks:
            while matches.waiting > sizes.year_at_once * sizes.year_batch and not over():
                progress.held_back_s += LOOK_AGAIN_S
                await asyncio.sleep(LOOK_AGAIN_S)
            if over():
                return
            orders = [_order(days, places, basket) for basket in chunk]
            for order in orders:
                matches.send(order["id"], clock())
            await _through(ground, orders, progress)
            progress.sent += len(orders)

    async def watch_memory() -> None:
        while True:
            progress.memory_mib.append(await asyncio.to_thread(ground.system.memory_mib))
            await asyncio.sleep(sizes.year_limit_s / MEMORY_SAMPLES)

    async def sell() -> None:
        await asyncio.gather(*(serve() for _ in range(sizes.year_at_once)))
        await _last_closed(progress, clock)
        watch.cancel()

    async with asyncio.TaskGroup() as group:
        watch = group.create_task(watch_memory())
        group.create_task(sell())
    progress.memory_mib.append(await asyncio.to_thread(ground.system.memory_mib))
    closed = [at for at, _ in progress.closed.ended]
    if len(closed) < progress.sent:
        raise CannotMeasure(
            f"{len(closed):,} of {progress.sent:,} orders that were sent were closed; "
            f"failures: {dict(progress.failures)}"
        )
    in_time = sum(at <= sizes.year_limit_s for at in closed)
    return {
        "year_s": round(max(closed), 1) if len(closed) == len(days.baskets) else None,
        "orders": len(closed),
        "wanted": len(days.baskets),
        "share_in_time": in_time / len(days.baskets),
        "per_s": round(len(closed) / max(closed), 1),
        "held_back_s": round(progress.held_back_s / sizes.year_at_once, 1),
        "memory_mib": [round(sum(used.values())) for used in progress.memory_mib],
        "memory_by_process_mib": [progress.memory_mib[0], progress.memory_mib[-1]],
        "cpu_ms_per_order": meter.ms_per_order(len(closed)),
        "stolen": meter.stolen(),
        "failures": dict(progress.failures),
        "timeline": progress.closed.by_second(),
    }


def _chunks(days: Days, size: int) -> Iterator[Sequence[Basket]]:
    """The baskets in order of their time."""
    baskets = iter(days.baskets)
    while chunk := list(islice(baskets, size)):
        yield chunk


def _order(days: Days, places: Places, basket: Basket) -> Body:
    return {
        "id": new_id(),
        "store_id": places.stores[basket.store],
        "channel": "counter",
        "customer_id": places.customers[basket.household],
        "currency": CURRENCY,
        "lines": [line_body(line) for line in basket.lines],
        "hold": {
            "method": hold_method(basket.store, days.every_store),
            "warehouse_id": places.warehouses[basket.store],
        },
        "notify": False,
    }


async def _through(ground: Ground, orders: Sequence[Body], progress: Progress) -> None:
    """A batch of orders, then their payments, then their goods."""
    wanted = {order["id"]: order for order in orders}
    placed = await _batch(ground, "order", wanted, progress)
    payments = {
        id: {
            "order_id": id,
            "amount": answer["total"],
            "method": "cash",
            "store_id": wanted[id]["store_id"],
        }
        for id, answer in placed.items()
        if Decimal(answer["total"])
    }
    await _batch(ground, "payment", payments, progress)
    shipments = {
        id: {
            "order_id": id,
            "kind": "hand_over",
            "store_id": wanted[id]["store_id"],
            "lines": [{"line_id": e["id"], "quantity": e["quantity"]} for e in answer["lines"]],
        }
        for id, answer in placed.items()
    }
    await _batch(ground, "shipment", shipments, progress, {"post": True})


async def _batch(
    ground: Ground,
    what: str,
    bodies: Mapping[str, Body],
    progress: Progress,
    more: Body | None = None,
) -> dict[str, Body]:
    """Send members until each is answered for good; the answers of those that were taken."""
    left, taken = dict(bodies), dict[str, Body]()
    for attempt in range(TRIES):
        if not left:
            break
        if attempt:
            await asyncio.sleep(TRY_AGAIN_S)
        members = [
            {"key": f"year-{what}-{id}", what: body, **(more or {})} for id, body in left.items()
        ]
        key = f"year-{what}s-{new_id()}"
        answer = await ground.api.post(f"/{what}s/batch", {f"{what}s": members}, key)
        for id, item in zip(list(left), answer["items"], strict=True):
            if item.get(what) is not None:
                taken[id] = item[what]
                del left[id]
            elif not may_succeed_later(item["status"], {}, item["problem"] or {}, unheard=True):
                progress.failures[f"{what} {item['status']}"] += 1
                del left[id]
    progress.failures.update({f"{what} given up": len(left)} if left else {})
    return taken


async def _last_closed(progress: Progress, clock: Callable[[], float]) -> None:
    """Wait for the facts that are still to come, until none came for a while."""
    heard, moved = -1, clock()
    while len(progress.closed.ended) < progress.sent and clock() - moved < STALLED_S:
        if len(progress.closed.ended) != heard:
            heard, moved = len(progress.closed.ended), clock()
        await asyncio.sleep(LOOK_AGAIN_S)


def stock_up(instance: Instance, days: Days, places: Places) -> None:
    """The catalogue of the year, and in each store what its orders will need, with its receipt."""
    with connect(instance, "orders") as database:
        database.execute("CREATE TEMP TABLE coming (sku text, name text, price numeric)")
        _copy_in(database, ((str(p.id), p.name, p.list_price) for p in days.products.values()))
        database.execute(ITEMS)
    needed: Counter[tuple[int, int]] = Counter()
    for basket in days.baskets:
        for line in basket.lines:
            needed[basket.store, line.product] += line.quantity
    with connect(instance, "inventory") as database:
        database.execute("CREATE TEMP TABLE coming (warehouse_id uuid, sku text, quantity numeric)")
        rows = ((places.warehouses[w], str(sku), count) for (w, sku), count in needed.items())
        _copy_in(database, rows)
        database.execute(
            "INSERT INTO items SELECT DISTINCT sku, 'piece' FROM coming ON CONFLICT DO NOTHING"
        )
        database.execute(GOODS)
    analyse(instance)


def _copy_in(database: psycopg.Connection, rows: Iterable[Sequence[object]]) -> None:
    with database.cursor() as cursor, cursor.copy("COPY coming FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
