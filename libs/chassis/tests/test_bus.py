"""Outbox, relay and subscribers on real Kafka, killed at the worst moments."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import asyncpg
import pytest
import sqlalchemy as sa
import structlog
from aiokafka import AIOKafkaConsumer
from chassis import relay
from chassis.background import for_ever
from chassis.bus import SILENT_S, STALLED_S, Bus, has_given_up
from chassis.database import Database
from chassis.settings import Settings
from chassis.testing import record_of
from contracts import topics

from .conftest import FORBIDDEN_ORDER, pinger, pings, posting
from .kafka import everything_on, kafka_address, producing, scratch_topic, until

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


@pytest.fixture
async def topic() -> AsyncIterator[str]:
    async with scratch_topic() as name:
        yield name


async def fill(db: Database, topic: str) -> None:
    async with db.engine.begin() as tx:
        await tx.execute(FILL, {"topic": topic, "keys": KEYS, "rows": ROWS, "trace": TRACE})


async def unsent(db: Database) -> int:
    async with db.reading() as tx:
        return int((await tx.execute(UNSENT)).scalar_one())


async def relaying(db: Database, name: str = "pinger") -> None:
    await for_ever("relay", partial(relay.run_relay, db, kafka_address(), name))


@pytest.fixture
async def name() -> AsyncIterator[str]:
    """A service's name that nobody else uses, with its commands topic."""
    own = f"pinger-{uuid.uuid4().hex[:6]}"
    async with scratch_topic(f"{own}.commands"):
        yield own


@contextmanager
def pinger_process(db: Database, topic: str, name: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The tiny service as a process; killed hard at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        **os.environ,
        "HOLDFAST_DATABASE_URL": db.engine.url.render_as_string(hide_password=False),
        "HOLDFAST_KAFKA": kafka_address(),
        "HOLDFAST_HTTP_PORT": str(port),
        "HOLDFAST_LOG_LEVEL": "WARNING",
    }
    script = str(Path(__file__).with_name("pinger_app.py"))
    process = subprocess.Popen([sys.executable, script, topic, name], env=env)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


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


async def test_consumers_killed_at_random_handle_each_record_once(
    db: Database, topic: str, name: str
) -> None:
    """Kill -9 between commit and acknowledgement neither loses nor doubles a record."""
    chance, count = random.Random(7), 2_000
    async with producing() as producer:
        for _ in range(count):
            record = record_of(posting(), 1)
            headers = [(key, value.encode()) for key, value in record.headers.items()]
            await producer.send(topic, record.payload, key=record.key.encode(), headers=headers)
        await producer.flush()
    for target in sorted(chance.sample(range(1, count), 2)):
        with pinger_process(db, topic, name):
            await until(lambda n=target: reached(db, n), f"{target} records")  # type: ignore[misc]
    with pinger_process(db, topic, name):
        await until(lambda: reached(db, count), "all records")
    assert await pings(db) == count


async def reached(db: Database, count: int) -> bool:
    return await pings(db) >= count


async def test_poison_on_the_bus_stops_nobody(db: Database, topic: str, name: str) -> None:
    """Garbage bytes, bad headers and a refused record are set aside; the rest is handled."""
    good = [record_of(posting(), 1) for _ in range(30)]
    refused = record_of(posting(order_id=FORBIDDEN_ORDER), 1)
    async with producing() as producer:
        await producer.send_and_wait(topic, b"\x00\xff", key=b"k", headers=[("ce_id", b"\xff")])
        for record in [*good[:10], refused, *good[10:]]:
            headers = [(key, value.encode()) for key, value in record.headers.items()]
            await producer.send(topic, record.payload, key=record.key.encode(), headers=headers)
        await producer.flush()
    with pinger_process(db, topic, name):
        await until(lambda: reached(db, len(good)), "the good records")
        await until(lambda: parked_count(db), "the refused one to be parked")
        await until(lambda: dead_letters(db), "the garbage to become a dead letter")
    assert await pings(db) == len(good)


