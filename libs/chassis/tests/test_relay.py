"""Outbox and relay on real Kafka, killed at the worst moments."""

import asyncio
import signal
from functools import partial
from typing import Any, Literal, cast

import asyncpg
import pytest
import sqlalchemy as sa
import structlog
from chassis import relay
from chassis.background import for_ever
from chassis.database import Database

from .kafka import everything_on, kafka_address, pinger_process, until

ROWS = 3_000
KEYS = 20
GOLDEN = [1, 11, 5, 3, 4, 2, 0, 6]
TRACE = f"00-{1:032x}-{1:016x}-01"
FILL = sa.text("""
INSERT INTO outbox(event_id, topic, key, version, type, payload, headers)
SELECT gen_random_uuid(), :topic, 'key-' || (n % :keys), n / :keys + 1, 'x.v1',
       convert_to(n::text, 'UTF8'), jsonb_build_object('traceparent', CAST(:trace AS text))
FROM generate_series(0, :rows - 1) AS n""")
UNSENT = sa.text("SELECT count(*) FROM outbox WHERE published_at IS NULL")


async def fill(db: Database, topic: str) -> None:
    async with db.engine.begin() as tx:
        await tx.execute(FILL, {"topic": topic, "keys": KEYS, "rows": ROWS, "trace": TRACE})


async def unsent(db: Database) -> int:
    async with db.reading() as tx:
        return int((await tx.execute(UNSENT)).scalar_one())


async def relaying(db: Database, name: str = "pinger") -> None:
    await for_ever("relay", partial(relay.run_relay, db, kafka_address(), name))


async def test_the_relay_keeps_the_order_of_each_key(db: Database, topic: str) -> None:
    """Every row leaves once, in the order in which it was written, with its headers."""
    await fill(db, topic)
    leader = asyncio.create_task(relaying(db))
    await until(lambda: is_empty(db), "the outbox to be sent")
    leader.cancel()
    records = await everything_on(topic)
    assert len(records) == ROWS
    by_key: dict[bytes, list[int]] = {}
    for record in records:
        by_key.setdefault(record.key, []).append(int(record.value))
        headers = dict(record.headers)
        assert headers["ce_subject"] == record.key
        assert headers["traceparent"] == TRACE.encode()
    assert all(values == sorted(values) for values in by_key.values())


async def is_empty(db: Database) -> bool:
    return await unsent(db) == 0


async def test_a_relay_killed_amid_a_batch_loses_nothing(
    db: Database, topic: str, name: str
) -> None:
    """Killed between sending and marking, its successor sends the rest again, order kept."""
    await fill(db, topic)
    for _ in range(3):
        with pinger_process(db, topic, name) as process:
            before = await unsent(db)
            await until(lambda n=before: fewer(db, n), "the relay to begin")  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            process.wait()
        if await unsent(db) == 0:
            break
    with pinger_process(db, topic, name):
        await until(lambda: is_empty(db), "the successor to finish")
    seen: dict[bytes, list[int]] = {}
    for record in await everything_on(topic):
        values = seen.setdefault(record.key, [])
        value = int(record.value)
        if value not in values:
            values.append(value)
    assert sum(len(values) for values in seen.values()) == ROWS
    assert all(values == sorted(values) for values in seen.values())


async def fewer(db: Database, before: int) -> bool:
    return await unsent(db) < before


def test_a_key_keeps_its_partition_for_life() -> None:
    """The relay's choice is a promise: facts of one aggregate arrive in order for years."""
    keys = [f"0197b3a0-0000-7000-8000-{n:012}".encode() for n in range(8)]
    partitions = [relay.partition_of(key, range(12), ()) for key in keys]
    assert partitions == GOLDEN


async def test_only_one_relay_leads(db: Database, topic: str) -> None:
    """With two relays at once each row is sent once."""
    await fill(db, topic)
    both = [asyncio.create_task(relaying(db, f"pinger-{n}")) for n in range(2)]
    await until(lambda: is_empty(db), "the outbox to be sent")
    for task in both:
        task.cancel()
    assert len(await everything_on(topic)) == ROWS


