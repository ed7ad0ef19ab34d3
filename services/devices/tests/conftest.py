"""What the tests of devices share: a database, the service on it, and an agent of their own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from chassis.database import Database
from chassis.ids import uuid7
from chassis.testing import Bench, bench, migrated_template, scratch_database
from contracts.agent_link import (
    CIPHER,
    FRAME_BYTES_MAX,
    FROM_HUB,
    JOB_TYPE,
    KEY_AGREEMENT,
    LINK_PATH,
    PROOF_TYPE,
    REPORT_TYPE,
    SIGNATURE,
    Acknowledged,
    Challenge,
    Enrol,
    Enrolled,
    Hello,
    JobReport,
    JobsSent,
    PrintOrder,
    Proof,
    Reports,
    SealedJobs,
    Welcome,
)
from contracts.devices import PaperLine, PrintPaper
from contracts.inventory import StoreState
from contracts.orders import CustomerState
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from devices.app import service
from joserfc import jwe, jws
from joserfc.jwk import OKPKey
from websockets.asyncio.client import ClientConnection, connect

HARBOUR, MARKET = UUID(int=0x51), UUID(int=0x52)


def public(key: OKPKey) -> dict[str, str]:
    return {name: str(value) for name, value in key.as_dict(private=False).items()}


class Agent:
    """An agent's keys and what it does with them, written here from the contract alone."""

    def __init__(self) -> None:
        self.signing = OKPKey.generate_key("Ed25519")
        self.sealing = OKPKey.generate_key("X25519")
        self.device_id = UUID(int=0)
        self.hub_key: OKPKey | None = None

    def enrol(self, code: str, nonce: str, transport: str = "websocket") -> Enrol:
        return Enrol.model_validate(
            {
                "code": code,
                "transport": transport,
                "signing_key": public(self.signing),
                "sealing_key": public(self.sealing),
                "proof": self.sign(PROOF_TYPE, Proof(nonce=nonce, subject=code)),
            }
        )

    def hello(self, nonce: str) -> Hello:
        proof = self.sign(PROOF_TYPE, Proof(nonce=nonce, subject=str(self.device_id)))
        return Hello(device_id=self.device_id, proof=proof)

    def sign(self, kind: str, content: Any) -> str:
        payload = content.model_dump_json().encode()
        header = {"alg": SIGNATURE, "typ": kind}
        return jws.serialize_compact(header, payload, self.signing, algorithms=[SIGNATURE])

    def prove_report(self, report: JobReport) -> str:
        return self.sign(REPORT_TYPE, report)

    def open(self, sealed: str) -> tuple[PrintOrder, ...]:
        assert self.hub_key
        seals = jwe.JWERegistry(algorithms=[KEY_AGREEMENT, CIPHER])
        signs = jws.JWSRegistry(algorithms=[SIGNATURE])
        seals.max_ciphertext_length = signs.max_payload_length = FRAME_BYTES_MAX
        letter = jwe.decrypt_compact(sealed, self.sealing, registry=seals)
        signed = jws.deserialize_compact(letter.plaintext or b"", self.hub_key, registry=signs)
        assert signed.protected["typ"] == JOB_TYPE
        jobs = SealedJobs.model_validate_json(signed.payload)
        assert jobs.device_id == self.device_id
        return jobs.jobs


class Line:
    """The agent's end of a link."""

    def __init__(self, socket: ClientConnection, agent: Agent) -> None:
        self.socket, self.agent = socket, agent

    async def hear(self, seconds: float = 30) -> Any:
        async with asyncio.timeout(seconds):
            return FROM_HUB.validate_json(await self.socket.recv())

    async def say(self, message: Any) -> None:
        await self.socket.send(message.model_dump_json())

    async def jobs(self) -> tuple[PrintOrder, ...]:
        """The next jobs that arrive, opened."""
        sent = await self.hear()
        assert isinstance(sent, JobsSent), sent
        return self.agent.open(sent.sealed)

    async def report(self, order: PrintOrder, state: str, reason: str | None = None) -> None:
        """Say how it ended, and wait until the hub has it."""
        report = JobReport.model_validate(
            {
                "job_id": order.job_id,
                "copy_number": order.copy_number,
                "state": state,
                "reason": reason,
                "at": datetime.now(UTC),
            }
        )
        await self.say(Reports(reports=(report,)))
        answer = await self.hear()
        assert isinstance(answer, Acknowledged), answer
        assert answer.reports == (report,)


