"""How far the services have read and the topics reach: written down, set back, and compared."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from contracts.topics import BY_NAME, CUSTOMERS, PARTITIONS, TOPICS

from local.refusals import CannotStart

Places = dict[str, dict[str, int]]  # Offset by partition (JSON's keys are text) by topic.
GROUP_EMPTY_SECONDS = 120.0  # A stopped member counts until its session ends.


@dataclass
class Stretch:
    """What one key's records since a backup are: how many, of which versions, of which types."""

    topic: str
    key: str
    first_version: int
    last_version: int
    types: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)


async def read_by(kafka: str, service: str) -> Places:
    """The place in each topic up to which a service has read."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(service)
    finally:
        await admin.close()
    return _as_places({part: place.offset for part, place in found.items()})


def _as_places(offsets: Mapping[TopicPartition, int]) -> Places:
    places: Places = {}
    for part, offset in offsets.items():
        places.setdefault(part.topic, {})[str(part.partition)] = offset
    return places


def as_then(now: Places, then: Places) -> Places:
    """The places of then in all topics of now; where nothing was read yet, the beginning.

    A group has a place in a partition from its first acknowledgement there.
    """
    numbers = [str(number) for number in range(PARTITIONS)]
    return {topic: {n: then.get(topic, {}).get(n, 0) for n in numbers} for topic in now}


async def ends(kafka: str) -> Places:
    """Where each topic ends."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        parts = [TopicPartition(t.name, number) for t in TOPICS for number in range(PARTITIONS)]
        return _as_places(await consumer.end_offsets(parts))
    finally:
        await consumer.stop()


async def set_back(
    kafka: str, service: str, places: Places, seconds: float = GROUP_EMPTY_SECONDS
) -> None:
    """Let a stopped service read again from these places; what it knows already it recognises."""
    offsets = {
        TopicPartition(topic, int(number)): place
        for topic, partitions in places.items()
        for number, place in partitions.items()
    }
    # Each refusal is one of the tries: the library need not log it as an error.
    logging.getLogger("aiokafka.consumer.group_coordinator").setLevel(logging.CRITICAL)
    deadline = monotonic() + seconds
    while offsets:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka, group_id=service, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign(list(offsets))
            await consumer.commit(offsets)
            return
        except KafkaError as error:
            if monotonic() > deadline:
                raise CannotStart(f"Kafka does not let {service} read again: {error}.") from error
        finally:
            await consumer.stop()
        await asyncio.sleep(1)


async def since(kafka: str, places: Places) -> list[Stretch]:
    """What came on these topics after these places, by topic and key."""
    found: dict[tuple[str, str], Stretch] = {}
    async for record in _records(kafka, places):
        headers = {name: value.decode(errors="replace") for name, value in record.headers}
        key, version = (record.key or b"").decode(errors="replace"), int(headers.get("version", 0))
        stretch = found.setdefault(
            (record.topic, key), Stretch(record.topic, key, version, version)
        )
        stretch.first_version = min(stretch.first_version, version)
        stretch.last_version = max(stretch.last_version, version)
        stretch.types.append(headers.get("ce_type", "unknown"))
        # Names and addresses stay where they are.
        stretch.bodies.append(None if record.topic == CUSTOMERS else _body(record))
    return [found[place] for place in sorted(found)]


def _body(record: ConsumerRecord) -> Any:
    try:
        return json.loads(record.value or b"null")
    except ValueError:
        return None


async def _records(kafka: str, places: Places) -> AsyncIterator[ConsumerRecord]:
    starts = {
        TopicPartition(topic, int(number)): place
        for topic, partitions in places.items()
        for number, place in partitions.items()
    }
    if not starts:
        return
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        finish = await consumer.end_offsets(list(starts))
        consumer.assign([part for part, place in starts.items() if place < finish[part]])
        for part in consumer.assignment():
            consumer.seek(part, starts[part])
        while await _is_behind(consumer, finish):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                for record in batch:
                    yield record
    finally:
        await consumer.stop()


async def _is_behind(consumer: AIOKafkaConsumer, finish: Mapping[TopicPartition, int]) -> bool:
    for part in consumer.assignment():
        if await consumer.position(part) < finish[part]:
            return True
    return False


def said_by(service: str, places: Places) -> Places:
    """Of these topics the ones on which the service itself tells what happened."""
    return {
        topic: partitions
        for topic, partitions in places.items()
        if BY_NAME[topic].owner == service and BY_NAME[topic].kind in ("fact", "state")
    }
