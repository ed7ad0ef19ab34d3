"""The stages under load: accept, batch, flow, hot and latency."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bench.arrivals import Work, closed_loop, open_loop
from bench.backlog import Backlog
from bench.client import Api, Body
from bench.figures import Course, median, percentiles_ms
from bench.follower import Follower, Kind
from bench.journeys import Journeys
from bench.limit import CannotMeasure, Limit, Script
from bench.settings import Sizes
from bench.shop import Sale, Shop, new_id
from bench.system import Meter, System

Result = dict[str, Any]
Orders = Iterator[tuple[Sale, Body]]

RAMP_SHARE = 0.1  # Of a closed search: its first orders find an empty system.
LAG_BOUND_S = 2.0
LATENCY_SHARE = 0.08
SEED = 20171


@dataclass(frozen=True)
class Ground:
    """What every stage stands on: the system, its shop, the generator and the limit."""

    system: System
    api: Api
    follower: Follower
    backlog: Backlog
    shop: Shop
    limit: Limit
    sizes: Sizes
    generator: list[int]

    def journeys(self, orders: Orders | None = None) -> Journeys:
        """A new measurement, with the shop's own orders unless others are given."""
        return Journeys(self.api, self.follower, orders or self.shop.orders())

    def meter(self) -> Meter:
        """A new count of CPU time."""
        return Meter(self.system.pids(), self.generator)

    async def quiet(self) -> None:
        """Wait until mails, papers and copies have caught up with the orders."""
        await self.backlog.emptied(self.sizes.quiet_s)

    async def limit_of(self, script: Script) -> float:
        """The limit now, measured on a system that has nothing left to do."""
        await self.quiet()
        return await asyncio.to_thread(self.limit.measure, script, self.sizes.limit_s)


