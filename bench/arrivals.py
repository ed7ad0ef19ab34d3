"""When work arrives: on a plan that waits for no answer, or as fast as a number of callers can."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator

Work = Callable[[float], Awaitable[None]]  # Is given when it was due, on the loop's clock.

PENDING_MAX = 5_000


def arrivals_s(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Independent arrivals at this mean rate, in seconds; those of a seed are always the same."""
    chance = random.Random(seed)
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


async def open_loop(rate: float, seconds: float, seed: int, work: Work) -> int:
    """Begin each piece when it is due, whatever became of those before; how many could not begin.

    A piece is left out only when so many are pending that the generator itself would be the limit.
    """
    clock = asyncio.get_running_loop().time
    start, left_out = clock(), 0
    pending: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:
        for offset in arrivals_s(rate, seconds, seed):
            due = start + offset
            if due > clock():
                await asyncio.sleep(due - clock())
            if len(pending) >= PENDING_MAX:
                left_out += 1
                continue
            task = group.create_task(_run(work, due))
            pending.add(task)
            task.add_done_callback(pending.discard)
    return left_out


async def closed_loop(callers: int, seconds: float, work: Work) -> None:
    """So many callers, each beginning a piece as soon as its last one is done."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds

    async def call() -> None:
        while clock() < end:
            await work(clock())

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(call())


async def _run(work: Work, due: float) -> None:
    await work(due)
