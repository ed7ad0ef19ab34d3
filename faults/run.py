"""One run: load, faults one after another, and the judge at the end."""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from rich.console import Console

from faults.chain import open_chain
from faults.injections import ALL, SHORT
from faults.judge import is_quiet, judge, judge_live, promised
from faults.load import Load
from faults.report import Injected, Report
from faults.scene import Fault, Scene, Skipped
from faults.system import NeverHappened, System, until
from faults.till import Till, Told

QUIET_S = 600.0
FLOWS_A_SECOND, FLOWS_A_SECOND_SHORT = 1.5, 0.5
PATIENCE_OF_A_PROBE_S = 1.0
ROUNDS = "rounds"  # Where the keys and ids of each round of baskets are kept.


@dataclass(frozen=True)
class Wanted:
    """What the caller asked for."""

    seed: int
    minutes: float
    short: bool
    only: Sequence[str]
    flows_a_second: float


def order_of_faults(wanted: Wanted, chance: random.Random) -> Iterator[Fault]:
    """Which faults, in which order: each once before any comes again; the short run's once only."""
    if wanted.short and not wanted.only:
        yield from SHORT
        return
    chosen = [fault for fault in ALL if not wanted.only or fault.code in wanted.only]
    yield from chance.sample(chosen, len(chosen))
    while not wanted.short:
        yield from chance.sample(chosen, len(chosen))


async def carry_out(wanted: Wanted, system: System, console: Console) -> Report:
    """The whole run on a system that is up and empty."""
    report = Report(wanted.seed, wanted.short, datetime.now(UTC))
    chance = random.Random(wanted.seed)  # noqa: S311 - it is to be repeatable, not secret
    folder = system.instance.folder(ROUNDS)
    answers = Told()
    impatient = Till(system.address, Told(), PATIENCE_OF_A_PROBE_S)
    async with Till(system.address, answers) as till, impatient as prober:
        console.print("Opening a small chain")
        chain = await open_chain(till, folder)
        of_load = random.Random(wanted.seed + 1)  # noqa: S311 - its own: it is drawn from at any time
        load = Load(till, chain, folder, wanted.flows_a_second, of_load)
        scene = Scene(system, till, prober, chain, load, chance, folder, wanted.short)
        await scene.recovery_s(time.monotonic())
        load.start()
        began = time.monotonic()
        try:
            await _inject_all(wanted, scene, report, console)
        finally:
            console.print("Waiting for everything under way")
            await load.stop()
        report.minutes = (time.monotonic() - began) / 60
        await _judge(scene, report, console)
    report.flows = dict(load.counts)
    report.violations += [f"load: {text}" for text in load.wrong]
    report.promises = len(answers.promises)
    return report


async def _inject_all(wanted: Wanted, scene: Scene, report: Report, console: Console) -> None:
    began = time.monotonic()
    ends_at = began + wanted.minutes * 60
    for fault in order_of_faults(wanted, scene.chance):
        await asyncio.sleep(scene.seconds(2, 8))
        at_s = time.monotonic() - began
        try:
            done = await fault.inject(scene)
            recovery_s = await scene.recovery_s(done.healed_at)
        except Skipped as reason:
            if str(reason) not in report.skipped:
                report.skipped.append(f"{fault.code} {fault.what}: {reason}")
            console.print(f"{fault.code} skipped: {reason}", style="yellow")
            continue
        except NeverHappened as never:
            report.violations.append(f"{fault.code}: {never}")
            console.print(f"{fault.code}: {never}", style="red")
            return
        except Exception as error:  # The load is stopped and judged all the same.
            report.violations.append(f"{fault.code}: {told(error)}")
            console.print_exception()
            return
        report.injected.append(
            Injected(
                fault.code, done.text, at_s, recovery_s, fault.bar_s, done.missed, done.figures
            )
        )
        report.violations += [f"{fault.code}: {text}" for text in done.wrong]
        console.print(f"{at_s:5.0f} s  {fault.code}: {done.text}; well after {recovery_s:.1f} s")
        live = await judge_live(scene.system.databases)
        report.violations += [f"live: {found}" for found in live]
        if time.monotonic() > ends_at:
            return


def told(error: BaseException) -> str:
    """What went wrong, with the request that it went wrong with."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(told, error.exceptions))
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, httpx.RequestError):
        with contextlib.suppress(RuntimeError):  # It was not sent yet.
            return f"{error.request.method} {error.request.url}: {text}"
    return text


async def _judge(scene: Scene, report: Report, console: Console) -> None:
    """Wait until nothing moves any more, then look at everything that is stored."""
    urls = scene.system.databases
    console.print("Waiting until it is quiet")
    try:
        await until(lambda: is_quiet(urls), "quiet after the load", QUIET_S)
    except NeverHappened as never:
        report.violations.append(str(never))
    journal = scene.system.instance.state / "agent" / "journal.sqlite"
    found = [*await judge(urls, [journal]), *await promised(urls, scene.till.told.promises)]
    report.violations += [f"{one.invariant} {one.subject}: {one.text}" for one in found]