async def warm_up(ground: Ground) -> None:
    """Whole flows, thrown away: Kafka's JVM costs three times as much in its first minutes."""
    journeys = ground.journeys()
    await closed_loop(ground.sizes.flow_callers // 2, ground.sizes.warm_up_s, journeys.flow)
    await journeys.drain("closed")
    if not journeys.closed.ended:
        raise CannotMeasure(f"no order was closed while warming up: {dict(journeys.failures)}")


async def accept(ground: Ground) -> Result:
    """One order a request, as fast as the callers can, for long enough that lag would show."""
    sizes = ground.sizes
    journeys = ground.journeys()
    return await _search(
        ground, "accept", journeys, journeys.accept, "decided", sizes.accept_callers, sizes.accept_s
    )


async def flow(ground: Ground) -> Result:
    """The whole job over single requests, as fast as the callers can."""
    sizes = ground.sizes
    journeys = ground.journeys()
    return await _search(
        ground, "flow", journeys, journeys.flow, "closed", sizes.flow_callers, sizes.flow_s
    )


async def _search(
    ground: Ground,
    script: Script,
    journeys: Journeys,
    work: Work,
    kind: Kind,
    callers: int,
    seconds: float,
) -> Result:
    """The rate of the facts, not of the answers: what lags behind is not counted."""
    before = await ground.limit_of(script)
    meter = ground.meter()
    journeys.restart()
    watching = asyncio.create_task(journeys.watch(kind))
    await closed_loop(callers, seconds, work)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    behind = journeys.waiting(kind)
    drained_s = await journeys.drain(kind)
    course = journeys.closed if kind == "closed" else journeys.decided
    rate = course.rate(RAMP_SHARE * seconds, seconds)
    await ground.quiet()
    costs = _costs(meter, len(course.ended))
    limit = (before + await ground.limit_of(script)) / 2
    lag_s = behind / rate if rate else math.inf
    return {
        "ratio": round(rate / limit, 3),
        "per_s": round(rate, 1),
        "limit_per_s": round(limit, 1),
        "answers_per_s": round(journeys.accepted.rate(RAMP_SHARE * seconds, seconds), 1),
        "orders": len(course.ended),
        "callers": callers,
        "behind_at_end": behind,
        "behind_at_end_s": _finite(lag_s),
        "lag_bounded": lag_s <= LAG_BOUND_S,
        "drained_s": _finite(drained_s),
        "lags": journeys.lags,
        **costs,
        **_times(journeys),
        "timeline": course.by_second(),
    }


async def batch(ground: Ground) -> Result:
    """Imports: many orders a request, nobody told; the time ends when the last hold is decided."""
    sizes = ground.sizes
    before = await ground.limit_of("accept")
    journeys, meter = ground.journeys(), ground.meter()
    await closed_loop(
        sizes.batch_callers, sizes.batch_s, lambda due: journeys.batch(sizes.batch_members, due)
    )
    answered_s = max((at for at, _ in journeys.accepted.ended), default=0.0)
    drained_s = await journeys.drain("decided")
    decided = journeys.decided.ended
    if not decided:
        raise CannotMeasure(f"no batch was accepted: {dict(journeys.failures)}")
    took_s = max(at for at, _ in decided)
    rate = len(decided) / took_s
    await ground.quiet()
    costs = _costs(meter, len(decided))
    limit = (before + await ground.limit_of("accept")) / 2
    return {
        "ratio": round(rate / limit, 3),
        "per_s": round(rate, 1),
        "limit_per_s": round(limit, 1),
        "answers_per_s": round(len(decided) / answered_s, 1),
        "orders": len(decided),
        "members": sizes.batch_members,
        "drained_s": _finite(drained_s),
        **costs,
        **_times(journeys),
        "timeline": journeys.decided.by_second(),
    }


async def hot(ground: Ground) -> Result:
    """All orders on one item of one warehouse, in turn with as many spread over the shop."""
    sizes = ground.sizes
    spread, hot = [], []
    meter = ground.meter()
    for number in range(sizes.hot_rounds):
        spread.append(await _round(ground, _one_line(ground.shop)))
        hot.append(await _round(ground, _one_item(ground.shop, number)))
    together = {"spread_per_s": spread, "hot_per_s": hot, "stolen": meter.stolen()}
    oversold = await _sell_out(ground)
    return {"ratio": round(median(hot) / median(spread), 3), **together, **oversold}


async def _round(ground: Ground, orders: Orders) -> float:
    """Orders with holds decided in a second, the last one's wait included."""
    journeys = ground.journeys(orders)
    await closed_loop(ground.sizes.accept_callers, ground.sizes.hot_s, journeys.accept)
    drained = await journeys.drain("decided")
    if not journeys.decided.ended or drained == math.inf:
        raise CannotMeasure(f"holds stopped being decided: {dict(journeys.failures)}")
    rate = len(journeys.decided.ended) / max(at for at, _ in journeys.decided.ended)
    await ground.quiet()
    return round(rate, 1)


def _one_line(shop: Shop) -> Orders:
    for sale, body in shop.orders():
        line = {**body["lines"][0], "quantity": "1"}
        yield sale, _only(body, line)


def _one_item(shop: Shop, number: int) -> Orders:
    """Each round has an item of its own: goods that an earlier one has held do not matter."""
    sale = shop.sales[number]
    line = {**sale.body["lines"][-1], "quantity": "1"}
    while True:
        yield sale, _only({**sale.body, "id": new_id()}, line)


def _only(body: Body, line: Body) -> Body:
    return {**{k: v for k, v in body.items() if k != "prepayment"}, "lines": [line]}


async def _sell_out(ground: Ground) -> Result:
    """Twice as many orders as there are pieces, in single requests at once: none sold twice."""
    sale, goods = ground.shop.sales[0], ground.sizes.hot_goods
    sku, warehouse = f"bench-{new_id()[-12:]}", sale.body["hold"]["warehouse_id"]
    item = {"sku": sku, "name": "Hot item", "unit": "piece", "barcodes": [], "tax_rate": "0"}
    await ground.api.post("/items", {**item, "price": "1", "currency": "USD"}, f"bench-item-{sku}")
    lines = [{"sku": sku, "quantity": str(goods)}]
    receipt = {"warehouse_id": warehouse, "lines": lines}
    await ground.api.post("/receipts", receipt, f"bench-goods-{sku}", wait=True, unheard=True)
    line = {"sku": sku, "quantity": "1", "unit_price": "1"}
    bodies = [_only({**sale.body, "id": new_id()}, line) for _ in range(2 * goods)]
    journeys = ground.journeys(iter([(sale, body) for body in bodies]))
    clock = asyncio.get_running_loop().time
    queue = asyncio.Semaphore(ground.sizes.accept_callers)

    async def buy() -> None:
        async with queue:
            await journeys.accept(clock())

    await asyncio.gather(*(buy() for _ in bodies))
    await journeys.drain("decided")
    stock = (await ground.api.get("/stock", sku=sku))["items"]  # Temporary storage included.
    held = sum(int(float(one["held"])) for one in stock)
    promised = 0
    for body in bodies:
        order = await ground.api.get(f"/orders/{body['id']}")
        promised += sum(int(float(one["held"])) for one in order["lines"])
    return {
        "sold_out": {"goods": goods, "orders": len(bodies), "held": held, "promised": promised},
        "oversold": max(0, held - goods, promised - goods),
    }


async def latency(ground: Ground) -> Result:
    """Arrivals that wait for nobody, at a fixed share of the limit: single orders, then flows."""
    accepts, accept_limit = await _steady(ground, "accept", lambda journeys: journeys.accept)
    flows, flow_limit = await _steady(ground, "flow", lambda journeys: journeys.flow)
    return {
        "accept": accepts["accepted_ms"],
        "decided": accepts["decided_ms"],
        "printed": flows["printed_ms"],
        "closed": flows["closed_ms"],
        "accepts": {"limit_per_s": accept_limit, **accepts},
        "flows": {"limit_per_s": flow_limit, **flows},
    }


async def _steady(
    ground: Ground, script: Script, work_of: Callable[[Journeys], Work]
) -> tuple[Result, float]:
    limit = await ground.limit_of(script)
    rate = LATENCY_SHARE * limit
    await ground.quiet()
    journeys, meter = ground.journeys(), ground.meter()
    left_out = await open_loop(rate, ground.sizes.latency_s, SEED, work_of(journeys))
    drained_s = await journeys.drain("decided" if script == "accept" else "closed")
    course = journeys.accepted if script == "accept" else journeys.closed
    result = {
        "arrivals_per_s": round(rate, 1),
        "orders": len(course.ended),
        "left_out": left_out,
        "drained_s": _finite(drained_s),
        **_costs(meter, len(course.ended)),
        **_times(journeys),
        "timeline": course.by_second(),
    }
    return result, round(limit, 1)


def _costs(meter: Meter, orders: int) -> Result:
    taken = {"stolen": meter.stolen(), "others": meter.others()}
    return {"cpu_ms_per_order": meter.ms_per_order(orders), **taken}


def _times(journeys: Journeys) -> Result:
    """How long things took, and what did not go well."""
    courses: dict[str, Course] = {
        "accepted": journeys.accepted,
        "decided": journeys.decided,
        "printed": journeys.printed,
        "closed": journeys.closed,
    }
    times = {f"{name}_ms": percentiles_ms(course.took()) for name, course in courses.items()}
    return {**times, "failures": dict(journeys.failures)}


def _finite(seconds: float) -> float | None:
    return round(seconds, 2) if math.isfinite(seconds) else None


Stage = Callable[[Ground], Awaitable[Result]]
STAGES: dict[str, Stage] = {
    "accept": accept,
    "batch": batch,
    "flow": flow,
    "hot": hot,
    "latency": latency,
}
