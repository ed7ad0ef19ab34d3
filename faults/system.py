"""The running system under test: its processes, its databases and its memory."""

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import psutil
from local.instance import REPOSITORY, Instance
from local.postgres import superuser_url
from local.processes import MARK, program
from local.supervision import Supervisor, resident_mib
from local.topology import LOOPBACK, SERVICES, Ports, Process

INSTANCE = Instance(Ports(19_380), REPOSITORY / ".holdfast" / "faults")
PATIENCE_S = 300.0


class NeverHappened(Exception):
    """Something that had to follow did not, however long it was waited for."""


async def until(
    shows: Callable[[], Awaitable[bool]], what: str, within_s: float = PATIENCE_S
) -> None:
    """Return when the condition holds; NeverHappened when it does not in time."""
    deadline = time.monotonic() + within_s
    while not await shows():
        if time.monotonic() > deadline:
            raise NeverHappened(f"{what} did not happen within {within_s:.0f} s")
        await asyncio.sleep(0.1)


class System:
    """One instance as its operator sees it, with the powers of the machine's owner."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._supervisor = Supervisor(instance)

    @property
    def address(self) -> str:
        """The gateway."""
        return f"http://{LOOPBACK}:{self.instance.ports.gateway}"

    @property
    def databases(self) -> dict[str, str]:
        """The superuser's address of each service's database, for asyncpg."""
        server = urlsplit(superuser_url(self.instance))
        owners = [service.name for service in SERVICES if service.owns_database]
        return {name: urlunsplit(server._replace(path=f"/{name}")) for name in owners}

    @contextlib.asynccontextmanager
    async def database(self, service: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A connection of its own to a service's database."""
        connection = await asyncpg.connect(self.databases[service], timeout=30)
        try:
            yield connection
        finally:
            await connection.close()

    async def processes(self) -> dict[str, dict[str, Any]]:
        """What the supervisor knows of each process."""
        return await asyncio.to_thread(self._supervisor.processes)

    async def pid(self, name: str) -> int:
        """The process id; 0 while it is down."""
        rows = await self.processes()
        return int(rows[name]["pid"])

    async def down(self) -> list[str]:
        """The processes that are not up, by the supervisor."""
        rows = await self.processes()
        return [
            name for name in self.instance.scale.names() if rows[name]["statename"] != "RUNNING"
        ]

    async def kill(self, name: str) -> float:
        """End a process with SIGKILL, children first to go with it; when that was (monotonic)."""
        pid = await self.pid(name)
        killed_at = time.monotonic()
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            # The parent first: a postmaster would restart what its child was doing.
            for part in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    part.kill()

        async def is_another() -> bool:
            row = (await self.processes())[name]
            return row["pid"] not in (0, pid) and row["statename"] == "RUNNING"

        await until(is_another, f"a new {name} by the supervisor")
        return killed_at

    async def stop(self, name: str) -> None:
        """Stop a process in order, and leave it down."""
        await asyncio.to_thread(self._supervisor.stop, [name])

    async def start(self, name: str) -> None:
        """Start a process that is down."""
        await asyncio.to_thread(self._supervisor.start, [name])

    @contextlib.contextmanager
    def second(self, service: str, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
        """One more process of a service, beside the supervised one, with settings of its own."""
        wanted = program(self.instance, Process(service))
        environment = {
            **os.environ,
            **wanted.environment,
            **{f"HOLDFAST_{name}": value for name, value in settings.items()},
            MARK: str(self.instance.state),
        }
        with self.instance.log_of(f"{service}-second").open("ab") as log:
            process = subprocess.Popen(
                wanted.command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    async def answers(self, url: str) -> bool:
        """Whether an address answers 200 within two seconds."""
        try:
            async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
                return (await client.get(url)).status_code == 200
        except httpx.HTTPError:
            return False

    async def memory_mib(self) -> dict[str, float]:
        """Resident memory of each process with its children, shared pages counted once."""
        rows = await self.processes()
        return await asyncio.to_thread(
            lambda: {name: resident_mib(int(row["pid"])) for name, row in rows.items()}
        )


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
