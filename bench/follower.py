"""Follows the facts in a process of its own, so that reading them costs the generator nothing.

What it hears is matched with what was sent by the order's id, whichever comes first.
"""

import asyncio
import json
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Literal, Self

import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from contracts import topics
from contracts.devices import PrintJobChanged
from contracts.inventory import HoldsDecided
from contracts.orders import OrderProgressed

Kind = Literal["decided", "printed", "closed"]
Heard = tuple[str, str, float]  # Kind, order, when on the machine's monotonic clock.

TOPICS = (topics.HOLDS, topics.PRINT_JOBS, topics.ORDERS)
READY = b"ready"
JOIN_S = 60.0


def heard_in(key: str, kind: str, value: bytes | None) -> tuple[Kind, str] | None:
    """What a record tells the bench, and of which order; None when nothing."""
    if kind == HoldsDecided.TYPE:
        return "decided", key
    if kind == PrintJobChanged.TYPE and value:
        job = json.loads(value)
        return ("printed", job["order_id"]) if job["state"] == "printed" else None
    if kind == OrderProgressed.TYPE and value and json.loads(value)["status"] == "closed":
        return "closed", key
    return None


def follow(kafka: str, pipe: Connection) -> None:
    """The follower's process: tell of facts until the pipe is closed."""
    uvloop.run(_follow(kafka, pipe))


async def _follow(kafka: str, pipe: Connection) -> None:
    consumer = AIOKafkaConsumer(
        *TOPICS, bootstrap_servers=kafka, auto_offset_reset="latest", fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        for partition in consumer.assignment():
            await consumer.position(partition)  # From here on, nothing is missed.
        pipe.send_bytes(READY)
        while not pipe.poll():  # Whatever the other side sends means the end.
            records = await consumer.getmany(timeout_ms=20)
            now = time.monotonic()
            told = [heard for batch in records.values() for heard in _tell(batch, now)]
            if told:
                pipe.send(told)
    except (BrokenPipeError, EOFError):
        return
    finally:
        await consumer.stop()


def _tell(records: "Iterable[ConsumerRecord[bytes, bytes]]", now: float) -> Iterable[Heard]:
    for record in records:
        kind = dict(record.headers).get("ce_type", b"").decode()
        found = heard_in((record.key or b"").decode(), kind, record.value)
        if found is not None:
            yield (*found, now)


@dataclass
class Matches:
    """Orders that wait for a fact of one kind."""

    told: Callable[[float, float], None]  # When the fact came, how long after the sending.
    sent: dict[str, float] = field(default_factory=dict)
    early: dict[str, float] = field(default_factory=dict)
    count: int = 0

    def send(self, order_id: str, at: float) -> None:
        """From now on the order waits for its fact; the fact may have come already."""
        if order_id in self.early:
            self._match(at, self.early.pop(order_id))
        else:
            self.sent[order_id] = at

    def hear(self, order_id: str, at: float) -> None:
        """The first fact of an order counts, later ones change nothing."""
        if order_id in self.sent:
            self._match(self.sent.pop(order_id), at)
        else:
            self.early.setdefault(order_id, at)

    def _match(self, sent: float, heard: float) -> None:
        self.count += 1
        self.told(heard, heard - sent)

    @property
    def waiting(self) -> int:
        """How many orders still wait."""
        return len(self.sent)


class Follower:
    """The bench's end of the pipe: facts as they come, handed to whoever waits for their kind."""

    def __init__(self, kafka: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=follow, args=(kafka, theirs), daemon=True)
        self._listeners: dict[str, Matches] = {}

    async def __aenter__(self) -> Self:
        self._process.start()
        if not await asyncio.to_thread(self._pipe.poll, JOIN_S):
            raise TimeoutError(f"Kafka told the follower nothing for {JOIN_S:.0f} s")
        assert self._pipe.recv_bytes() == READY
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._hear)
        return self

    async def __aexit__(self, *exception: object) -> None:
        asyncio.get_running_loop().remove_reader(self._pipe.fileno())
        self._pipe.send_bytes(b"end")
        await asyncio.to_thread(self._process.join, 10)
        if self._process.is_alive():
            self._process.kill()

    @property
    def pid(self) -> int:
        """The follower's process, whose CPU time is the generator's too."""
        assert self._process.pid is not None
        return self._process.pid

    def listen(self, kind: Kind, told: Callable[[float, float], None]) -> Matches:
        """Match facts of this kind from now on; an earlier listener of the kind hears no more."""
        self._listeners[kind] = Matches(told)
        return self._listeners[kind]

    def _hear(self) -> None:
        try:
            told: deque[Heard] = deque(self._pipe.recv())
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            raise
        for kind, order_id, at in told:
            if kind in self._listeners:
                self._listeners[kind].hear(order_id, at)
