"""Subscribers on real Kafka, killed at the worst moments."""

import asyncio
import contextlib
import itertools
import random
import time
import uuid
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer
from chassis.bus import SILENT_S, STALLED_S, Bus, has_given_up
from chassis.database import Database
from chassis.settings import Settings
from chassis.testing import record_of
from contracts import topics

from .conftest import FORBIDDEN_ORDER, pinger, pings, posting
from .kafka import kafka_address, pinger_process, producing, scratch_topic, until


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
