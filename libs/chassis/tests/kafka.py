"""Topics of a test's own on the real broker, what lies on them, and a process that follows them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from chassis.database import Database

PARTITIONS = 3


def kafka_address() -> str:
    address = os.environ.get("HOLDFAST_KAFKA")
    if address is None:
        raise pytest.UsageError("No test broker: run `make test`, or `eval $(make -s test-env)`.")
    return address


@asynccontextmanager
async def scratch_topic(name: str = "") -> AsyncIterator[str]:
    """A topic that nobody else uses; deleted at the end."""
    name = name or f"test.{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address())
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
        yield name
        await admin.delete_topics([name])
    finally:
        await admin.close()


async def everything_on(topic: str) -> list[ConsumerRecord]:
    """All records of the topic, in order per partition, up to its present end."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_address(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        parts = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        records: list[ConsumerRecord] = []
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records += batch
        return records
    finally:
        await consumer.stop()


@asynccontextmanager
async def producing() -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka_address(), acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for an awaitable condition; fail with what was waited for."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        result = condition()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        await asyncio.sleep(0.05)


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
