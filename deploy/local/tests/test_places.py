"""How far a service has read: written down, set back on a real broker, and what came since."""

import os
import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from contracts.topics import PARTITIONS
from local import places
from local.refusals import CannotStart

KAFKA = os.environ.get("HOLDFAST_KAFKA", "")


@pytest.fixture
async def topic() -> AsyncIterator[str]:
    """A topic of the test's own with one partition."""
    if not KAFKA:
        raise pytest.UsageError("No test broker: run `make test`.")
    name = f"test.{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=KAFKA)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1)])
    yield name
    await admin.delete_topics([name])
    await admin.close()


async def say(topic: str, *versions: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=KAFKA) as producer:
        for version in versions:
            headers = [("version", str(version).encode()), ("ce_type", b"said.v1")]
            await producer.send_and_wait(topic, b'{"n": 1}', key=b"k", headers=headers)


async def read_all(topic: str, group: str, count: int) -> list[int]:
    """What a service of this name reads from where it stands, committed; as many as expected."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=KAFKA,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        found = [await consumer.getone() for _ in range(count)]
        await consumer.commit()
        return [int(dict(record.headers)["version"]) for record in found]
    finally:
        await consumer.stop()


async def test_a_service_reads_again_what_came_since(topic: str) -> None:
    """Set back to an earlier place, it is given exactly what the list says."""
    group = f"service-{uuid.uuid4().hex}"
    await say(topic, 1, 2)
    assert await read_all(topic, group, 2) == [1, 2]
    then = await places.read_by(KAFKA, group)
    assert then == {topic: {"0": 2}}
    await say(topic, 3, 4)
    assert await read_all(topic, group, 2) == [3, 4]

    await places.set_back(KAFKA, group, then)

    (stretch,) = await places.since(KAFKA, then)
    assert (stretch.key, stretch.first_version, stretch.last_version) == ("k", 3, 4)
    assert stretch.types == ["said.v1", "said.v1"]
    assert await read_all(topic, group, 2) == [3, 4]


async def test_a_service_that_still_runs_is_not_set_back(topic: str) -> None:
    """Its place is its own while it reads: setting it back is refused when the time is over."""
    group = f"service-{uuid.uuid4().hex}"
    await say(topic, 1)
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=KAFKA, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        with pytest.raises(CannotStart):
            await places.set_back(KAFKA, group, {topic: {"0": 0}}, seconds=3)
    finally:
        await consumer.stop()


def test_what_was_never_read_is_read_from_its_beginning() -> None:
    """A partition without a place, then or now, is set back to where it begins."""
    now = {"orders.orders": {"0": 9, "1": 4}, "orders.items": {"2": 1}}
    then = {"orders.orders": {"0": 5}}
    nothing = dict.fromkeys(map(str, range(PARTITIONS)), 0)
    expected = {"orders.orders": {**nothing, "0": 5}, "orders.items": nothing}
    assert places.as_then(now, then) == expected


def test_a_service_says_facts_and_states_and_hears_commands() -> None:
    """Of all topics those on which billing itself tells what happened."""
    everything = {"billing.accounts": {"0": 1}, "billing.commands": {"0": 1}, "orders.orders": {}}
    assert places.said_by("billing", everything) == {"billing.accounts": {"0": 1}}