async def test_a_relay_outlives_an_error_of_its_own(db: Database, topic: str) -> None:
    """A row that it cannot make a record of stops the relay, but does not end it."""
    await fill(db, topic)
    spoil = sa.text("""UPDATE outbox SET headers = '{"traceparent": 1}' WHERE version = 3""")
    mend = sa.text("""UPDATE outbox SET headers = '{}' WHERE version = 3""")
    async with db.engine.begin() as tx:
        await tx.execute(spoil)
    with structlog.testing.capture_logs() as logs:
        leader = asyncio.create_task(relaying(db))

        async def has_failed_twice() -> bool:
            return len([one for one in logs if one["log_level"] == "error"]) > 1

        await until(has_failed_twice, "the relay to fail")
    async with db.engine.begin() as tx:
        await tx.execute(mend)
    await until(lambda: is_empty(db), "the outbox to be sent")
    leader.cancel()
    sent = {(record.key, record.value) for record in await everything_on(topic)}
    assert len(sent) == ROWS


class Silent:
    """A producer whose sending never ends: its broker went amid a write."""

    async def send(self, *_: Any, **__: Any) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().create_future()


async def test_a_round_that_is_never_acknowledged_ends(db: Database, topic: str) -> None:
    """The relay takes another producer, and the rows are still there to be sent."""
    await fill(db, topic)
    connection = await asyncpg.connect(db.dsn)
    silent: Any = Silent()
    try:
        with pytest.raises(TimeoutError):
            await relay.relay_once(connection, silent, asyncio.Event(), round_max_s=0.1)
    finally:
        await connection.close()
    assert await unsent(db) == ROWS


class Asked(asyncio.Event):
    """Says when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.asked.set()
        return await super().wait()


async def test_a_relay_told_to_stop_as_it_is_woken_stops(db: Database) -> None:
    """News that comes in the same moment does not make it miss the word; the process can end."""
    connection, silent, wakeup = await asyncpg.connect(db.dsn), Silent(), Asked()

    async def relays() -> None:
        while True:
            await relay.relay_once(connection, cast(Any, silent), wakeup)

    leader = asyncio.create_task(relays())
    await wakeup.asked.wait()
    wakeup.set()
    await asyncio.sleep(0)
    leader.cancel()
    ended, _ = await asyncio.wait([leader], timeout=5)
    leader.cancel()
    await connection.close()
    assert ended


STANDING_BY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'pinger-two-relay'
  AND query LIKE '%advisory%' AND state = 'idle' AND backend_xmin IS NULL"""


async def test_a_relay_that_stands_by_is_in_nobodys_way(db: Database) -> None:
    """It waits outside of statements: for days, one would keep dead rows from being cleared."""
    leads = await asyncpg.connect(db.dsn)
    await leads.execute("SELECT pg_advisory_lock(hashtext('outbox'))")
    two = asyncio.create_task(relaying(db, "pinger-two"))

    async def stands_by() -> bool:
        return bool(await leads.fetchval(STANDING_BY))

    try:
        await until(stands_by, "the second relay to wait")
    finally:
        two.cancel()
        await asyncio.gather(two, return_exceptions=True)
        await leads.close()


async def test_a_row_committed_late_is_not_lost(db: Database, topic: str) -> None:
    """Positions commit out of order: a lower one that commits later still leaves."""
    late = await asyncpg.connect(db.dsn)
    row = """INSERT INTO outbox(event_id, topic, key, version, type, payload, headers)
             VALUES (gen_random_uuid(), $1, $2, 1, 'x.v1', '{}', '{}')"""
    transaction = late.transaction()
    await transaction.start()
    await late.execute(row, topic, "late")
    async with db.engine.begin() as tx:
        await tx.execute(FILL, {"topic": topic, "keys": KEYS, "rows": 40, "trace": TRACE})
    leader = asyncio.create_task(relaying(db))
    await until(lambda: is_empty(db), "the visible rows to be sent")
    await transaction.commit()
    await late.close()
    await until(lambda: is_empty(db), "the late row to be sent")
    leader.cancel()
    assert b"late" in {record.key for record in await everything_on(topic)}
