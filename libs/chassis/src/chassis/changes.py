"""News of what changed in a service's database, by NOTIFY, between its processes."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any

import asyncpg
import structlog

from chassis.background import for_ever

log = structlog.get_logger()
NOTIFY_DELAY_S = 0.002  # Commits that come together make one NOTIFY, outside their transactions.
NOTIFY_BYTES_MAX = 7_900
COMMAND_MAX_S = 30.0


class _Watch:
    def __init__(self, watchers: dict[str, set[asyncio.Event]], keys: Iterable[str]) -> None:
        self.watchers, self.keys, self.event = watchers, tuple(keys), asyncio.Event()

    def __enter__(self) -> asyncio.Event:
        for key in self.keys:
            self.watchers[key].add(self.event)
        return self.event

    def __exit__(self, *_: object) -> None:
        for key in self.keys:
            self.watchers[key].discard(self.event)
            if not self.watchers[key]:
                del self.watchers[key]


class Changes:
    """News between the processes of one service, by NOTIFY: who waits hears of a changed key.

    News may get lost (the connection broke); whoever waits also polls, so nobody waits in vain.
    """

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.relay_wakeup = asyncio.Event()
        self._watchers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._news: set[str] = set()
        self._relay_news = False
        self._flush: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection[Any] | None = None
        self._own_pid = 0
        self._task: asyncio.Task[None] | None = None

    def watch(self, keys: Iterable[str]) -> _Watch:
        """An event that is set whenever one of the keys changes."""
        return _Watch(self._watchers, keys)

    def announce(self, keys: Iterable[str]) -> None:
        """Tell everyone, here and in the other processes, that these keys changed."""
        news = set(keys)
        self._tell(news)
        self._news |= news
        self._schedule()

    def wake_relay(self) -> None:
        """Something may lie in the outbox."""
        self.relay_wakeup.set()
        self._relay_news = True
        self._schedule()

    def start(self) -> None:
        """Listen, and connect again whenever the connection breaks."""
        self._task = asyncio.create_task(for_ever("changes", self._listen), name="changes")

    async def stop(self) -> None:
        """Stop listening."""
        for task in (self._task, self._flush):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _tell(self, keys: Iterable[str]) -> None:
        for key in keys:
            for event in self._watchers.get(key, ()):
                event.set()

    def _schedule(self) -> None:
        if self._connection is not None and (self._flush is None or self._flush.done()):
            self._flush = asyncio.create_task(self._send())

    async def _send(self) -> None:
        """One flush at a time: an asyncpg connection cannot run two statements at once."""
        while self._news or self._relay_news:
            await asyncio.sleep(NOTIFY_DELAY_S)
            news, self._news = self._news, set()
            relay_news, self._relay_news = self._relay_news, False
            connection = self._connection
            if connection is None:
                return  # The listeners poll meanwhile.
            try:
                if relay_news:
                    await connection.execute("NOTIFY outbox")
                for payload in _payloads(news):
                    await connection.execute("SELECT pg_notify('changes', $1)", payload)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("news not sent, listeners poll", error=str(error))
                connection.terminate()  # So that another one is made.
                return

    def _heard(self, _connection: Any, pid: int, channel: str, payload: object) -> None:
        if pid == self._own_pid:
            return  # Our own news: everyone here was told before it was sent.
        if channel == "outbox":
            self.relay_wakeup.set()
        else:
            self._tell(str(payload).split(" "))

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self.dsn, command_timeout=COMMAND_MAX_S)
        try:
            gone = asyncio.Event()
            connection.add_termination_listener(partial(_set, gone))
            self._own_pid = connection.get_server_pid()
            await connection.add_listener("changes", self._heard)
            await connection.add_listener("outbox", self._heard)
            self._connection = connection
            await gone.wait()
        finally:
            self._connection = None
            connection.terminate()


def _set(event: asyncio.Event, _connection: object) -> None:
    event.set()


def _payloads(keys: set[str]) -> Iterable[str]:
    """The keys in pieces that fit a NOTIFY."""
    piece: list[str] = []
    size = 0
    for key in keys:
        if size + len(key) + 1 > NOTIFY_BYTES_MAX:
            yield " ".join(piece)
            piece, size = [], 0
        piece.append(key)
        size += len(key.encode()) + 1
    if piece:
        yield " ".join(piece)
