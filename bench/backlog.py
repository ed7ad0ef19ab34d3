"""What still waits to be done behind the orders: unsent facts, unread records, mails, papers."""

import asyncio
from collections.abc import Mapping
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from contracts.topics import PARTITIONS

from bench.databases import OWNED, connect
from bench.system import System

UNSENT = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
MORE: Mapping[str, str] = {
    "notifications": "SELECT count(*) FROM messages WHERE state IN ('queued', 'sending')",
    "devices": "SELECT count(*) FROM print_jobs WHERE state IN ('queued', 'printing')",
}
LOOK_AGAIN_S = 0.3


class Backlog:
    """Looks into every outbox, every consumer group and both queues of the outside world."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._admin = AIOKafkaAdminClient(bootstrap_servers=system.kafka)
        self._ends = AIOKafkaConsumer(bootstrap_servers=system.kafka)

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._ends.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._ends.stop()
        await self._admin.close()

    async def emptied(self, limit_s: float) -> bool:
        """Wait until nothing waits, twice in a row; False if that took too long."""
        deadline = asyncio.get_running_loop().time() + limit_s
        empty = 0
        while empty < 2:
            empty = empty + 1 if not await self.waiting() else 0
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(LOOK_AGAIN_S)
        return True

    async def waiting(self) -> int:
        """How many rows and records wait."""
        return await asyncio.to_thread(self._rows) + await self._records()

    def _rows(self) -> int:
        waiting = 0
        for service in OWNED:
            questions = [UNSENT, *([MORE[service]] if service in MORE else [])]
            with connect(self._system.instance, service) as database:
                for question in questions:
                    row = database.execute(question).fetchone()
                    assert row is not None
                    waiting += row[0]
        return waiting

    async def _records(self) -> int:
        waiting = 0
        for group, *_ in await self._admin.list_consumer_groups():
            read = await self._admin.list_consumer_group_offsets(group)
            # A group has no place where it acknowledged nothing yet: there all of it waits.
            topics = {place.topic for place in read}
            parts = [TopicPartition(one, number) for one in topics for number in range(PARTITIONS)]
            ends = await self._ends.end_offsets(parts)
            waiting += sum(ends[one] - (read[one].offset if one in read else 0) for one in parts)
        return waiting
