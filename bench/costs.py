"""The costs of the simulation, taken from a run of the bench: CPU time in, nothing else.

A process' CPU time for a job is known at two loads: at the low fixed rate, where groups are small,
and as fast as the callers can, where they are large. What a group costs by itself is what the
difference says, with as many groups as the simulation makes of each load; so simulating and
solving take turns until they agree. Rates and times are not looked at: they are what is checked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.limit import CannotMeasure
from bench.results import Result
from bench.simulation import Cost, Costs, Load, Machine, Outcome, simulate
from bench.steps import (
    ACCEPT,
    FLOW,
    GATEWAY,
    GENERATOR,
    KAFKA,
    POSTGRES,
    SERVICES,
    Amounts,
    Job,
    amounts,
)

TURNS = 6
JOBS_LOW, SECONDS_HIGH = 500, 4.0
SEED = 20171
# Of what a service's orders cost beside their groups, when no batches were measured; assumed.
REQUEST_SHARE = 0.5
APART = 1.2  # Fewer groups for a job at the high load, or the two cannot be told apart.
NUMBERED = re.compile(r"[-_.]?\d+$")


@dataclass(frozen=True)
class Point:
    """A load that was measured, what it cost by process, and what of the machine others had."""

    load: Load
    cpu_ms: Mapping[str, float]
    stolen: float  # By the host: a core is slower.
    others: float | None  # By other programs: there are fewer cores. Older runs do not say.

    def on(self, machine: Machine) -> Machine:
        """What was left of the machine."""
        cores = machine.cores * (1 - (self.others or 0.0))
        return replace(machine, cores=cores, speed=1 - self.stolen)


@dataclass(frozen=True)
class Measured:
    """What a result says of one job at its two loads."""

    job: Job
    low: Point
    high: Point


@dataclass(frozen=True)
class Calibrated:
    """The costs of a job, and the machine at each of the two loads."""

    measured: Measured
    costs: Costs
    low: Machine
    high: Machine


def measured_accept(result: Result) -> Measured:
    """Single orders, their holds decided."""
    return Measured(ACCEPT, _low(result, "accepts"), _high(result, "accept"))


def measured_flow(result: Result) -> Measured:
    """Whole flows, closed."""
    return Measured(FLOW, _low(result, "flows"), _high(result, "flow"))


def _low(result: Result, name: str) -> Point:
    stage = _stage(result, "latency")[name]
    rate = float(stage["arrivals_per_s"])
    # As long as it was: where arrivals are more than the machine can do, times grow with it.
    seconds = max(SECONDS_HIGH, stage["orders"] / rate)
    return _point(stage, Load(seconds, rate=rate, seed=SEED))


def _high(result: Result, name: str) -> Point:
    stage = _stage(result, name)
    return _point(stage, Load(SECONDS_HIGH, callers=int(stage["callers"]), seed=SEED))


def _point(stage: Result, load: Load) -> Point:
    cpu_ms = by_service(stage["cpu_ms_per_order"])
    return Point(load, cpu_ms, float(stage["stolen"]), stage.get("others"))


def _stage(result: Result, name: str) -> Any:
    if name not in result["stages"]:
        why = result.get("not_measured", {}).get(name, "it was not asked for")
        raise CannotMeasure(f"The result has no stage {name} ({why}): take another one.")
    return result["stages"][name]


def by_service(cpu_ms: Mapping[str, float]) -> dict[str, float]:
    """The processes of one service, and Kafka's brokers, as one; without the sum of all."""
    together: dict[str, float] = {}
    for name, ms in cpu_ms.items():
        if name != "system":
            service = NUMBERED.sub("", name)
            together[service] = together.get(service, 0.0) + ms
    return together


