"""The proxy that hangs up inside a COMMIT, before a real PostgreSQL."""

import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from faults.injections.answers import CommitCutter

SERVER = urlsplit(os.environ["HOLDFAST_TEST_POSTGRES"])
TABLE = "cut_commits"


@pytest.fixture
async def straight() -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection without the proxy, to see what is really stored."""
    connection = await asyncpg.connect(urlunsplit(SERVER))
    await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
    await connection.execute(f"CREATE TABLE {TABLE} (n int PRIMARY KEY)")
    yield connection
    await connection.execute(f"DROP TABLE {TABLE}")
    await connection.close()


def behind(port: int) -> str:
    place = SERVER.netloc.rpartition(":")[0]
    return urlunsplit(SERVER._replace(netloc=f"{place}:{port}"))


async def test_what_was_committed_is_stored_although_nobody_was_told(
    straight: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """The client sees a broken connection; the row is there all the same."""
    assert SERVER.port is not None
    cutter = CommitCutter(SERVER.port)
    async with cutter.listening() as port:
        cut = await asyncpg.connect(behind(port))
        cutter.cuts_left = 1
        with pytest.raises((OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            async with cut.transaction():
                await cut.execute(f"INSERT INTO {TABLE} VALUES (1)")
        assert cutter.cut == 1
        cut.terminate()
    assert await straight.fetchval(f"SELECT count(*) FROM {TABLE}") == 1


async def test_it_is_not_noticed_until_it_is_to_cut(
    straight: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """Transactions pass, and their answers come back."""
    assert SERVER.port is not None
    cutter = CommitCutter(SERVER.port)
    async with cutter.listening() as port:
        whole = await asyncpg.connect(behind(port))
        async with whole.transaction():
            await whole.execute(f"INSERT INTO {TABLE} VALUES (2)")
        assert await whole.fetchval(f"SELECT count(*) FROM {TABLE}") == 1
        await whole.close()
    assert cutter.cut == 0