async def test_a_foreign_record_holds_up_nobody(db: Database, topic: str, name: str) -> None:
    """A header without a value, a NUL where a table takes none: the facts around are handled."""
    foreign: list[tuple[bytes, tuple[str, bytes | None]]] = [
        (b"k", ("ce_id", None)),
        (b"k\0", ("ce_type", b"x.v1")),
        (b"k", ("ce_type", b"x\0")),
    ]
    async with producing() as producer:
        for key, own in foreign:
            strange = [("ce_id", str(uuid.uuid4()).encode()), ("ce_type", b"x.v1"), own]
            await producer.send_and_wait(topic, b"{}", key=key, headers=strange)
            fact = record_of(posting(), 1)
            headers = [(name, value.encode()) for name, value in fact.headers.items()]
            ours = [*headers, ("tracestate", None)]
            await producer.send_and_wait(topic, fact.payload, key=fact.key.encode(), headers=ours)
    with pinger_process(db, topic, name):
        await until(lambda: reached(db, len(foreign)), "the facts", 20)
        await until(lambda: dead_letters(db, len(foreign)), "the foreign ones to be dead letters")


async def parked_count(db: Database) -> bool:
    async with db.reading() as tx:
        found = await tx.execute(sa.text("SELECT count(*) FROM parked"))
        return int(found.scalar_one()) == 1


async def dead_letters(db: Database, count: int = 1) -> bool:
    async with db.reading() as tx:
        statement = sa.text("SELECT count(*) FROM outbox WHERE topic = :topic")
        found = await tx.execute(statement, {"topic": topics.DEAD_LETTERS})
        return int(found.scalar_one()) == count


def test_a_batch_that_hangs_ends_the_process(db: Database) -> None:
    """A handler that never comes back is noticed, though Kafka has nothing more to fetch."""
    bus = Bus("pinger", Settings(), pinger.subscriptions, db, 0.02)
    begun = time.monotonic()
    assert not bus.is_stalled(0, begun + STALLED_S + 1)
    bus._busy, bus._progressed_at = True, begun
    assert not bus.is_stalled(0, begun + STALLED_S - 1)
    assert bus.is_stalled(0, begun + STALLED_S + 1)


@pytest.mark.parametrize(
    "work",
    [
        lambda consumer: consumer._coordinator._coordination_task,
        lambda consumer: consumer._fetcher._fetch_task,
    ],
)
async def test_a_consumer_that_has_given_up_is_noticed(
    work: Callable[[AIOKafkaConsumer], "asyncio.Task[None]"],
) -> None:
    """Its background work ended by an error that the library does not expect: all is silent."""
    assert not has_given_up(None)
    async with scratch_topic() as topic:
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=kafka_address(), group_id=f"lost-{uuid.uuid4()}"
        )
        await consumer.start()
        try:
            assert not has_given_up(consumer)
            work(consumer).cancel()
            await asyncio.wait([work(consumer)])
            assert has_given_up(consumer)
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await consumer.stop()


async def test_a_consumer_that_hears_nothing_is_noticed(db: Database) -> None:
    """Its fetches are answered no more, while it thinks that it is connected: all is silent."""
    bus = Bus("pinger", Settings(), pinger.subscriptions, db, 0.02)
    async with scratch_topic() as topic:
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=kafka_address(), group_id=f"silent-{uuid.uuid4()}"
        )
        await consumer.start()
        try:
            later = itertools.count(time.monotonic(), SILENT_S + 1)

            async def hears() -> bool:
                return not bus.is_silent(consumer, next(later))

            async def hears_nothing() -> bool:
                return not await hears()

            await until(hears, "an answer to a fetch")
            consumer.pause(*consumer.assignment())
            await until(hears_nothing, "the silence to be noticed")
            bus._busy = True
            assert await hears(), "while a batch is handled nothing is fetched"
        finally:
            await consumer.stop()


def test_lag_without_progress_ends_the_process_unless_the_database_is_away(db: Database) -> None:
    """Records wait and none is handled: the supervisor shall start anew."""
    bus = Bus("pinger", Settings(), pinger.subscriptions, db, 0.02)
    begun = time.monotonic()
    bus._progressed_at = begun
    assert bus.is_stalled(7, begun + STALLED_S + 1)
    next(iter(bus.consumers.values())).waiting = True
    assert not bus.is_stalled(7, begun + STALLED_S + 1)
