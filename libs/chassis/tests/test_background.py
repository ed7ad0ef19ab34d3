"""Work in the background does not end without a word, and not without whoever began it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog
from chassis.background import for_ever, in_background


async def a_fault_of_ours() -> None:
    raise KeyError("nobody thought of it")


async def kafka_gone() -> None:
    raise ConnectionRefusedError


async def cancelled_from_within() -> None:
    """As a library does whose own futures are cancelled while its connection closes."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize(
    ("fails", "level"),
    [(a_fault_of_ours, "error"), (kafka_gone, "warning"), (cancelled_from_within, "error")],
)
async def test_work_that_fails_begins_again_and_says_so(
    fails: Callable[[], Awaitable[None]], level: str
) -> None:
    """Whatever ended it, also what no handler of errors sees: facts would wait for good."""
    again = asyncio.Event()
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await fails()
        again.set()

    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(20), in_background({"relay": work}):
            await again.wait()
    assert [(one["work"], one["log_level"]) for one in logs] == [("relay", level)]


async def test_whoever_began_it_ends_it() -> None:
    """A service that stops leaves nothing behind, also what waits amid its work."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with in_background({"waits": work}):
        await begun.wait()
    assert ended.is_set()


async def test_the_one_task_of_for_ever_can_be_cancelled() -> None:
    """Its own cancellation is no failure of the work."""
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(for_ever("waits", work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
