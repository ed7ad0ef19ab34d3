"""The agent on a private network: it listens and speaks on Kafka, not through the hub's link."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog
import uuid_utils
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from contracts.agent_link import JobReport, ScanRead
from contracts.devices import PrintJobChanged, PrintReported, Scanned
from contracts.message import Message
from contracts.topics import PRINT_JOBS
from pydantic import ValidationError

from device_agent.journal import Journal
from device_agent.keys import Identity, SealRefused
from device_agent.link import SAID_AT_ONCE_MAX, LinkBroken, first_of, keep_trying
from device_agent.press import Press
from device_agent.scribe import Scribe

log = structlog.get_logger("bus")
FORGET_EVERY_S = 3600.0
Headers = list[tuple[str, bytes]]


def headers_of(message: Message, id: UUID, source: str, version: int, at: datetime) -> Headers:
    """CloudEvents 1.0 in binary mode, as every record of Holdfast has them."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(id).encode()),
        ("ce_type", message.TYPE.encode()),
        ("ce_source", source.encode()),
        ("ce_time", at.isoformat().encode()),
        ("ce_subject", message.subject.encode()),
        ("version", str(version).encode()),
        ("content-type", b"application/json"),
    ]


class Bus:
    """Consumes sealed jobs, publishes scans and print results."""

    def __init__(
        self,
        brokers: str,
        identity: Identity,
        press: Press,
        scribe: Scribe,
        scanned: asyncio.Event,
        clock: Callable[[], datetime],
    ) -> None:
        self._brokers = brokers
        self._identity = identity
        self._press = press
        self._scribe = scribe
        self._scanned = scanned
        self._clock = clock
        self._name = f"device-agent/{identity.device_id}"

    async def run(self) -> None:
        await keep_trying(self._serve)

    async def _serve(self, worked: Callable[[], None]) -> None:
        device = str(self._identity.device_id)
        consumer = AIOKafkaConsumer(
            PRINT_JOBS,
            bootstrap_servers=self._brokers,
            client_id=self._name,
            group_id=f"device-agent.{device}",
            group_instance_id=device,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        producer = AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            client_id=self._name,
            acks="all",
            enable_idempotence=True,
        )
        try:
            await producer.start()
            await consumer.start()
            worked()
            log.info("on_the_bus", device_id=device)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(consumer))
                tasks.create_task(self._tell(producer))
                tasks.create_task(self._forget())
        except* KafkaError as group:
            raise LinkBroken(f"Kafka: {group.exceptions[0]}") from group
        finally:
            await consumer.stop()
            await producer.stop()

    async def _listen(self, consumer: AIOKafkaConsumer) -> None:
        """Journal each job that is ours, and only then let Kafka forget it."""
        while True:
            batches = await consumer.getmany(timeout_ms=500, max_records=SAID_AT_ONCE_MAX)
            for records in batches.values():
                for record in records:
                    await self._take(record.value or b"")
            if batches:
                await consumer.commit()

    async def _take(self, value: bytes) -> None:
        try:
            changed = PrintJobChanged.model_validate_json(value)
        except ValidationError:
            return  # Another type on the topic, or not for us to mend: nothing can be printed.
        if changed.device_id != self._identity.device_id or changed.sealed is None:
            return
        try:
            await self._press.accept(self._identity, changed.sealed)
        except SealRefused as error:
            log.error("job_refused", job_id=str(changed.job_id), error=str(error))

    async def _tell(self, producer: AIOKafkaProducer) -> None:
        while True:
            self._press.finished.clear()
            self._scanned.clear()
            reports = await self._scribe.write(Journal.unreported, SAID_AT_ONCE_MAX)
            scans = await self._scribe.write(Journal.unsent_scans, SAID_AT_ONCE_MAX)
            sent = [await self._publish(producer, *self._report(report)) for report in reports]
            sent += [await self._publish(producer, *self._scan(scan)) for scan in scans]
            await asyncio.gather(*sent)
            if reports:
                await self._scribe.write(Journal.acknowledged, reports)
            if scans:
                await self._scribe.write(Journal.scans_sent, scans[-1].number)
            if not reports and not scans:
                await first_of(self._press.finished, self._scanned)

    def _report(self, report: JobReport) -> tuple[Message, UUID, int, datetime]:
        said = PrintReported(
            job_id=report.job_id,
            device_id=self._identity.device_id,
            copy_number=report.copy_number,
            state=report.state,
            reason=report.reason,
            proof=self._identity.keys.prove_report(report),
            at=report.at,
        )
        return said, UUID(str(uuid_utils.uuid7())), report.copy_number, report.at

    def _scan(self, scan: ScanRead) -> tuple[Message, UUID, int, datetime]:
        said = Scanned(
            device_id=self._identity.device_id,
            scan_id=scan.scan_id,
            store_id=scan.store_id,
            scanner=scan.scanner,
            code=scan.code,
            symbology=scan.symbology,
            at=scan.at,
        )
        return said, scan.scan_id, scan.number, scan.at

    async def _publish(
        self, producer: AIOKafkaProducer, message: Message, id: UUID, version: int, at: datetime
    ) -> "asyncio.Future[object]":
        sent: asyncio.Future[object] = await producer.send(
            message.TOPIC,
            message.model_dump_json().encode(),
            key=message.subject.encode(),
            headers=headers_of(message, id, self._name, version, at),
        )
        return sent

    async def _forget(self) -> None:
        while True:
            await self._scribe.write(Journal.forget_before, self._clock())
            await asyncio.sleep(FORGET_EVERY_S)
