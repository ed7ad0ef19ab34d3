"""Writes to the journal from the event loop: everything that waits shares one disk write."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

from device_agent.journal import Journal

P = ParamSpec("P")
T = TypeVar("T")
_Change = tuple[Callable[..., Any], "asyncio.Future[Any]"]


class Scribe:
    """Runs changes in the order they came; each answer comes after its change is on disk.

    A change that fails takes back only its group, which then runs one by one.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[_Change] = []
        self._busy = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    async def write(
        self, change: Callable[Concatenate[Journal, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do this to the journal, as in `write(Journal.scans_sent, 7)`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((lambda journal: change(journal, *args, **kwargs), future))
        if not self._busy:
            self._busy = True
            loop.create_task(self._drain())  # noqa: RUF006 - it ends with what waits.
        return await asyncio.shield(future)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            outcomes = await loop.run_in_executor(self._thread, self._run, group)
            for (_, future), (answer, error) in zip(group, outcomes, strict=True):
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(answer)
        self._busy = False

    def _run(self, group: list[_Change]) -> list[tuple[Any, Exception | None]]:
        try:
            self._journal.begin()
            answers = [change(self._journal) for change, _ in group]
            self._journal.commit()
        except Exception as error:
            self._journal.rollback()
            if len(group) == 1:
                return [(None, error)]
            return [outcome for one in group for outcome in self._run([one])]
        return [(answer, None) for answer in answers]

    async def close(self) -> None:
        """Wait for what is being written, then close the journal."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.close)
        self._thread.shutdown()
