"""`python -m bench.capacity`: what chains of other sizes need, from what a run of the bench cost.

It calibrates the simulation by the run's CPU times, shows how near it comes to the rates and times
of the same run, which calibrating does not look at, and then tells of other sizes.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from local.instance import REPOSITORY
from rich.console import Console

from bench import chain
from bench.chain import Chain, Limit, Need, Year
from bench.costs import Calibrated, calibrate_both
from bench.figures import Course, median, percentile
from bench.limit import CannotMeasure
from bench.results import Result, figure_at
from bench.simulation import Load, Machine, simulate
from bench.steps import GATEWAY, KAFKA, POSTGRES, SERVICES

RESULTS = REPOSITORY / "bench" / "results"
PAGE = REPOSITORY / "docs" / "operations" / "capacity.md"
BEGIN, END = "<!-- figures: written by `make capacity` -->", "<!-- end of the figures -->"
NEEDED = {"accept", "flow", "latency"}
STORES = (10, 1_000, 100_000)
NEAR = 0.20
CHECK_S, RAMP_S, CHECK_SEED = 15.0, 1.5, 1
FLUSHES, FLUSHED_BYTES = 200, 8_192

console = Console(highlight=False)


@dataclass(frozen=True)
class Check:
    """A figure of the run beside the simulation's."""

    what: str
    measured: float
    simulated: float
    unit: str

    @property
    def off(self) -> float:
        """How far the simulation is off, of the measured figure."""
        return self.simulated / self.measured - 1

    @property
    def near(self) -> bool:
        """Whether the simulation is within a fifth."""
        return abs(self.off) <= NEAR


def capacity(
    result: Annotated[Path | None, typer.Argument(help="A run's file; the newest if none.")] = None,
    write: Annotated[bool, typer.Option(help="Write the tables into the operator's page.")] = False,
    orders_a_day: Annotated[float, typer.Option(help="Of one store on a mean day.")] = 1_000,
    flush_ms: Annotated[float, typer.Option(help="The log's flush; measured here if 0.")] = 0,
) -> None:
    """Calibrate, check and predict; the result's machine should be this one."""
    path = result or newest(RESULTS)
    text = "\n".join(report(path, orders_a_day, flush_ms or measure_flush_ms(REPOSITORY)))
    console.print(text, markup=False, soft_wrap=True)
    if write:
        PAGE.write_text(with_figures(PAGE.read_text(), text))
        console.print(f"Written to {os.path.relpath(PAGE)}.", soft_wrap=True)


def newest(folder: Path) -> Path:
    """The last run that was kept and has every stage that is needed."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        if json.loads(path.read_text())["stages"].keys() >= NEEDED:
            return path
    raise CannotMeasure(
        f"No run of the bench with {', '.join(sorted(NEEDED))} is kept: `make bench` makes one."
    )


def measure_flush_ms(folder: Path) -> float:
    """The median time in which this folder's disk takes a page of the log, as PostgreSQL asks."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(bytes(FLUSHES * FLUSHED_BYTES))
        os.fsync(file.fileno())
        took = []
        for number in range(FLUSHES):
            os.pwrite(file.fileno(), b"x" * FLUSHED_BYTES, number * FLUSHED_BYTES)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    return 1000 * median(took)


