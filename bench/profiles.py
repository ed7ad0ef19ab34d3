"""Where services' time goes under load: py-spy's flame graphs of their processes."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from local.instance import REPOSITORY
from local.topology import AGENT, BY_NAME
from rich.console import Console

from bench.arrivals import Work, closed_loop
from bench.limit import CannotMeasure
from bench.run import standing
from bench.settings import FULL
from bench.stages import Ground
from bench.system import System, fresh_system

FOLDER = REPOSITORY / "docs" / "performance"
RATE_HZ = 100
LEAD_S = 3  # The load begins before the look and ends after it.


def profile(services: Sequence[str], seconds: int, journey: str, console: Console) -> None:
    """Write `docs/performance/<service>-<journey>.svg` of each, looked at together; say where."""
    for service in services:
        if service not in (*BY_NAME, AGENT):
            known = ", ".join((*BY_NAME, AGENT))
            raise CannotMeasure(f"{service} is no Python process: {known} are.")
    if journey not in ("accept", "batch", "flow"):
        raise CannotMeasure(f"There is no journey {journey}: choose accept, batch or flow.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with fresh_system() as system:
        asyncio.run(_profile(system, services, seconds, journey, console))
    for service in services:
        console.print(f"Written to {_path(service, journey).relative_to(REPOSITORY)}.")


def _path(service: str, journey: str) -> Path:
    return FOLDER / f"{service}-{journey}.svg"


async def _profile(
    system: System, services: Sequence[str], seconds: int, journey: str, console: Console
) -> None:
    async with standing(system, FULL, console) as ground:
        callers, work = _load(ground, journey)
        load = asyncio.create_task(closed_loop(callers, seconds + 2 * LEAD_S, work))
        await asyncio.sleep(LEAD_S)
        pids = system.pids()
        looks = [_look(pids[one], seconds, _path(one, journey)) for one in services]
        await asyncio.gather(*looks)
        await load


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


def _load(ground: Ground, journey: str) -> tuple[int, Work]:
    """How many callers do what, as in the stage of that name."""
    sizes, journeys = ground.sizes, ground.journeys()
    if journey == "batch":
        return sizes.batch_callers, lambda due: journeys.batch(sizes.batch_members, due)
    if journey == "accept":
        return sizes.accept_callers, journeys.accept
    return sizes.flow_callers, journeys.flow
