"""More than a process can do at once: some are told to come again, nobody takes every place."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from chassis.database import Database
from chassis.http import waiting
from chassis.http.middleware import ShedLoad
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route


class Counter:
    """An application whose requests stay until they are let go."""

    def __init__(self) -> None:
        self.busy, self.go_on = asyncio.Semaphore(0), asyncio.Event()
        routes = [Route(path, self.serve) for path in ("/work", "/healthz")]
        self.app = Starlette(routes=[*routes, Route("/live", self.stream)])

    async def serve(self, request: Request) -> PlainTextResponse:
        if request.url.path == "/work":
            self.busy.release()
            await self.go_on.wait()
        return PlainTextResponse("done")

    async def stream(self, _: Request) -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            yield "data: hello\n\n"
            self.busy.release()
            await self.go_on.wait()

        return StreamingResponse(events(), media_type="text/event-stream")

    def client(self, requests_max: int) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(ShedLoad(self.app, requests_max))
        return httpx.AsyncClient(transport=transport, base_url="http://counter")


@pytest.fixture
def counter() -> Counter:
    return Counter()


async def test_what_is_too_much_is_told_to_come_again(counter: Counter) -> None:
    """The third of two hears 429 as a problem; probes pass; when the two are done, it is taken."""
    async with counter.client(requests_max=2) as client:
        two = [asyncio.create_task(client.get("/work")) for _ in range(2)]
        for _ in two:
            await counter.busy.acquire()
        third = await client.get("/work")
        assert (third.status_code, third.headers["Retry-After"]) == (429, "1")
        assert third.headers["content-type"] == "application/problem+json"
        assert third.json()["status"] == 429
        assert third.json()["detail"].endswith(".")
        assert (await client.get("/healthz")).status_code == 200
        counter.go_on.set()
        assert [(await one).status_code for one in two] == [200, 200]
        assert (await client.get("/work")).status_code == 200


async def test_a_stream_of_events_keeps_no_place(counter: Counter) -> None:
    """While a page listens, the only place is free for others, and is not given back twice."""
    async with counter.client(requests_max=1) as client:
        listening = asyncio.create_task(client.get("/live"))
        await counter.busy.acquire()
        working = asyncio.create_task(client.get("/work"))
        await counter.busy.acquire()
        assert (await client.get("/work")).status_code == 429
        counter.go_on.set()
        assert (await working).status_code == 200
        assert (await listening).status_code == 200
        counter.go_on.clear()
        one = asyncio.create_task(client.get("/work"))
        await counter.busy.acquire()
        assert (await client.get("/work")).status_code == 429
        counter.go_on.set()
        assert (await one).status_code == 200


async def test_when_many_wait_one_more_does_not(db: Database) -> None:
    """All seats taken: the answer comes at once, as if its wait had ended."""
    begun, over = asyncio.Semaphore(0), False

    async def until_over() -> bool | None:
        begun.release()
        return over or None

    async def not_yet() -> bool | None:
        return None

    sitting = [
        asyncio.create_task(waiting.wait_until(db, [], until_over, 60, poll_s=0.01))
        for _ in range(waiting.WAITING_MAX)
    ]
    for _ in sitting:
        await begun.acquire()
    async with asyncio.timeout(30):  # Half of what a seat would let it wait.
        assert await waiting.wait_until(db, [], not_yet, 60) is None
    over = True
    assert await asyncio.gather(*sitting) == [True] * waiting.WAITING_MAX
    assert await waiting.wait_until(db, [], until_over, 60) is True
