"""A service says that it is not ready while Kafka or its database is away, and recovers alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from chassis.database import Database
from chassis.runtime import Runtime
from chassis.testing import bench
from sqlalchemy.engine import make_url

from .conftest import pinger


class Way:
    """The way to the database: it can be cut, and mended again."""

    def __init__(self, host: str, port: int) -> None:
        self.there = (host, port)
        self.port = 0
        self._lines: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for line in self._lines:
            line.transport.abort()
        self._lines.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self.there)
        self._lines |= {writer, there_writer}
        await asyncio.gather(_pour(reader, there_writer), _pour(there_reader, writer))


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while some := await source.read(65536):
            target.write(some)
    except OSError:
        pass  # Cut.
    finally:
        target.close()


@dataclass
class FakeBroker:
    answers: bool = True

    async def ping(self, _: float) -> bool:
        return self.answers


@dataclass
class FakeBus:
    """What readiness asks of the bus."""

    ready: bool = False
    broker: FakeBroker = field(default_factory=FakeBroker)


@asynccontextmanager
async def way_to(db: Database) -> AsyncIterator[tuple[Way, Database]]:
    url = make_url(db.engine.url.render_as_string(hide_password=False))
    way = Way(url.host or "127.0.0.1", url.port or 5432)
    await way.mend()
    here = url.set(host="127.0.0.1", port=way.port).render_as_string(hide_password=False)
    reached = Database(here, "test")
    try:
        yield way, reached
    finally:
        await reached.close()
        way.cut()


async def test_the_database_goes_away_and_comes_back(db: Database) -> None:
    """503 names the database while it cannot be reached; 200 again when it can; /healthz stays."""
    async with way_to(db) as (way, reached), bench(pinger, reached) as pinging:
        ready, alive = "http://service/readyz", "http://service/healthz"
        assert (await pinging.http.get(ready)).json() == {"status": "ready"}
        way.cut()
        away = await pinging.http.get(ready)
        assert (away.status_code, list(away.json())) == (503, ["database"])
        assert (await pinging.http.get(alive)).status_code == 200  # Nothing is to be restarted.
        await way.mend()
        async with asyncio.timeout(30):
            while (await pinging.http.get(ready)).status_code != 200:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("ready", "answers", "problem"),
    [
        (False, False, "not connected yet"),
        (True, False, "does not answer"),
        (True, True, None),
    ],
)
async def test_kafka_is_asked_each_time(
    db: Database, ready: bool, answers: bool, problem: str | None
) -> None:
    """Connected once is not enough: the broker must answer now."""
    async with bench(pinger, db) as pinging:
        runtime: Runtime = pinging.app.state.runtime
        bus: Any = FakeBus(ready, FakeBroker(answers))
        runtime.bus = bus
        answer = await pinging.http.get("http://service/readyz")
        assert answer.status_code == (200 if problem is None else 503)
        assert answer.json().get("kafka") == problem
