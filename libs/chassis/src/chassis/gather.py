"""Gather what arrives together: single requests become one plural use case, one transaction.

Questions likewise: those who wait for the same news, above all, ask at the same moment.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.transient import is_transient

C = TypeVar("C")
R = TypeVar("R")
GROUP_MAX = 64
WRITERS = 2


class Gatherer(Generic[C, R]):
    """Collects commands while the last group commits, and gives each its own answer.

    `use_case` takes the commands and returns one result or exception for each, in order. When it
    raises, the group is cut in half until the one at fault stands alone.
    """

    def __init__(
        self,
        use_case: Callable[[Sequence[C]], Awaitable[Sequence[R | Exception]]],
        group_max: int = GROUP_MAX,
        writers: int = WRITERS,
    ) -> None:
        self._use_case = use_case
        self._group_max, self._writers = group_max, writers
        self._waiting: list[tuple[C, asyncio.Future[R]]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def do(self, command: C) -> R:
        """Hand the command to the next group; its result, or the exception that refused it."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, done))
        if len(self._running) < self._writers:
            self._running.add(asyncio.create_task(self._write()))
        return await done

    async def _write(self) -> None:
        try:
            while self._waiting:
                group = self._waiting[: self._group_max]
                self._waiting = self._waiting[self._group_max :]
                await self._decide([entry for entry in group if not entry[1].done()])
        finally:
            # Here, not when the task is done: whoever was just answered may come again before that,
            # and would wait for a writer that does not look any more.
            self._running.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _decide(self, group: Sequence[tuple[C, asyncio.Future[R]]]) -> None:
        if not group:
            return
        try:
            results = await self._use_case([command for command, _ in group])
        except Exception as error:
            if len(group) == 1 or is_transient(error):  # Nobody's fault: no part would fare better.
                for _, done in group:
                    _answer(done, error)
                return
            middle = len(group) // 2
            await self._decide(group[:middle])
            await self._decide(group[middle:])
            return
        for (_, done), result in zip(group, results, strict=True):
            _answer(done, result)


def ask_together(
    db: Database, question: Callable[[AsyncConnection, Sequence[C]], Awaitable[Sequence[R]]]
) -> Gatherer[C, R]:
    """Questions that arrive while one is asked are the next one, together.

    Each is answered by what was committed when it was put, or later. `question` gives one answer
    for each, in order.
    """

    async def ask(asked: Sequence[C]) -> Sequence[R]:
        async with db.reading() as tx:
            return await question(tx, asked)

    return Gatherer(ask)


def _answer(done: "asyncio.Future[R]", result: R | Exception) -> None:
    if done.done():  # The caller hung up.
        return
    if isinstance(result, Exception):
        done.set_exception(result)
    else:
        done.set_result(result)
