"""What stands in for Kafka: the same order per key, and every other order that Kafka may choose."""

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiokafka.errors import KafkaConnectionError
from chassis.consumer import Consumer
from chassis.records import Record

SEND_FAILS = 0.02  # Of the records: the relay starts again, and sends what it had sent.
KILLED = 0.15  # Of the batches, between the commit and the acknowledgement.
DELIVERIES_MAX = 3
KEYS_MAX = 12  # Of one batch.


@dataclass(slots=True)
class Delivery:
    """A record on its way to one follower, and how often it was handed over."""

    record: Record
    times: int = 0


@dataclass(slots=True)
class Follower:
    """One subscriber of one service: what waits for it, by key."""

    topic: str
    consumer: Consumer
    queues: dict[str, deque[Delivery]] = field(default_factory=dict)

    def waiting(self) -> list[str]:
        return [key for key, queue in self.queues.items() if queue]


class Topics:
    """Carries records from the outboxes to the followers, and is what relays take for a producer.

    Per key and topic the order stays (E7: nothing else does). A record comes up to three times: a
    relay that dies sends again (E17), a consumer that dies before it acknowledged is given the
    batch again, whole or in other pieces (E6).
    """

    def __init__(self, chance: random.Random, followers: Sequence[Follower]) -> None:
        self.chance, self.followers = chance, followers

    async def send(
        self, topic: str, value: bytes | None, key: bytes, headers: Iterable[tuple[str, bytes]]
    ) -> "asyncio.Future[None]":
        """Take a record as Kafka would; now and then the connection breaks instead."""
        if self.chance.random() < SEND_FAILS:
            raise KafkaConnectionError("the town's broker is away")
        text = {name: content.decode() for name, content in headers}
        record = Record(topic, 0, key.decode(), value, text)
        for follower in self.followers:
            if follower.topic == topic:
                follower.queues.setdefault(record.key, deque()).append(Delivery(record))
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent

    def waiting(self) -> list[Follower]:
        """Those for whom something is there."""
        return [follower for follower in self.followers if follower.waiting()]

    async def deliver(self, follower: Follower) -> None:
        """Hand over a batch; acknowledge it unless the consumer is killed after its commit."""
        batch = self.pick(follower)
        await follower.consumer.consume([delivery.record for delivery in batch])
        self.acknowledge(follower, batch)

    def pick(self, follower: Follower) -> list[Delivery]:
        """Some of what waits, of some keys, from the front of each."""
        keys = follower.waiting()
        chosen = self.chance.sample(keys, self.chance.randint(1, min(len(keys), KEYS_MAX)))
        batch: list[Delivery] = []
        for key in chosen:
            queue = follower.queues[key]
            batch += [queue[n] for n in range(self.chance.randint(1, len(queue)))]
        return batch

    def acknowledge(self, follower: Follower, batch: Sequence[Delivery]) -> None:
        """Forget what was handled, or hand it over once more: the consumer was killed."""
        killed = self.chance.random() < KILLED
        for delivery in batch:
            delivery.times += 1
        if killed and all(delivery.times < DELIVERIES_MAX for delivery in batch):
            return
        for delivery in batch:
            follower.queues[delivery.record.key].popleft()
