"""What happens, told to open pages as it happens: one follower of the topics, many listeners."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from chassis.records import Invalid, Undecodable, open_envelope, read, record_of
from contracts import topics
from contracts.catalogue import BY_TYPE
from contracts.devices import PrintJobChanged, Scanned
from contracts.inventory import StockState
from contracts.message import Message
from contracts.orders import OrderFact, OrderPlaced

from web.jsons import Json
from web.visitor import Visitor

log = structlog.get_logger()
FOLLOWED = (topics.ORDERS, topics.STOCK, topics.PRINT_JOBS, topics.SCANS)
QUEUE_MAX = 2_000
LISTENERS_MAX = 1_000
OWNERS_MAX = 50_000
FETCH_MS = 1_000
GATHER_SECONDS = 0.03  # Of what comes together: each fetch of its own costs more than its records.
UNHEARD_SECONDS = 0.2  # The same while no page is open; one that opens is not kept waiting.


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened, as pages are told it: ids and figures, never names."""

    kind: str  # order, stock, print or scan
    store_id: str | None
    order_id: str | None
    customer_id: str | None
    data: Json


def change_of(message: Message) -> Change | None:
    """What pages are told of a message; None for what no page shows."""
    match message:
        case OrderFact():
            placed = message if isinstance(message, OrderPlaced) else None
            customer = placed.customer_id if placed else None
            return Change(
                "order",
                str(message.store_id),
                str(message.order_id),
                str(customer) if customer else None,
                {
                    "type": message.TYPE,
                    "order_id": str(message.order_id),
                    "number": message.number,
                    "store_id": str(message.store_id),
                    "status": message.status,
                    "financial_status": message.financial_status,
                    "total": str(message.total),
                    "paid": str(message.paid),
                },
            )
        case StockState():
            fields = (
                "warehouse_id",
                "store_id",
                "sku",
                "on_hand",
                "held",
                "available",
                "broken",
                "expected",
            )
            data = {name: str(getattr(message, name)) for name in fields}
            return Change("stock", str(message.store_id), None, None, data)
        case PrintJobChanged():
            # The sealed job is for the agent's eyes only.
            data = {
                "job_id": str(message.job_id),
                "order_id": str(message.order_id),
                "state": message.state,
                "kind": message.kind,
            }
            return Change("print", str(message.store_id), str(message.order_id), None, data)
        case Scanned():
            store = str(message.store_id) if message.store_id else None
            scan: Json = {
                "scan_id": str(message.scan_id),
                "device_id": str(message.device_id),
                "store_id": store,
                "code": message.code,
                "at": message.at.isoformat(),
            }
            return Change("scan", store, None, None, scan)
    return None


class Listener:
    """One open page; it sees what its visitor may see."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.changes: asyncio.Queue[Change] = asyncio.Queue(QUEUE_MAX)
        self.behind = False

    def tell(self, change: Change, owner: str | None) -> None:
        """Hands the change on if the visitor may see it; one who is too slow is let go."""
        if self.behind or not self._may_see(change, owner):
            return
        try:
            self.changes.put_nowait(change)
        except asyncio.QueueFull:
            self.behind = True  # The page connects again and reads everything anew.

    def _may_see(self, change: Change, owner: str | None) -> bool:
        if self.visitor.is_customer:
            return change.kind == "order" and owner == self.visitor.customer_id is not None
        return self.visitor.sees_store(change.store_id)


class Live:
    """Follows the topics from now on; pages listen."""

    def __init__(self, kafka: str, replica: int) -> None:
        self._kafka = kafka
        self._replica = replica
        self._listeners: set[Listener] = set()
        self._heard = asyncio.Event()
        self._owners: OrderedDict[str, str] = OrderedDict()
        self.is_following = False

    @property
    def is_full(self) -> bool:
        """Whether as many pages listen here as this process can serve."""
        return len(self._listeners) >= LISTENERS_MAX

    @contextlib.contextmanager
    def listen(self, visitor: Visitor) -> Iterator[Listener]:
        """A listener for as long as its page is open."""
        listener = Listener(visitor)
        self._listeners.add(listener)
        self._heard.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._heard.clear()

    def remember_owner(self, order_id: str, customer_id: str) -> None:
        """Whose order it is: only the first fact of an order says so."""
        self._owners[order_id] = customer_id
        self._owners.move_to_end(order_id)
        while len(self._owners) > OWNERS_MAX:
            self._owners.popitem(last=False)

    def tell(self, change: Change) -> None:
        """Tells every listener that may see it."""
        if change.order_id and change.customer_id:
            self.remember_owner(change.order_id, change.customer_id)
        owner = self._owners.get(change.order_id or "")
        for listener in tuple(self._listeners):
            listener.tell(change, owner)

    async def follow(self) -> None:
        """Follows until Kafka goes away."""
        try:
            async for records in self._batches():
                # Nobody listens, nobody need read: who comes later asks for what is his.
                for record in records if self._listeners else ():
                    if (change := self._read(record)) is not None:
                        self.tell(change)
        finally:
            self.is_following = False

    async def _batches(self) -> AsyncIterator[list[ConsumerRecord[bytes, bytes]]]:
        # A group of its own and nothing committed: each replica tells its own pages from now on.
        consumer = AIOKafkaConsumer(
            *FOLLOWED,
            bootstrap_servers=self._kafka,
            client_id=f"web-{self._replica}",
            group_id=f"web.live.{uuid4()}",
            auto_offset_reset="latest",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            self.is_following = True
            while True:
                found = await consumer.getmany(timeout_ms=FETCH_MS)
                yield [record for records in found.values() for record in records]
                if self._listeners:
                    await asyncio.sleep(GATHER_SECONDS)
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(UNHEARD_SECONDS):
                            await self._heard.wait()
        finally:
            await consumer.stop()

    @staticmethod
    def _read(record: ConsumerRecord[bytes, bytes]) -> Change | None:
        try:
            return change_of(read(open_envelope(record_of(record)), BY_TYPE).message)
        except (Undecodable, Invalid):
            return None  # Pages show what the services keep; they park it and say so.