def with_figures(page: str, text: str) -> str:
    """The page with these tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise CannotMeasure(f"{PAGE.name} lacks its marks: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def report(path: Path, orders_a_day: float, flush_ms: float) -> list[str]:
    """Everything as Markdown."""
    result: Result = json.loads(path.read_text())
    machine = Machine(int(result["machine"]["cores"]), flush_ms)
    accept, flow = calibrate_both(result, machine)
    year = chain.real_year()
    growing, told = chain.growing_share(result)
    costs = chain.with_lines(flow.costs, year.lines, growing)
    needs = [chain.need(Chain(stores, orders_a_day), year, costs, flush_ms) for stores in STORES]
    return [
        f"From `{path.name}` (commit {str(result.get('commit', 'unknown'))[:12]}, "
        f"{machine.cores:g} cores, {result['machine'].get('processor', 'unknown')}); a flush of "
        f"the log took {flush_ms:.2f} ms where this was calculated. Other programs had "
        f"{_others(accept, flow)} of the machine meanwhile.",
        "",
        *check_table(checks(result, accept, flow)),
        "",
        *cost_table(accept, flow),
        "",
        f"A real basket has {year.lines:.1f} lines; {100 * growing:.0f}% of a cost at three lines "
        f"grows with them ({'measured' if told else 'assumed'}). The busiest hour has "
        f"{100 * year.peak_hour:.1f}% of a day, the busiest day {year.peak_day:.2f} times the mean "
        f"one, the busiest of 12 partitions {year.peak_partition:.2f} times an even one (all "
        f"three from the real year). Assumed: {orders_a_day:,.0f} orders a store on a mean day.",
        "",
        *need_table(needs),
        "",
        *limit_table(chain.limits(costs, year), year, orders_a_day),
    ]


def checks(result: Result, accept: Calibrated, flow: Calibrated) -> list[Check]:
    """The figures of the run that calibrating did not use; those that were not taken are left."""
    found: list[Check] = []
    for calibrated, name, first, last in (
        (accept, "accept", "accepted", "decided"),
        (flow, "flow", "accepted", "closed"),
    ):
        job, costs = calibrated.measured.job, calibrated.costs
        high = calibrated.measured.high.load
        fast = simulate(job, Load(CHECK_S, callers=high.callers), calibrated.high, costs)
        low = calibrated.measured.low.load
        slow = simulate(job, replace(low, seed=CHECK_SEED), calibrated.low, costs)
        stage = ("stages", name)
        steady = ("stages", "latency", f"{name}s")
        rows: Iterable[tuple[str, tuple[str, ...], float | None, str]] = (
            (f"{name}: highest rate", (*stage, "per_s"), fast.ended.rate(RAMP_S, CHECK_S), "/s"),
            (
                f"{name}: {first} p50, highest",
                (*stage, f"{first}_ms", "p50"),
                _p50(fast.accepted),
                "ms",
            ),
            (
                f"{name}: {first} p50, fixed",
                (*steady, f"{first}_ms", "p50"),
                _p50(slow.accepted),
                "ms",
            ),
            (f"{name}: {last} p50, fixed", (*steady, f"{last}_ms", "p50"), _p50(slow.ended), "ms"),
        )
        for what, place, simulated, unit in rows:
            measured = figure_at(result, place)
            if measured and simulated is not None:
                found.append(Check(what, measured, simulated, unit))
    return found


def _others(*calibrated: Calibrated) -> str:
    points = [point for one in calibrated for point in (one.measured.low, one.measured.high)]
    shares = [100 * point.others for point in points if point.others is not None]
    return f"{min(shares):.0f} to {max(shares):.0f}%" if shares else "an unknown share"


def _p50(course: Course) -> float | None:
    took = course.took(RAMP_S)
    return 1000 * percentile(took, 50) if took else None


def check_table(found: Sequence[Check]) -> list[str]:
    """Simulated beside measured."""
    rows = [
        (
            check.what,
            f"{check.measured:,.1f} {check.unit}",
            f"{check.simulated:,.1f} {check.unit}",
            f"{100 * check.off:+.0f}%",
            "yes" if check.near else "no",
        )
        for check in found
    ]
    return table(("not calibrated by", "measured", "simulated", "off", "within 20%"), rows)


def cost_table(accept: Calibrated, flow: Calibrated) -> list[str]:
    """What was found in the CPU times."""
    rows = []
    for name in (*SERVICES, POSTGRES, KAFKA, GATEWAY):
        cells = [name]
        for costs in (accept.costs, flow.costs):
            cost = costs.of(name)
            cells += [f"{1000 * ms:,.0f}" for ms in (cost.batch_ms, cost.unit_ms, cost.request_ms)]
        rows.append(tuple(cells))
    what = ("a group", "a unit", "a request")
    columns = ("CPU µs", *(f"accept: {one}" for one in what), *(f"flow: {one}" for one in what))
    return table(columns, rows)


def need_table(needs: Sequence[Need]) -> list[str]:
    """A column for each size."""
    rows = [
        ("orders on a mean day", *(_count(n.chain.stores * n.chain.orders_a_day) for n in needs)),
        ("flows a second at the peak", *(f"{n.rate:,.1f}" for n in needs)),
        ("cells (groups of stores)", *(f"{n.cells:,}" for n in needs)),
        *(
            (f"{name}: processes a cell", *(f"{n.processes[name]}" for n in needs))
            for name in SERVICES
        ),
        ("partitions of a topic, of 12", *(f"{n.partitions}" for n in needs)),
        ("database servers a cell", *(f"{n.servers}" for n in needs)),
        ("cores busy, services", *(_cores(n, *SERVICES) for n in needs)),
        ("cores busy, PostgreSQL", *(_cores(n, POSTGRES) for n in needs)),
        ("cores busy, Kafka (one copy)", *(_cores(n, KAFKA) for n in needs)),
        ("cores busy, gateway", *(_cores(n, GATEWAY) for n in needs)),
        ("Kafka, all copies", *(f"{n.kafka_mb_s:,.2f} MB/s" for n in needs)),
        ("Kafka, 14 days", *(f"{n.kafka_gb:,.0f} GB" for n in needs)),
        ("databases, a year", *(f"{n.stored_gb_a_year:,.0f} GB" for n in needs)),
        ("accepted, holds decided: p50", *(_time(n.outcome.accepted, 50) for n in needs)),
        ("accepted, holds decided: p99", *(_time(n.outcome.accepted, 99) for n in needs)),
        ("closed: p99", *(_time(n.outcome.ended, 99) for n in needs)),
    ]
    return table(("stores", *(f"{n.chain.stores:,}" for n in needs)), rows)


def _cores(need: Need, *names: str) -> str:
    return f"{sum(need.cores.get(name, 0.0) for name in names):,.2f}"


def _time(course: Course, percent: float) -> str:
    took = course.took()
    return f"{1000 * percentile(took, percent):,.0f} ms" if took else "none"


def _count(number: float) -> str:
    return f"{number:,.0f}"


def limit_table(found: Sequence[Limit], year: Year, orders_a_day: float) -> list[str]:
    """What is full first, and at how many stores it is as busy as it should be."""
    one = Chain(1, orders_a_day).rate(year)
    rows = [
        (
            limit.what,
            f"{limit.per_s:,.0f}",
            f"{chain.BUSY * limit.per_s / one:,.0f}",
            limit.then,
        )
        for limit in found
        if limit.per_s < float("inf")
    ]
    return table(("there is one of", "full at flows/s", "good for stores", "then"), rows)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def main() -> None:
    """Run; what cannot be done is one line and exit code 1."""
    try:
        typer.run(capacity)
    except CannotMeasure as refusal:
        console.print(str(refusal), style="red", markup=False, soft_wrap=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
