"""The agent on a private network: jobs, results and scans over a real Kafka."""

import asyncio
import json
import os
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from contracts import topics
from contracts.agent_link import REPORT_TYPE, JobReport
from contracts.devices import PrintJobChanged, PrintReported, Scanned
from device_agent.bus import Bus
from device_agent.journal import Journal
from device_agent.keys import AgentKeys, Identity
from device_agent.press import Press
from device_agent.scanners import Desk
from device_agent.scribe import Scribe
from device_agent.settings import AgentSettings, VirtualPrinter
from joserfc import jws
from joserfc.jwk import OKPKey

KAFKA = os.environ.get("HOLDFAST_KAFKA", "")
pytestmark = pytest.mark.skipif(not KAFKA, reason="HOLDFAST_KAFKA names no broker")


def now():
    return datetime.now(UTC)


class Store:
    """An agent on the bus, and what it said there."""

    def __init__(self, folder, hub_keys):
        self.papers = folder / "papers"
        settings = AgentSettings(
            url="ws://unused",
            journal=folder / "journal.sqlite3",
            printer=VirtualPrinter(kind="virtual", folder=self.papers),
        )
        self.identity = Identity(uuid4(), AgentKeys.make(), hub_keys.signing, ())
        self.scribe = Scribe(Journal(settings.journal))
        self.press = Press(settings, self.scribe, now)
        self.desk = Desk(self.scribe, now)
        bus = Bus(KAFKA, self.identity, self.press, self.scribe, self.desk.scanned, now)
        self.task = asyncio.create_task(bus.run())

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.press.close()
        await self.scribe.close()


@pytest.fixture
async def store(tmp_path, hub_keys):
    store = Store(tmp_path, hub_keys)
    yield store
    await store.close()


@pytest.fixture
async def heard(store):
    """What this agent said on the bus, by topic, since the test began."""
    said = {topics.PRINT_RESULTS: [], topics.SCANS: []}
    consumer = AIOKafkaConsumer(*said, bootstrap_servers=KAFKA, auto_offset_reset="latest")
    await consumer.start()
    await consumer.seek_to_end()

    async def listen():
        async for record in consumer:
            if json.loads(record.value).get("device_id") == str(store.identity.device_id):
                said[record.topic].append(record)

    task = asyncio.create_task(listen())
    yield said
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await consumer.stop()


@pytest.fixture
async def send(store, hub_keys):
    producer = AIOKafkaProducer(bootstrap_servers=KAFKA)
    await producer.start()

    async def send(order, *, device_id=None, sealed=None):
        _, sealing = store.identity.keys.public()
        device_id = device_id or store.identity.device_id
        changed = PrintJobChanged(
            job_id=order.job_id,
            order_id=uuid4(),
            store_id=order.store_id,
            device_id=device_id,
            kind=order.kind,
            state="printing",
            reason=None,
            copies=1,
            expires_at=order.expires_at,
            sealed=sealed or hub_keys.seal([order], device_id, sealing),
            at=now(),
        )
        value = changed.model_dump_json().encode()
        await producer.send_and_wait(topics.PRINT_JOBS, value, key=changed.subject.encode())

    yield send
    await producer.stop()


async def test_a_sealed_job_is_printed_once_and_its_result_is_under_the_agents_key(
    store, heard, send, order, waits
):
    """Another agent's job, one that was altered and one that came twice make no paper."""
    job, altered = order(), order()
    await send(order(), device_id=uuid4())
    await send(altered, sealed="not.what.the.hub.sealed")
    await send(job)
    await send(job)
    await waits(lambda: heard[topics.PRINT_RESULTS], "the result")
    record = heard[topics.PRINT_RESULTS][0]
    reported = PrintReported.model_validate_json(record.value)
    assert (reported.job_id, reported.state) == (job.job_id, "printed")
    assert len(list(store.papers.rglob("*.bin"))) == 1
    signing, _ = store.identity.keys.public()
    proof = jws.deserialize_compact(
        reported.proof, OKPKey.import_key(signing), algorithms=["Ed25519"]
    )
    assert proof.protected["typ"] == REPORT_TYPE
    assert JobReport.model_validate_json(proof.payload).job_id == job.job_id
    headers = {name: value.decode() for name, value in record.headers}
    assert headers["ce_type"] == PrintReported.TYPE
    assert record.key == str(job.job_id).encode()


async def test_a_scan_is_on_the_bus_under_the_devices_own_count(store, heard, waits):
    """Scans go out in the order in which they were read."""
    await store.desk.note("till", None, "4006381333931\r\n")
    await store.desk.note("till", None, "   ")
    await store.desk.note("till", None, "2026-000123")
    await waits(lambda: len(heard[topics.SCANS]) == 2, "two scans")
    scans = [Scanned.model_validate_json(record.value) for record in heard[topics.SCANS]]
    assert [scan.code for scan in scans] == ["4006381333931", "2026-000123"]
    versions = [dict(record.headers)["version"] for record in heard[topics.SCANS]]
    assert versions == [b"1", b"2"]
