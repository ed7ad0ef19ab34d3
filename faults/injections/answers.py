"""E4: the connection is lost inside COMMIT, and the caller cannot know whether it was done."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import httpx
from chassis.ids import uuid7
from local.processes import service_environment
from local.topology import API, BY_NAME, DEMO_PASSWORD, LOOPBACK

from faults.scene import Done, Scene
from faults.system import free_port, until
from faults.till import OWNER

COMMIT = b"COMMIT"
ALWAYS = 1_000


class CommitCutter:
    """A proxy before PostgreSQL: it passes a COMMIT on and hangs up instead of answering."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.cuts_left = 0
        self.cut = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Listen on a port of its own, which is given."""
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, client: asyncio.StreamReader, reply: asyncio.StreamWriter) -> None:
        server, request = await asyncio.open_connection(LOOPBACK, self._server_port)
        answers = asyncio.create_task(_pass_on(server, reply))
        try:
            while data := await client.read(65_536):
                cutting = self.cuts_left > 0 and COMMIT in data
                if cutting:
                    answers.cancel()
                    self.cuts_left -= 1
                    self.cut += 1
                request.write(data)
                await request.drain()
                if cutting:
                    # Committed for sure before the client is hung up on: the worst moment.
                    await server.read(1)
                    return
        except ConnectionError:
            return
        finally:
            answers.cancel()
            reply.transport.abort()
            request.transport.abort()


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
        sink.close()


async def lose_commits(scene: Scene) -> Done:
    """E4: orders are sent to a process whose COMMITs are cut, then again with the same key."""
    number = 5 if scene.short else 30
    cutter = CommitCutter(scene.system.instance.ports.postgres)
    own = urlsplit(
        service_environment(scene.system.instance, BY_NAME["orders"])["HOLDFAST_DATABASE_URL"]
    )
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    async with cutter.listening() as cut_port, httpx.AsyncClient(timeout=20, trust_env=False) as at:
        place = own.netloc.rpartition(":")[0]
        database = urlunsplit(own._replace(netloc=f"{place}:{cut_port}"))
        with scene.system.second(
            "orders", DATABASE_URL=database, HTTP_PORT=str(port), ROLES="http", REPLICA="9"
        ):
            await until(lambda: scene.system.answers(f"{url}/readyz"), "a second orders process")
            login = {"username": OWNER, "password": DEMO_PASSWORD}
            told = await at.post(f"{scene.system.address}{API}/tokens", json=login)
            token = told.raise_for_status().json()["access_token"]
            at.headers["Authorization"] = f"Bearer {token}"
            lost = 0
            for _ in range(number):
                body = scene.order_body(scene.chain.corner.sku, id=str(uuid7()))
                key = f"faults-cut-{uuid7()}"
                # Once: the service tries again by itself. Always: only the client can.
                cutter.cuts_left = scene.chance.choice((1, ALWAYS))
                lost += not await _is_answered(at, f"{url}{API}/orders", body, key)
                cutter.cuts_left = 0
                await scene.till.post("/orders", body, key, unheard=True)
    wrong = () if cutter.cut else ("no COMMIT was cut: the proxy did not see one",)
    figures = {"cut": float(cutter.cut), "answers lost": float(lost)}
    return Done(f"{number} orders through a cut COMMIT", time.monotonic(), wrong, figures=figures)


async def _is_answered(at: httpx.AsyncClient, url: str, body: dict[str, object], key: str) -> bool:
    try:
        async with asyncio.timeout(3):
            answer = await at.post(url, json=body, headers={"Idempotency-Key": key})
    except (httpx.TransportError, TimeoutError):
        return False
    return answer.is_success
