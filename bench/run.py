"""One run: fresh systems, the stages on them one after another, and the result."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.instance import REPOSITORY
from rich.console import Console

from bench import growth, journal, plots, results, stages, year
from bench.backlog import Backlog
from bench.client import Api
from bench.databases import analyse
from bench.follower import Follower
from bench.limit import CannotMeasure, scratch_database
from bench.machine import commit, machine, versions
from bench.results import Result
from bench.settings import Sizes
from bench.shop import a_day, open_shop
from bench.stages import Ground, warm_up
from bench.system import BENCH, STATE, System, fresh_system
from bench.table import print_result

RESULTS = REPOSITORY / "bench" / "results"
SHORT_RESULTS = STATE / "results"
CONNECTIONS = 256

Stage = Callable[[Ground], Awaitable[Result]]


async def start(ground: Ground) -> Result:
    """How long the embedded default took to be ready."""
    ready_s = ground.system.ready_s
    if ready_s is None:
        raise CannotMeasure("this start had to download Kafka: run again")
    return {"ready_s": round(ready_s, 1)}


async def memory(ground: Ground) -> Result:
    """What all processes hold after the load, pages that they share counted once."""
    by_process = ground.system.memory_mib()
    return {"together_mib": round(sum(by_process.values()), 1), "by_process_mib": by_process}


# Each of these has a system of its own: growth counts what is stored, and the year fills it.
# A short run, which counts nothing, makes one system do.
SYSTEMS: Sequence[Mapping[str, Stage]] = (
    {"start": start, **stages.STAGES, "memory": memory},
    {"growth": growth.growth, "journal": journal.journal},
    {"year": year.year},
)
NAMES = tuple(name for system in SYSTEMS for name in system)


def run(wanted: Sequence[str], sizes: Sizes, console: Console) -> tuple[Result, Path]:
    """Measure the wanted stages, print the table and keep the result; the result and its file."""
    begun = datetime.now(UTC)
    about: dict[str, Any] = {
        "started_at": begun.isoformat(timespec="seconds"),
        "short": sizes.short,
        "machine": machine(),
        "commit": commit(),
    }
    measured: dict[str, Result] = {}
    not_measured: dict[str, str] = {}
    ended = _measure_all(wanted, sizes, console, about, measured, not_measured)
    left = [name for name in wanted if name not in measured and name not in not_measured]
    not_measured |= dict.fromkeys(left, "the run was ended before")
    result = results.result_of(measured, not_measured, about)
    print_result(console, result)
    path = results.write(result, SHORT_RESULTS if sizes.short else RESULTS, begun)
    plots.plot(measured, path.with_suffix(".png"))
    console.print(f"Written to {os.path.relpath(path)}.", soft_wrap=True)
    if ended is not None:
        raise ended
    return result, path


def _measure_all(
    wanted: Sequence[str],
    sizes: Sizes,
    console: Console,
    about: dict[str, Any],
    measured: dict[str, Result],
    not_measured: dict[str, str],
) -> BaseException | None:
    """Every stage on its system; what ended the run from outside, if anything did."""
    together = [{name: stage for group in SYSTEMS for name, stage in group.items()}]
    for group in together if sizes.short else SYSTEMS:
        chosen = {name: stage for name, stage in group.items() if name in wanted}
        if not chosen:
            continue
        try:
            with fresh_system() as system:
                about.setdefault("versions", versions(system.instance))
                asyncio.run(_measure(system, chosen, sizes, console, measured, not_measured))
        except (KeyboardInterrupt, SystemExit) as end:
            return end
        except Exception as error:
            left = chosen.keys() - measured.keys() - not_measured.keys()
            not_measured |= dict.fromkeys(sorted(left), _why(error))
    return None


async def _measure(
    system: System,
    chosen: Mapping[str, Stage],
    sizes: Sizes,
    console: Console,
    measured: dict[str, Result],
    not_measured: dict[str, str],
) -> None:
    """A stage that cannot be measured says why, and the next one has its turn."""
    async with standing(system, sizes, console) as ground:
        for name, stage in chosen.items():
            console.print(f"{datetime.now(UTC):%H:%M:%S} {name}")
            try:
                measured[name] = await stage(ground)
            except Exception as error:
                not_measured[name] = _why(error)
                console.print(f"{name}: {not_measured[name]}", style="yellow", markup=False)


@asynccontextmanager
async def standing(system: System, sizes: Sizes, console: Console) -> AsyncIterator[Ground]:
    """The shop opened, the system warm, the follower listening and the limit at hand."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(Api(system.address, CONNECTIONS))
        follower = await stack.enter_async_context(Follower(system.kafka))
        backlog = await stack.enter_async_context(Backlog(system))
        limit = stack.enter_context(scratch_database(BENCH))
        console.print(f"{datetime.now(UTC):%H:%M:%S} opening the shop")
        shop = await open_shop(api, await asyncio.to_thread(a_day, sizes.short))
        generator = [os.getpid(), follower.pid]
        ground = Ground(system, api, follower, backlog, shop, limit, sizes, generator)
        console.print(f"{datetime.now(UTC):%H:%M:%S} warming up")
        await warm_up(ground)
        await asyncio.to_thread(analyse, system.instance)
        yield ground


def _why(error: BaseException) -> str:
    """The reason in one line; of a group, that of its first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".splitlines()[0][:500]
