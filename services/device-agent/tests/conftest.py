"""What the agent's tests share: an order to print, a hub to talk to, a printer to print on."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from contracts.agent_link import (
    CIPHER,
    FRAME_BYTES_MAX,
    FROM_AGENT,
    JOB_TYPE,
    KEY_AGREEMENT,
    PROOF_TYPE,
    SIGNATURE,
    Acknowledged,
    Challenge,
    Enrol,
    Enrolled,
    FromHub,
    Hello,
    JobReport,
    JobsSent,
    LinkRefused,
    PrintOrder,
    Proof,
    PublicKey,
    ReceiptLine,
    Reports,
    ScanRead,
    Scans,
    SealedJobs,
    Welcome,
)
from device_agent import app
from joserfc import jwe, jws
from joserfc.jwk import OKPKey
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from faults.paper_printer import PaperPrinter

DEADLINE_S = 60
STORE = UUID("0197b3a0-0000-7000-8000-000000000001")


def make_order(**changes: Any) -> PrintOrder:
    """A deposit of 500 on an order of 1,000, held until 13 May."""
    figures = {
        "job_id": uuid4(),
        "copy_number": 1,
        "kind": "deposit_receipt",
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
        "store_id": STORE,
        "store_code": "S1",
        "store_name": "Harbour Street",
        "language": "en",
        "customer_name": "Ada Byron",
        "order_number": "2026-000123",
        "currency": "EUR",
        "lines": (
            ReceiptLine(
                description="Oat flakes 500 g",
                unit="piece",
                quantity=Decimal(3),
                unit_price=Decimal("333.3333"),
                amount=Decimal("1000.00"),
            ),
        ),
        "total": Decimal("1000.00"),
        "payment": Decimal("200.00"),
        "paid": Decimal("500.00"),
        "due": Decimal("500.00"),
        "hold_until": datetime(2026, 5, 13, 16, 0, tzinfo=UTC),
        "at": datetime(2026, 5, 10, 9, 5, tzinfo=UTC),
    }
    return PrintOrder.model_validate({**figures, **changes})


class HubKeys:
    """Signs and seals as the hub does, written here from the contract alone."""

    def __init__(self) -> None:
        self.signing = OKPKey.generate_key("Ed25519")

    @property
    def public(self) -> PublicKey:
        return {k: str(v) for k, v in self.signing.as_dict(private=False).items()}

    def seal(self, orders: list[PrintOrder], device_id: UUID, sealing_key: PublicKey) -> str:
        jobs = SealedJobs(device_id=device_id, jobs=tuple(orders)).model_dump_json().encode()
        key = OKPKey.import_key({**sealing_key})
        signs = jws.JWSRegistry(algorithms=[SIGNATURE])
        seals = jwe.JWERegistry(algorithms=[KEY_AGREEMENT, CIPHER])
        signs.max_payload_length = seals.max_ciphertext_length = FRAME_BYTES_MAX
        header = {"alg": SIGNATURE, "typ": JOB_TYPE}
        signed = jws.serialize_compact(header, jobs, self.signing, registry=signs)
        header = {"alg": KEY_AGREEMENT, "enc": CIPHER}
        return jwe.encrypt_compact(header, signed, key, registry=seals)


class Hub:
    """The hub's side of the link, kept in memory; the test decides what it does."""

    def __init__(self) -> None:
        self.keys = HubKeys()
        self.code = "OPEN-SESAME"
        self.device_id: UUID | None = None
        self.signing_key: PublicKey = {}
        self.sealing_key: PublicKey = {}
        self.reports: list[JobReport] = []
        self.scans: list[ScanRead] = []
        self.acknowledges = True
        self.revoked = False
        self.links = self.refusals = 0
        self.to_send: list[str] = []
        self.repeats: list[str] = []  # Sent right behind the next acknowledgement.
        self.url = ""
        self._connection: ServerConnection | None = None

    async def serve_link(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._say(connection, Challenge(nonce="n-1"))
            match FROM_AGENT.validate_json(await connection.recv()):
                case Enrol() as enrol:
                    await self._enrol(connection, enrol)
                case Hello() as hello:
                    await self._welcome(connection, hello)

    async def _enrol(self, connection: ServerConnection, enrol: Enrol) -> None:
        if enrol.code != self.code:
            self.refusals += 1
            refused = LinkRefused(reason="code_refused", detail="used or unknown")
            await self._say(connection, refused)
            return
        self.signing_key, self.sealing_key = enrol.signing_key, enrol.sealing_key
        self._check(enrol.proof, enrol.code)
        self.device_id = uuid4()
        answer = Enrolled(device_id=self.device_id, hub_key=self.keys.public, store_ids=())
        await self._say(connection, answer)

    async def _welcome(self, connection: ServerConnection, hello: Hello) -> None:
        if self.revoked:
            await self._say(connection, LinkRefused(reason="revoked", detail="by a manager"))
            return
        assert hello.device_id == self.device_id
        self._check(hello.proof, str(hello.device_id))
        self.links += 1
        await self._say(connection, Welcome(store_ids=(), heartbeat_s=5))
        self._connection = connection
        for sealed in self.to_send:
            await self._say(connection, JobsSent(sealed=sealed))
        async for frame in connection:
            await self._hear(connection, FROM_AGENT.validate_json(frame))

    async def _hear(self, connection: ServerConnection, message: object) -> None:
        match message:
            case Reports(reports=reports):
                self.reports.extend(reports)
                if self.acknowledges:
                    repeated, self.repeats = self.repeats, []
                    answer = Acknowledged(reports=reports)
                    with in_one_piece(connection):
                        await self._say(connection, answer)
                        for sealed in repeated:
                            await self._say(connection, JobsSent(sealed=sealed))
            case Scans(scans=scans):
                self.scans.extend(scans)
                if self.acknowledges:
                    await self._say(connection, Acknowledged(scans_up_to=scans[-1].number))

    def _check(self, proof: str, subject: str) -> None:
        key = OKPKey.import_key({**self.signing_key})
        signed = jws.deserialize_compact(proof, key, algorithms=[SIGNATURE])
        assert signed.protected["typ"] == PROOF_TYPE
        assert Proof.model_validate_json(signed.payload) == Proof(nonce="n-1", subject=subject)

    @staticmethod
    async def _say(connection: ServerConnection, message: FromHub) -> None:
        await connection.send(message.model_dump_json())

    def seal(self, *orders: PrintOrder) -> str:
        assert self.device_id
        return self.keys.seal(list(orders), self.device_id, self.sealing_key)

    async def print(self, *orders: PrintOrder) -> None:
        await self.send(self.seal(*orders))

    async def send(self, sealed: str) -> None:
        assert self._connection
        await self._say(self._connection, JobsSent(sealed=sealed))

    async def cut(self) -> None:
        assert self._connection
        await self._connection.close()

    def states(self) -> list[tuple[UUID, str]]:
        return [(report.job_id, report.state) for report in self.reports]


@contextlib.contextmanager
def in_one_piece(connection: ServerConnection) -> Iterator[None]:
    """The frames said within reach the agent together, as on a slow line."""
    line = connection.transport.get_extra_info("socket")
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    yield
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait for the condition; a test that waits too long fails and says for what."""
    end = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"never came: {what or condition}"
        await asyncio.sleep(0.01)


class AgentProcess:
    """The agent as the store runs it: a process of its own, with its settings file."""

    def __init__(self, folder: Path, hub_url: str, tables: str, head: str = "") -> None:
        self.papers = folder / "papers"
        self.config = folder / "agent.toml"
        self.journal = folder / "journal.sqlite3"
        self.config.write_text(
            f'url = "{hub_url}"\nenrolment_code = "OPEN-SESAME"\n'
            f'journal = "{self.journal}"\n{head}\n{tables}\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "device_agent.app"],
            env={**os.environ, "HOLDFAST_AGENT_CONFIG": str(self.config)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def type(self, line: str) -> None:
        assert self._process
        assert self._process.stdin
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def wait(self) -> int:
        assert self._process
        return self._process.wait(DEADLINE_S)

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(how)
        code = self._process.wait(DEADLINE_S)
        if self._process.stdin:
            self._process.stdin.close()
        self._process = None
        return code


class AgentHere:
    """The same agent inside the test: quick to start, for all that needs no process of its own."""

    def __init__(self, process: AgentProcess) -> None:
        self.config, self.journal, self.papers = process.config, process.journal, process.papers
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        settings = app.load(self.config)
        self.task = asyncio.create_task(app.serve(settings, self.config, app.utc_now))

    async def stop(self) -> None:
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
def order() -> Callable[..., PrintOrder]:
    return make_order


@pytest.fixture
def hub_keys() -> HubKeys:
    return HubKeys()


@pytest.fixture
def waits() -> Callable[..., Any]:
    return until


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub()
    async with serve(hub.serve_link, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        hub.url = f"ws://127.0.0.1:{port}/api/v1/agents/link"
        yield hub


@pytest.fixture
def paper_printer() -> Iterator[PaperPrinter]:
    printer = PaperPrinter()
    printer.start()
    yield printer
    printer.stop()


@pytest.fixture
def agent_in(tmp_path: Path) -> Iterator[Callable[..., AgentProcess]]:
    made: list[AgentProcess] = []

    def make(hub_url: str, tables: str = "", head: str = "") -> AgentProcess:
        virtual = f'[printer]\nkind = "virtual"\nfolder = "{tmp_path / "papers"}"\n'
        made.append(AgentProcess(tmp_path, hub_url, tables or virtual, head))
        return made[-1]

    yield make
    for agent in made:
        agent.kill()


@pytest.fixture
async def agent_here(agent_in: Callable[..., AgentProcess]) -> AsyncIterator[Callable[..., Any]]:
    made: list[AgentHere] = []

    def make(hub_url: str, tables: str = "") -> AgentHere:
        made.append(AgentHere(agent_in(hub_url, tables)))
        made[-1].start()
        return made[-1]

    yield make
    for agent in made:
        await agent.stop()
