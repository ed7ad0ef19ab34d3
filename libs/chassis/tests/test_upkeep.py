"""What the relay's leader clears away each hour, and in nobody's way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from chassis import plumbing, relay
from chassis.database import Database
from sqlalchemy.ext.asyncio import AsyncConnection

from .kafka import kafka_address, until

LONG_AGO = "outbox_20200101"
MAKE_LONG_AGO = sa.text(f"""
CREATE TABLE {LONG_AGO} PARTITION OF outbox FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')""")
LAST_AHEAD = "'outbox_' || to_char(current_date + 14, 'YYYYMMDD')"
DROP_LAST_AHEAD = sa.text(f"DO $$ BEGIN EXECUTE 'DROP TABLE ' || {LAST_AHEAD}; END $$")
OLD_KEY = sa.text("""
INSERT INTO inbox(subscriber, event_id, seen_at)
VALUES ('write_down', gen_random_uuid(), now() - interval '31 days')""")
RESOLVED = sa.text("""
INSERT INTO parked(subscriber, topic, key, version, type, event_id, headers, reason, error,
  parked_at, resolved_at)
SELECT 'write_down', 'shipping.shipments', 'k', coalesce(days, 0), 'x.v1', gen_random_uuid(), '{}',
  'error', '', now() - interval '40 days', now() - make_interval(days => days)
FROM unnest(ARRAY[31, 29, NULL::int]) AS resolved(days)""")
TAKE_LONG = """
CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql
  AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN old; END';
CREATE TRIGGER take_long BEFORE DELETE ON inbox FOR EACH ROW EXECUTE FUNCTION take_long()"""
TAKES_LONG = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'advisory'
  AND query LIKE 'DELETE FROM inbox%'"""
SAY = """
INSERT INTO outbox(event_id, topic, key, version, type, payload, headers, published_at)
VALUES (gen_random_uuid(), 'shipping.shipments', 'k', 1, 'x.v1', '{}', '{}', now())"""


@pytest.fixture
async def db(db: Database) -> AsyncIterator[Database]:
    """Its outbox has a day of long ago, and lacks the last of the days ahead."""

    async def work(tx: AsyncConnection) -> None:
        await tx.execute(MAKE_LONG_AGO)
        await tx.execute(DROP_LAST_AHEAD)

    await db.run(work)
    yield db
    await db.run(plumbing.make_days_ahead)
    await db.run(plumbing.drop_sent_days)


@asynccontextmanager
async def keeping(db: Database) -> AsyncIterator[None]:
    """A relay leads and does the upkeep."""
    leader = asyncio.create_task(relay.run_relay(db, kafka_address(), "pinger"))
    try:
        yield
    finally:
        leader.cancel()
        await asyncio.gather(leader, return_exceptions=True)


async def exists(db: Database, partition: str) -> bool:
    async with db.reading() as tx:
        found = await tx.execute(sa.text(f"SELECT to_regclass({partition}) IS NOT NULL"))
        return bool(found.scalar_one())


async def is_gone(db: Database) -> bool:
    return not await exists(db, f"'{LONG_AGO}'")


async def test_while_a_backup_reads_the_next_days_are_made(db: Database) -> None:
    """A day that cannot be dropped yet costs no day ahead, and goes the next time."""
    backup = await asyncpg.connect(db.dsn)
    try:
        async with backup.transaction():
            await backup.fetch("SELECT count(*) FROM outbox")
            async with keeping(db):
                await until(lambda: exists(db, LAST_AHEAD), "the last day ahead", 10)
            await db.run(plumbing.drop_sent_days)
            assert not await is_gone(db)
    finally:
        await backup.close()
    await db.run(plumbing.drop_sent_days)
    assert await is_gone(db)


async def test_nobody_who_says_something_waits_for_the_clearing(db: Database) -> None:
    """While old keys take long to be forgotten, the day of long ago is gone and orders go on."""
    await db.run(lambda tx: tx.execute(OLD_KEY))
    clerk = await asyncpg.connect(db.dsn)
    try:
        await clerk.execute(TAKE_LONG)
        await clerk.execute("SELECT pg_advisory_lock(4711)")
        async with keeping(db):
            await until(lambda: is_clearing(clerk), "the clearing to begin")
            await clerk.execute(SAY, timeout=10)
            await until(lambda: drops(db), "the day of long ago to be dropped")
            assert await is_clearing(clerk)
    finally:
        await clerk.execute("SELECT pg_advisory_unlock_all()")
        await clerk.execute("DROP FUNCTION take_long CASCADE")
        await clerk.close()


async def drops(db: Database) -> bool:
    await db.run(plumbing.drop_sent_days)
    return await is_gone(db)


async def is_clearing(clerk: "asyncpg.Connection[Any]") -> bool:
    return bool(await clerk.fetchval(TAKES_LONG))


async def kept(db: Database) -> list[int]:
    async with db.reading() as tx:
        return list((await tx.execute(sa.text("SELECT version FROM parked ORDER BY 1"))).scalars())


async def test_what_was_resolved_long_ago_is_forgotten(db: Database) -> None:
    """A parked record goes thirty days after it was resolved; one that waits stays."""
    await db.run(lambda tx: tx.execute(RESOLVED))
    async with keeping(db):
        await until(lambda: has_forgotten(db), "the oldest to go", 10)
    assert await kept(db) == [0, 29]


async def has_forgotten(db: Database) -> bool:
    return 31 not in await kept(db)
