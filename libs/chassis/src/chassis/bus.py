"""Kafka: FastStream's batch subscribers carry the service's subscriptions."""

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from chassis import parking, telemetry
from chassis.background import in_background
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.records import Record, record_of
from chassis.settings import Settings
from chassis.subscriptions import Subscription

log = structlog.get_logger()
RECORDS_MAX = 500
# FastStream sleeps this long again after an empty poll: longer makes every hop slower.
BATCH_TIMEOUT_MS = 20
LINGER_MAX_S = 0.2
STALLED_S = 60.0
# What the library asks of Kafka and is never told would be waited for this long; a rebalance takes
# up to ten seconds.
REQUEST_MAX_MS = 15_000
SILENT_S = 20.0
PING_S = 2.0
WATCH_S = 5.0
POSITION_S = 0.2
EXIT_STALLED = 70


class Bus:
    """One consumer for all of a service's topics, and the watchdog that ends the process when it
    is stuck.

    One, not one per subscriber: an idle consumer polls all the same, and two dozen of them keep a
    small machine busy with nothing.
    """

    def __init__(
        self,
        service: str,
        settings: Settings,
        subscriptions: Sequence[Subscription],
        db: Database,
        linger_s: float,
    ) -> None:
        self.service, self.settings, self.db = service, settings, db
        self.linger_s = linger_s
        self.consumers = {s.name: Consumer(service, s, db) for s in subscriptions}
        self._progressed_at = self._heard_at = time.monotonic()
        self._heard_ms = 0
        self._busy = False
        self.ready = False
        self.broker = KafkaBroker(
            settings.kafka.split(","),
            client_id=f"{service}-{settings.replica}",
            allow_auto_create_topics=False,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=REQUEST_MAX_MS,
            logger=None,
            # Types would be applied, and the handler's arguments found, in a thread for each batch.
            apply_types=False,
        )
        self._subscriber: Any = self.broker.subscriber(
            *sorted({s.topic for s in subscriptions}),
            batch=True,
            group_id=service,
            # Static membership: a restart keeps its partitions without a rebalance.
            group_instance_id=f"{service}.{settings.replica}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            max_records=RECORDS_MAX,
            batch_timeout_ms=BATCH_TIMEOUT_MS,
            parser=_parse,
            decoder=_hand_over,
        )
        self._subscriber(self._consume)

    async def _consume(self, raws: Sequence[ConsumerRecord]) -> None:
        """Give each subscriber the records of its topic; all of them are done before the commit.

        Nothing is fetched meanwhile: a fetch that waits comes back with the first record alone,
        and every second batch would be of one.
        """
        paused, begun = self._pause(), time.monotonic()
        self._busy, self._progressed_at = True, begun
        try:
            await self._give(raws)
        finally:
            self._busy, self._progressed_at = False, time.monotonic()
            if len(raws) < RECORDS_MAX:
                await asyncio.sleep(self._linger_s(self._progressed_at - begun))
            self._resume(paused)

    def _linger_s(self, took_s: float) -> float:
        """How long the next batch may gather: on a busy machine as long as this one took."""
        return max(self.linger_s, min(took_s, LINGER_MAX_S))

    def _pause(self) -> set[TopicPartition]:
        consumer: AIOKafkaConsumer = self._subscriber.consumer
        partitions = set(consumer.assignment())
        consumer.pause(*partitions)
        return partitions

    def _resume(self, partitions: set[TopicPartition]) -> None:
        consumer: AIOKafkaConsumer | None = self._subscriber.consumer
        if consumer is not None:  # None while the process stops.
            consumer.resume(*(partitions & set(consumer.assignment())))

    async def _give(self, raws: Sequence[ConsumerRecord]) -> None:
        by_topic: dict[str, list[Record]] = {}
        for raw in raws:
            by_topic.setdefault(raw.topic, []).append(record_of(raw))
        work = [
            consumer.consume(by_topic[consumer.subscription.topic])
            for consumer in self.consumers.values()
            if consumer.subscription.topic in by_topic
        ]
        results = await asyncio.gather(*work, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Consume while the block runs, from when Kafka is there; then leave the group."""
        try:
            async with (
                in_background({"bus": self._watch}, WATCH_S),
                in_background({"gaps": self._mind_gaps}, parking.REPUBLISH_AGAIN_S),
            ):
                yield
        finally:
            self.ready = False
            await self.broker.stop()

    async def _watch(self) -> None:
        """Connect; once connected, end the process when it consumes no more."""
        if not self.ready:
            await self._connect()
            return
        consumer: AIOKafkaConsumer = self._subscriber.consumer
        if has_given_up(consumer):
            log.error("the consumer has given up, the process ends")
            os._exit(EXIT_STALLED)
        if self.is_silent(consumer, time.monotonic()):
            await self._doubt(consumer)
        lag = await _lag(consumer)
        telemetry.LAG.set(lag)
        if self.is_stalled(lag, time.monotonic()):
            log.error("the consumer is stuck, the process ends", lag=lag)
            os._exit(EXIT_STALLED)

    async def _doubt(self, consumer: AIOKafkaConsumer) -> None:
        """End the process if Kafka answers while the consumer still hears nothing."""
        if not await self.broker.ping(PING_S):
            self._heard_at = time.monotonic()  # Kafka is away: from when it is back it counts.
            return
        await asyncio.sleep(WATCH_S)  # A process that was frozen hears now what waited for it.
        if self.is_silent(consumer, time.monotonic()):
            log.error("Kafka answers, but not the consumer; the process ends")
            os._exit(EXIT_STALLED)

    async def _connect(self) -> None:
        try:
            await self.broker.start()
        except BaseException:
            await self.broker.stop()
            raise
        self._heard_at = time.monotonic()
        self.ready = True

    def is_stalled(self, lag: int, now: float) -> bool:
        """Whether a batch hangs, or records wait and none is fetched, for too long.

        Waiting for the database is no fault of the bus.
        """
        idle = lag == 0 and not self._busy
        if idle or any(consumer.waiting for consumer in self.consumers.values()):
            self._progressed_at = now
        return now - self._progressed_at > STALLED_S

    def is_silent(self, consumer: AIOKafkaConsumer, now: float) -> bool:
        """Whether no fetch was answered for too long, though there are partitions to fetch from.

        The library may wait for good for an answer that went with the connection.
        """
        answers = (consumer.last_poll_timestamp(one) or 0 for one in consumer.assignment())
        newest = max(answers, default=0)
        idle = not consumer.assignment() and not consumer._subscription.reassignment_in_progress
        if self._busy or idle or newest != self._heard_ms:
            self._heard_ms, self._heard_at = newest, now
        return now - self._heard_at > SILENT_S

    async def _mind_gaps(self) -> None:
        """Ask again for what is still missing: the first wish may have come too early."""
        await self.db.run(parking.ask_for_open_gaps)
        telemetry.PARKED.set(await self.db.run(parking.count_open))


def has_given_up(consumer: AIOKafkaConsumer | None) -> bool:
    """Whether the library keeps its place in the group no more, or fetches no more.

    An error that it does not expect ends either for good, as when the broker goes amid a write. It
    tells whoever asks for records, and FastStream only asks again.
    """
    if consumer is None:
        return False
    works = (consumer._coordinator._coordination_task, consumer._fetcher._fetch_task)
    return any(work.done() for work in works)


async def _lag(consumer: AIOKafkaConsumer | None) -> int:
    """Records that the partitions hold behind what was consumed, as far as fetches told."""
    if consumer is None:
        return 0
    lag = 0
    for partition in consumer.assignment():
        high = consumer.highwater(partition)
        if high is None:
            continue
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(POSITION_S):
                position = await consumer.position(partition)
            lag += max(0, high - position)
    return lag


async def _parse(
    raws: tuple[ConsumerRecord, ...],
    parse: Callable[[tuple[ConsumerRecord, ...]], Awaitable[KafkaMessage]],
) -> KafkaMessage:
    """FastStream decodes the headers of each record, and would fail for ever on bad bytes."""
    ends = tuple(dataclasses.replace(record, headers=()) for record in (raws[0], raws[-1]))
    message = await parse(ends)
    message.raw_message = raws
    message.consumer = _Places(message.consumer, raws)
    return message


class _Places:
    """The consumer as the acknowledgement of one batch knows it: at the end of this batch.

    The consumer's own commit writes every partition that it has, most of which did not move.
    """

    def __init__(self, consumer: Any, raws: Sequence[ConsumerRecord]) -> None:
        self._consumer = consumer
        self._ends = {TopicPartition(raw.topic, raw.partition): raw.offset + 1 for raw in raws}

    async def commit(self) -> None:
        """Note how far this batch came, where it is still ours to note."""
        mine = self._consumer.assignment()
        ends = {partition: end for partition, end in self._ends.items() if partition in mine}
        if ends:
            await self._consumer.commit(ends)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go back to where a batch that failed begins."""
        self._consumer.seek(partition, offset)


async def _hand_over(message: KafkaMessage) -> tuple[ConsumerRecord, ...]:
    """The records as they came: the contract parses the bodies."""
    raws: tuple[ConsumerRecord, ...] = message.raw_message
    return raws
