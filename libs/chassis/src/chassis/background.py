"""Work that goes on in the background for as long as its owner lives."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog
from aiokafka.errors import KafkaError

from chassis.transient import is_transient

log = structlog.get_logger()
AGAIN_S, AGAIN_MAX_S = 0.5, 2.0

Work = Callable[[], Awaitable[object]]


async def for_ever(name: str, work: Work, every_s: float = AGAIN_S) -> None:
    """Do the work, and again `every_s` after it ended; only who began this can end it.

    Work that fails is done again after a pause that doubles while it fails at once.
    """
    pause_s = AGAIN_S
    while True:
        begun = time.monotonic()
        failed = await _has_failed(name, work)
        if time.monotonic() - begun > AGAIN_MAX_S:
            pause_s = AGAIN_S
        await asyncio.sleep(pause_s if failed else every_s)
        pause_s = min(pause_s * 2, AGAIN_MAX_S) if failed else AGAIN_S


async def _has_failed(name: str, work: Work) -> bool:
    try:
        await work()
    except asyncio.CancelledError:
        own = asyncio.current_task()
        if own is None or own.cancelling():
            raise
        # Not ours: something that the work waited for was cancelled, and told nobody why.
        log.exception("background work was cancelled from within, begins again", work=name)
    except Exception as error:
        if is_transient(error) or isinstance(error, KafkaError):
            log.warning("background work begins again", work=name, error=repr(error))
        else:
            log.exception("background work failed, begins again", work=name)
    else:
        return False
    return True


@asynccontextmanager
async def in_background(works: Mapping[str, Work], every_s: float = AGAIN_S) -> AsyncIterator[None]:
    """Each work is done for ever while the block runs, under its name."""
    tasks = [
        asyncio.create_task(for_ever(name, work, every_s), name=name)
        for name, work in works.items()
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
