"""Where a service's time goes under load: py-spy's flame graph of its process."""

import asyncio
import subprocess
import sys
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
RATE_HZ = 200
LEAD_S = 3  # The load begins before the look and ends after it.


def profile(service: str, seconds: int, journey: str, console: Console) -> Path:
    """Write `docs/performance/<service>-<journey>.svg` and say where it is."""
    if service not in (*BY_NAME, AGENT):
        raise CannotMeasure(f"{service} is no Python process: {', '.join((*BY_NAME, AGENT))} are.")
    if journey not in ("accept", "batch", "flow"):
        raise CannotMeasure(f"There is no journey {journey}: choose accept, batch or flow.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{service}-{journey}.svg"
    with fresh_system() as system:
        asyncio.run(_profile(system, service, seconds, journey, path, console))
    console.print(f"Written to {path.relative_to(REPOSITORY)}.")
    return path


async def _profile(
    system: System, service: str, seconds: int, journey: str, path: Path, console: Console
) -> None:
    async with standing(system, FULL, console) as ground:
        callers, work = _load(ground, journey)
        load = asyncio.create_task(closed_loop(callers, seconds + 2 * LEAD_S, work))
        await asyncio.sleep(LEAD_S)
        spy = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("py-spy")),
            *("record", "--pid", str(system.pids()[service]), "--duration", str(seconds)),
            *("--rate", str(RATE_HZ), "--format", "flamegraph", "--output", str(path)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        _, said = await spy.communicate()
        await load
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
