"""The relay: moves saved messages from the outbox to Kafka, in order, one leader per database."""

import asyncio
import contextlib
import json
import time
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer

from chassis import plumbing, telemetry
from chassis.background import in_background
from chassis.database import Database

log = structlog.get_logger()
ROWS_MAX = 500
# After a round that was not full, so that a batch gathers: on a busy machine as long as it took.
PAUSE_S, PAUSE_MAX_S = 0.01, 0.1
POLL_S = 1.0
UPKEEP_S = 3600.0
# Who lost its server amid a write may wait for ever, without a word.
ROUND_MAX_S, STOP_MAX_S = 15.0, 5.0

SELECT = """
SELECT position, event_id, topic, key, version, type, payload, headers, created_at
FROM outbox WHERE published_at IS NULL ORDER BY position LIMIT $1"""
MARK = """
UPDATE outbox SET published_at = now()
WHERE position = ANY($1::bigint[]) AND created_at >= $2 AND created_at <= $3"""


async def run_relay(db: Database, kafka: str, service: str) -> None:
    """Relay until an error; begun anew, it takes a new producer and the lowest unsent row."""
    connection = await asyncpg.connect(
        db.dsn,
        server_settings={"application_name": f"{service}-relay"},
        command_timeout=ROUND_MAX_S,
    )
    try:
        await _become_leader(connection)
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka,
            acks="all",
            enable_idempotence=True,
            max_batch_size=262_144,
            partitioner=partition_of,
        )
        upkeep = {work.__name__: partial(db.run, work) for work in plumbing.UPKEEP}
        try:
            async with asyncio.timeout(ROUND_MAX_S):
                await producer.start()
            log.info("relay leads")
            async with in_background(upkeep, UPKEEP_S):
                while True:
                    await relay_once(connection, producer, db.changes.relay_wakeup)
        finally:
            await _close(producer)
    finally:
        connection.terminate()


async def _close(producer: AIOKafkaProducer) -> None:
    """Stop it; what it cannot send is dropped, for the rows are unsent in the outbox."""
    try:
        async with asyncio.timeout(STOP_MAX_S):
            await producer.stop()
    except TimeoutError:
        log.warning("a producer that does not end is dropped")
        producer._sender.sender_task.cancel()
        async with asyncio.timeout(STOP_MAX_S):
            await producer.client.close()


async def _become_leader(connection: "asyncpg.Connection[Any]") -> None:
    """Wait, however long, for a lock of the session: when its holder dies, another gets it."""
    while True:
        # A statement that waits for it would keep the server from clearing dead rows meanwhile.
        if await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('outbox'))"):
            return
        await asyncio.sleep(POLL_S)


def partition_of(key: bytes, partitions: Sequence[int], _available: Sequence[int]) -> int:
    """The partition of a key, for life: CRC-32; the library's own, in Python, is dearer by far."""
    return partitions[zlib.crc32(key) % len(partitions)]


async def relay_once(
    connection: "asyncpg.Connection[Any]",
    producer: AIOKafkaProducer,
    wakeup: asyncio.Event,
    round_max_s: float = ROUND_MAX_S,
) -> int:
    """Send one round, oldest first; when there is nothing, wait for a wake-up or a second.

    A crash before the rows are marked sends them again: followers know what they have seen.
    TimeoutError when Kafka does not acknowledge the round in time: it takes another producer.
    """
    wakeup.clear()
    rows = await connection.fetch(SELECT, ROWS_MAX)
    if not rows:
        telemetry.OUTBOX_AGE.set(0)
        # The time limit is the poll: a NOTIFY may have been lost. Python 3.11's `wait_for` forgets
        # that it was cancelled when what it waits for comes in the same moment.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await wakeup.wait()
        return 0
    begun = time.monotonic()
    telemetry.OUTBOX_AGE.set(_age_s(rows[0]))
    async with asyncio.timeout(round_max_s):
        sent = [
            await producer.send(
                row["topic"], row["payload"], key=row["key"].encode(), headers=_headers(row)
            )
            for row in rows
        ]
        await asyncio.gather(*sent)
    times = [row["created_at"] for row in rows]
    await connection.execute(MARK, [row["position"] for row in rows], min(times), max(times))
    telemetry.RELAYED.inc(len(rows))
    if len(rows) < ROWS_MAX:
        await asyncio.sleep(max(PAUSE_S, min(time.monotonic() - begun, PAUSE_MAX_S)))
    return len(rows)


def _age_s(row: asyncpg.Record) -> float:
    created_at = row["created_at"]
    return float(max(0.0, (created_at.now(created_at.tzinfo) - created_at).total_seconds()))


def _headers(row: asyncpg.Record) -> list[tuple[str, bytes]]:
    """CloudEvents 1.0 in binary mode, the aggregate's version, and the trace."""
    source = row["topic"].split(".")[0]
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(row["event_id"]),
        "ce_type": row["type"],
        "ce_source": f"/holdfast/{source}",
        "ce_time": row["created_at"].isoformat(),
        "ce_subject": row["key"],
        "content-type": "application/json",
        "version": str(row["version"]),
        **json.loads(row["headers"]),
    }
    return [(name, value.encode()) for name, value in headers.items()]
