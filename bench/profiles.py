"""Where time goes under load: py-spy's flame graphs of services, and PostgreSQL's statements."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from local.instance import REPOSITORY
from local.topology import AGENT, BY_NAME, POSTGRES
from rich.console import Console

from bench import statements
from bench.arrivals import Work, closed_loop
from bench.figures import Course
from bench.journeys import Journeys
from bench.limit import CannotMeasure
from bench.run import standing
from bench.settings import FULL
from bench.stages import Ground
from bench.system import System, fresh_system

FOLDER = REPOSITORY / "docs" / "performance"
RATE_HZ = 100
LEAD_S = 3  # The load begins before the look and ends after it.
KNOWN = (*BY_NAME, AGENT, POSTGRES)


def profile(services: Sequence[str], seconds: int, journey: str, console: Console) -> None:
    """Write `docs/performance/<service>-<journey>` of each, looked at together; say where."""
    for service in services:
        if service not in KNOWN:
            raise CannotMeasure(f"{service} cannot be looked at: {', '.join(KNOWN)} can.")
    if journey not in ("accept", "batch", "flow"):
        raise CannotMeasure(f"There is no journey {journey}: choose accept, batch or flow.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with fresh_system() as system:
        asyncio.run(_profile(system, services, seconds, journey, console))
    for service in services:
        path = _path(service, journey)
        # py-spy names its own command, with folders of this machine.
        path.write_text(path.read_text().replace(f"{REPOSITORY}/", ""))
        console.print(f"Written to {path.relative_to(REPOSITORY)}.")


def _path(service: str, journey: str) -> Path:
    return FOLDER / f"{service}-{journey}.{'md' if service == POSTGRES else 'svg'}"


async def _profile(
    system: System, services: Sequence[str], seconds: int, journey: str, console: Console
) -> None:
    if POSTGRES in services:
        statements.watch(system)
    async with standing(system, FULL, console) as ground:
        journeys = ground.journeys()
        callers, work, ended = _load(ground, journeys, journey)
        load = asyncio.create_task(closed_loop(callers, seconds + 2 * LEAD_S, work))
        await asyncio.sleep(LEAD_S)
        pids = system.pids()
        looks = [
            _count(system, seconds, journey, ended)
            if one == POSTGRES
            else _look(pids[one], seconds, _path(one, journey))
            for one in services
        ]
        await asyncio.gather(*looks)
        await load


async def _count(system: System, seconds: int, journey: str, ended: Course) -> None:
    statements.forget(system)
    before = len(ended.ended)
    await asyncio.sleep(seconds)
    orders = len(ended.ended) - before
    statements.write(system, _path(POSTGRES, journey), journey, orders)


async def _look(pid: int, seconds: int, path: Path) -> None:
    spy = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("py-spy")),
        # Not stopped while its stack is read: that would slow down what is looked at.
        *("record", "--nonblocking", "--pid", str(pid), "--duration", str(seconds)),
        *("--rate", str(RATE_HZ), "--format", "flamegraph", "--output", str(path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, said = await spy.communicate()
    if spy.returncode:
        raise CannotMeasure(f"py-spy could not look: {said.decode().strip()[-300:]}")


def _load(ground: Ground, journeys: Journeys, journey: str) -> tuple[int, Work, Course]:
    """How many callers do what, as in the stage of that name, and where its ends are counted."""
    sizes = ground.sizes
    if journey == "batch":

        async def batch(due: float) -> None:
            await journeys.batch(sizes.batch_members, due)

        return sizes.batch_callers, batch, journeys.decided
    if journey == "accept":
        return sizes.accept_callers, journeys.accept, journeys.decided
    return sizes.flow_callers, journeys.flow, journeys.closed
