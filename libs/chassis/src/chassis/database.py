"""A service's database: transactions that retry, and waiting for a change without polling hard."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import asyncpg
import sqlalchemy as sa
import stamina
import structlog
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

log = structlog.get_logger()
T = TypeVar("T")

NOTIFY_DELAY_S = 0.002  # Commits that come together make one NOTIFY, outside their transactions.
NOTIFY_BYTES_MAX = 7_900
POLL_S = 2.0  # Of those who wait for news, should it have got lost.
TRANSIENT_SQLSTATES = ("40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300")
TRANSIENT_CLASSES = ("08", "53")


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: the server is away, or a deadlock was broken."""
    if isinstance(error, sa.exc.DBAPIError):
        if error.connection_invalidated:
            return True
        state = getattr(error.orig, "sqlstate", None) or ""
        if state in TRANSIENT_SQLSTATES or state[:2] in TRANSIENT_CLASSES:
            return True
        return isinstance(error, sa.exc.InterfaceError) and not state
    if isinstance(error, sa.exc.TimeoutError):  # All connections of the pool are busy.
        return True
    return isinstance(error, OSError | TimeoutError | asyncpg.PostgresConnectionError)


class Database:
    """Connections to one database, and the news of what changed in it.

    `run` is the one way to change something: it opens the transaction, commits, retries the whole
    of it when the server is away for a moment, and wakes the relay afterwards.
    """

    def __init__(self, url: str, name: str, pool_size: int = 12) -> None:
        settings = {
            "application_name": name,
            "idle_in_transaction_session_timeout": "60000",
            "jit": "off",
        }
        # Changes are few statements, each large: planned once a connection, for planning one anew
        # costs more than running it. Questions have optional filters, whose values the plan needs.
        changing = {**settings, "plan_cache_mode": "force_generic_plan"}
        self.dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.engine = _engine(url, pool_size, changing)
        # A question needs no BEGIN and no ROLLBACK around it.
        self._asking = _engine(url, pool_size, settings, isolation_level="AUTOCOMMIT")
        self.changes = Changes(self.dsn)

    async def run(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do the work in one transaction and return its result once it is committed.

        The work may run several times, so it must not reach outside the database.
        """
        try:
            result = await self._once(work)
        except Exception as error:
            if not is_transient(error):
                raise
            result = await self._again(work)
        self.changes.wake_relay()
        return result

    async def _again(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Only after a failure: the machinery of retries costs as much as a small transaction."""
        retries = stamina.retry_context(
            on=is_transient, attempts=12, timeout=20, wait_initial=0.05, wait_max=2
        )
        async for attempt in retries:
            with attempt:
                result = await self._once(work)
        return result

    async def _once(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        # Shielded: a client that hangs up must not leave a commit half sent.
        return await asyncio.shield(asyncio.ensure_future(self._transaction(work)))

    async def _transaction(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self.engine.begin() as tx:
            return await work(tx)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for questions alone; each sees what is committed when it is asked."""
        async with self._asking.connect() as tx:
            yield tx

    async def wait_until(
        self,
        keys: Iterable[str],
        probe: Callable[[], Awaitable[T | None]],
        seconds: float,
        poll_s: float = POLL_S,
    ) -> T | None:
        """Ask `probe` until it answers something, woken by changes of the keys; None when late."""
        deadline = asyncio.get_running_loop().time() + seconds
        with self.changes.watch(keys) as changed:
            while True:
                changed.clear()
                found = await probe()
                left = deadline - asyncio.get_running_loop().time()
                if found is not None or left <= 0:
                    return found
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(poll_s, left)):
                        await changed.wait()

    async def close(self) -> None:
        """Give every connection back."""
        await self.changes.stop()
        await self.engine.dispose()
        await self._asking.dispose()


def _engine(url: str, pool_size: int, settings: dict[str, str], **options: Any) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=pool_size,
        # In a rush an overflow opens and closes connections: the server's dearest work.
        max_overflow=0,
        # The few that are needed stay warm: each has its own plans and caches in the server.
        pool_use_lifo=True,
        hide_parameters=True,  # Errors are logged and parked: without anybody's name.
        connect_args={"server_settings": settings},
        **options,
    )


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
        self._task = asyncio.create_task(self._listen(), name="changes")

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
                return

    def _heard(self, _connection: Any, pid: int, channel: str, payload: object) -> None:
        if pid == self._own_pid:
            return  # Our own news: everyone here was told before it was sent.
        if channel == "outbox":
            self.relay_wakeup.set()
        else:
            self._tell(str(payload).split(" "))

    async def _listen(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(self.dsn)
                gone = asyncio.Event()
                connection.add_termination_listener(partial(_set, gone))
                self._own_pid = connection.get_server_pid()
                await connection.add_listener("changes", self._heard)
                await connection.add_listener("outbox", self._heard)
                self._connection = connection
                try:
                    await gone.wait()
                finally:
                    self._connection = None
                    connection.terminate()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.info("waiting for the database to listen to", error=str(error))
            await asyncio.sleep(1)


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
