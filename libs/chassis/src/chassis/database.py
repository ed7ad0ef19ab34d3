"""A service's database: transactions that retry, and waiting for a change without polling hard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import stamina
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chassis.changes import Changes
from chassis.transient import is_transient

T = TypeVar("T")

POLL_S = 2.0  # Of those who wait for news, should it have got lost.


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