class Gate:
    """The hub's door for agents, on a real port."""

    def __init__(self, url: str, hub: Bench) -> None:
        self.url, self.hub = url, hub

    @asynccontextmanager
    async def open(self, agent: Agent) -> AsyncIterator[tuple[Line, str]]:
        """A connection, and the nonce of its challenge."""
        async with connect(self.url, proxy=None) as socket:
            line = Line(socket, agent)
            challenge = await line.hear()
            assert isinstance(challenge, Challenge)
            yield line, challenge.nonce

    async def code(self, *store_ids: UUID) -> str:
        body = {"name": "till", "store_ids": [str(id) for id in store_ids]}
        answer = await self.hub.http.post("/devices/enrolment-codes", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["code"])

    async def enrol(
        self, agent: Agent, *store_ids: UUID, code: str | None = None, transport: str = "websocket"
    ) -> Any:
        """Make the agent a device of these stores (none: all); the hub's answer."""
        code = code or await self.code(*store_ids)
        async with self.open(agent) as (line, nonce):
            await line.say(agent.enrol(code, nonce, transport))
            answer = await line.hear()
        if isinstance(answer, Enrolled):
            agent.device_id = answer.device_id
            agent.hub_key = OKPKey.import_key({**answer.hub_key})
        return answer

    @asynccontextmanager
    async def linked(self, agent: Agent) -> AsyncIterator[Line]:
        async with self.open(agent) as (line, nonce):
            await line.say(agent.hello(nonce))
            welcome = await line.hear()
            assert isinstance(welcome, Welcome), welcome
            yield line


def make_wish(**changes: Any) -> PrintPaper:
    """A deposit of 500 on an order of 1,000 in Harbour Street."""
    now = datetime.now(UTC)
    figures = {
        "job_id": uuid7(),
        "kind": "deposit_receipt",
        "order_id": uuid7(),
        "order_number": "2026-000123",
        "store_id": HARBOUR,
        "customer_key": None,
        "currency": "EUR",
        "lines": (
            PaperLine(
                sku="OATS",
                description="Oat flakes 500 g",
                unit="piece",
                quantity=Decimal(3),
                unit_price=Decimal("333.3333"),
                amount=Decimal("1000.00"),
            ),
        ),
        "total": Decimal("1000.00"),
        "payment": Decimal("500.00"),
        "paid": Decimal("500.00"),
        "due": Decimal("500.00"),
        "hold_until": now + timedelta(days=3),
        "placed_at": now,
        "at": now,
    }
    return PrintPaper.model_validate({**figures, **changes})


def long_paper(lines: int, letters: int) -> dict[str, Any]:
    """So many lines with names of so many letters, of two bytes each."""
    return {
        "lines": tuple(
            PaperLine(
                sku=f"SKU-{n}",
                description="Щ" * letters,
                unit="piece",
                quantity=Decimal(1),
                unit_price=Decimal(1),
                amount=Decimal("1.00"),
            )
            for n in range(lines)
        )
    }


def store_state(store_id: UUID, code: str, name: str) -> StoreState:
    return StoreState(
        store_id=store_id,
        code=code,
        name=name,
        hold_method="separate",
        held_goods_sale="warn",
        hold_days=3,
        warehouses=(),
    )


def customer_state(key: str, name: str, language: str = "kk") -> CustomerState:
    return CustomerState(
        customer_key=key, customer_id=None, name=name, phone=None, email=None, language=language
    )


async def states_of(hub: Bench, order_id: UUID) -> list[tuple[str, int]]:
    """How the order's papers are, and how many of each were asked for."""
    answer = await hub.http.get("/print-jobs", params={"order_id": str(order_id)})
    return [(job["state"], job["copies"]) for job in answer.json()["items"]]


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    yield from migrated_template("devices", Path(__file__).parents[1])


@pytest.fixture
async def db(template: str) -> AsyncIterator[Database]:
    async with scratch_database(template) as db:
        yield db


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "devices.pem"
    key = OKPKey.generate_key("Ed25519").private_key
    assert key is not None
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
async def hub(db: Database, key_file: Path) -> AsyncIterator[Bench]:
    """The devices service; two stores are known to it."""
    async with bench(service, db, signing_key_file=str(key_file), pulse_s=0.5) as running:
        await running.deliver(
            store_state(HARBOUR, "S1", "Harbour Street"), store_state(MARKET, "S2", "Market")
        )
        yield running


@asynccontextmanager
async def opened_gate(hub: Bench) -> AsyncIterator[Gate]:
    server = uvicorn.Server(uvicorn.Config(hub.app, port=0, lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as door:
        task = asyncio.create_task(server.serve(sockets=[door]))
        yield Gate(f"ws://127.0.0.1:{door.getsockname()[1]}{LINK_PATH}", hub)
        server.should_exit = server.force_exit = True
        await task


@asynccontextmanager
async def replica(hub: Bench, key_file: Path) -> AsyncIterator[Gate]:
    """A second process of the service, as far as the database can tell."""
    db = Database(hub.db.engine.url.render_as_string(hide_password=False), "replica")
    async with (
        bench(service, db, signing_key_file=str(key_file)) as other,
        opened_gate(other) as gate,
    ):
        yield gate
    await db.close()


@pytest.fixture
async def gate(hub: Bench) -> AsyncIterator[Gate]:
    async with opened_gate(hub) as gate:
        yield gate


@pytest.fixture
def make_agent() -> Callable[[], Agent]:
    return Agent


@pytest.fixture
def wish() -> Callable[..., PrintPaper]:
    return make_wish


@pytest.fixture
def agent() -> Agent:
    return Agent()