def calibrate(
    measured: Measured,
    machine: Machine,
    bulk_ms: Mapping[str, float],
    told: Costs | None = None,
) -> Calibrated:
    """Costs with which the simulation spends at both loads what was measured.

    bulk_ms: a job's cost without requests of its own, from the batches. told: the costs of another
    job, for what a request costs any service, and a group where this job's two loads do not say.
    """
    told = told or Costs()
    request_ms = told.of("orders").request_ms if told.by_process else None
    low, high = measured.low.on(machine), measured.high.on(machine)
    seconds = min(measured.low.load.seconds, JOBS_LOW / measured.low.load.rate)
    short = replace(measured.low.load, seconds=seconds)
    work = amounts(measured.job)
    batch_ms: dict[str, float] = {}
    costs = _costs(measured, work, batch_ms, {}, bulk_ms, request_ms)
    for turn in range(TURNS):
        few = simulate(measured.job, short, low, costs)
        many = simulate(measured.job, measured.high.load, high, costs)
        for process in (*SERVICES, POSTGRES, KAFKA):
            found = _batch_ms(measured, process, few, many, told.of(process).batch_ms)
            before = batch_ms.get(process, found)
            # Half a step: dearer groups become larger and fewer, which would make them dearer.
            batch_ms[process] = found if turn == 0 else (before + found) / 2
        counts = {name: many.batches_per_job(name) for name in batch_ms}
        costs = _costs(measured, work, batch_ms, counts, bulk_ms, request_ms)
    return Calibrated(measured, costs, low, high)


def _batch_ms(measured: Measured, process: str, few: Outcome, many: Outcome, told: float) -> float:
    """What a group costs by itself: never less than nothing, never more than all there is."""
    low, high = (point.cpu_ms.get(process, 0.0) for point in (measured.low, measured.high))
    small, large = few.batches_per_job(process), many.batches_per_job(process)
    # Two loads at which the machine is full are one.
    says = small > APART * large and low > high
    found = (low - high) / (small - large) if says else told
    return min(found, high / large) if large else found


def _costs(
    measured: Measured,
    work: Amounts,
    batch_ms: Mapping[str, float],
    counts: Mapping[str, float],
    bulk_ms: Mapping[str, float],
    request_ms: float | None,
) -> Costs:
    """Whatever the groups do not explain is spread over requests and records."""
    cpu_ms = measured.high.cpu_ms
    requests = sum(work.requests.values())
    units = {name: work.units(name) for name in SERVICES}
    units[POSTGRES] = sum(units.values())
    units[KAFKA] = sum(work.relayed.values()) + sum(work.consumed.values())
    found: dict[str, Cost] = {}
    for name, amount in units.items():
        own = batch_ms.get(name, 0.0)
        rest = max(0.0, cpu_ms.get(name, 0.0) - own * counts.get(name, 0.0))
        asked = work.requests[name]
        each = _request_ms(rest, asked, bulk_ms.get(name), request_ms) if asked else 0.0
        found[name] = Cost(own, (rest - each * asked) / amount if amount else 0.0, each)
    for name in (GATEWAY, GENERATOR):
        found[name] = Cost(request_ms=cpu_ms.get(name, 0.0) / requests)
    # A service that the job does not reach costs something all the same: it looks at its topics.
    aside = {
        name: ms
        for name, ms in cpu_ms.items()
        if name not in (GATEWAY, GENERATOR) and not units.get(name)
    }
    return Costs(found, aside)


def _request_ms(
    rest: float, requests: int, bulk_ms: float | None, request_ms: float | None
) -> float:
    if request_ms is not None:
        return min(request_ms, REQUEST_SHARE * rest / requests)
    if bulk_ms is None:
        return REQUEST_SHARE * rest / requests
    return max(0.0, rest - bulk_ms) / requests


def calibrate_both(result: Result, machine: Machine) -> tuple[Calibrated, Calibrated]:
    """Accepts, then whole flows, whose requests cost what an accept's does."""
    batch = result["stages"].get("batch")
    bulk_ms = by_service(batch["cpu_ms_per_order"]) if batch else {}
    accept = calibrate(measured_accept(result), machine, bulk_ms)
    return accept, calibrate(measured_flow(result), machine, {}, accept.costs)
