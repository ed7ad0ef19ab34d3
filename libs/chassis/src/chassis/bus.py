"""Kafka: FastStream's batch subscribers carry the service's subscriptions."""

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from chassis import parking, telemetry
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.records import Record
from chassis.settings import Settings
from chassis.subscriptions import Subscription

log = structlog.get_logger()
RECORDS_MAX = 500
# FastStream sleeps this long again after an empty poll: longer makes every hop slower.
BATCH_TIMEOUT_MS = 20
PAUSE_S = 0.005  # After a batch that was not full, so that the next one gathers.
STALLED_S = 60.0
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
        self, service: str, settings: Settings, subscriptions: Sequence[Subscription], db: Database
    ) -> None:
        self.service, self.settings, self.db = service, settings, db
        self.consumers = {s.name: Consumer(service, s, db) for s in subscriptions}
        self._progressed_at = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        self.ready = False
        self.broker = KafkaBroker(
            settings.kafka,
            client_id=f"{service}-{settings.replica}",
            allow_auto_create_topics=False,
            acks="all",
            enable_idempotence=True,
            logger=None,
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
            decoder=_leave_bytes,
        )
        self._subscriber(self._consume)

    async def _consume(self, message: KafkaMessage) -> None:
        """Give each subscriber the records of its topic; all of them are done before the commit."""
        records = [_record(raw) for raw in message.raw_message]
        by_topic: dict[str, list[Record]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        work = [
            consumer.consume(by_topic[consumer.subscription.topic])
            for consumer in self.consumers.values()
            if consumer.subscription.topic in by_topic
        ]
        results = await asyncio.gather(*work, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        self._progressed_at = time.monotonic()
        if len(records) < RECORDS_MAX:
            await asyncio.sleep(PAUSE_S)

    async def start(self) -> None:
        """Connect when Kafka is there, however long that takes, and begin to consume."""
        while True:
            try:
                await self.broker.start()
                break
            except (OSError, KafkaError) as error:
                log.info("waiting for Kafka", address=self.settings.kafka, error=repr(error))
                await self.broker.stop()
                await asyncio.sleep(1)
        self.ready = True
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._mind_gaps())]

    async def stop(self) -> None:
        """Leave the groups and close."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await self.broker.stop()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            lag = await _lag(self._subscriber.consumer)
            telemetry.LAG.set(lag)
            # Waiting for the database is no fault of the bus.
            if lag == 0 or any(consumer.waiting for consumer in self.consumers.values()):
                self._progressed_at = time.monotonic()
            elif time.monotonic() - self._progressed_at > STALLED_S:
                log.error("the consumer is stuck, the process ends", lag=lag)
                os._exit(EXIT_STALLED)

    async def _mind_gaps(self) -> None:
        """Ask again for what is still missing: the first wish may have come too early."""
        while True:
            await asyncio.sleep(parking.REPUBLISH_AGAIN_S)
            try:
                await self.db.run(parking.ask_for_open_gaps)
                telemetry.PARKED.set(await self.db.run(parking.count_open))
            except Exception:
                log.exception("gaps not asked for, again in half a minute")


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
            position = await asyncio.wait_for(consumer.position(partition), POSITION_S)
            lag += max(0, high - position)
    return lag


def _record(raw: ConsumerRecord) -> Record:
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        key=(raw.key or b"").decode(errors="replace"),
        payload=raw.value,
        headers={name: value.decode(errors="replace") for name, value in raw.headers},
    )


async def _parse(
    raw: tuple[ConsumerRecord, ...],
    parse: Callable[[tuple[ConsumerRecord, ...]], Awaitable[KafkaMessage]],
) -> KafkaMessage:
    """FastStream decodes the headers of each record, and would fail for ever on bad bytes."""
    safe = tuple(dataclasses.replace(record, headers=()) for record in raw)
    message = await parse(safe)
    message.raw_message = raw
    return message


async def _leave_bytes(message: KafkaMessage) -> bytes:
    """The contract parses the body: FastStream need not."""
    return b""
