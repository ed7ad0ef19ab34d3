"""Around every request: how many at once, the body limit, the request's trace and its metrics."""

import asyncio
import json
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import telemetry
from chassis.http.problems import BodyTooLarge, Overloaded, Refusal, as_body

BODY_BYTES_MAX = 2 * 1024 * 1024
# What the machine itself asks, and the keys without which no other service can let anybody in.
NEVER_SHED = ("/healthz", "/readyz", "/metrics", "/api/v1/jwks.json")
TOO_MANY = "More is asked of this service than it can do at once: send it again in a second."
CLOSE = (b"connection", b"close")  # What is left of the body is not read.
TOO_LARGE = f"A request is at most {BODY_BYTES_MAX // 1024} KiB: send it in smaller parts."


class Observe:
    """Continues the caller's trace, and counts and times the answer by route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        incoming = dict(scope["headers"]).get(b"traceparent")
        telemetry.continue_trace(incoming.decode("latin-1") if incoming else None)
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            path = getattr(scope.get("route"), "path", "unknown")
            telemetry.REQUESTS.labels(scope["method"], path, status).observe(
                time.perf_counter() - began
            )


class ShedLoad:
    """Takes at most so many requests at once; the others hear 429 at once, and when to come again.

    A stream of events gives its place back when it begins: whoever serves streams bounds them.
    """

    def __init__(self, app: ASGIApp, requests_max: int) -> None:
        self.app = app
        self._places = asyncio.Semaphore(requests_max)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in NEVER_SHED:
            await self.app(scope, receive, send)
            return
        if self._places.locked():
            await _refuse(send, Overloaded(TOO_MANY, headers={"Retry-After": "1"}))
            return
        await self._places.acquire()
        streams = False

        async def noticed(message: Message) -> None:
            nonlocal streams
            if message["type"] == "http.response.start" and not streams and _is_stream(message):
                streams = True
                self._places.release()
            await send(message)

        try:
            await self.app(scope, receive, noticed)
        finally:
            if not streams:
                self._places.release()


def _is_stream(start: Message) -> bool:
    kind: bytes = dict(start["headers"]).get(b"content-type", b"")
    return kind.startswith(b"text/event-stream")


class LimitBody:
    """Refuses bodies that are too large before they are read whole."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > BODY_BYTES_MAX:
            await _refuse(send, BodyTooLarge(TOO_LARGE), CLOSE)
            return
        read, answered = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            return {"type": "http.disconnect"} if read > BODY_BYTES_MAX else message

        async def checked(message: Message) -> None:
            """Whatever the application makes of the cut body, the answer is 413."""
            nonlocal answered
            if read <= BODY_BYTES_MAX:
                await send(message)
            elif not answered:
                answered = True
                await _refuse(send, BodyTooLarge(TOO_LARGE), CLOSE)

        try:
            await self.app(scope, counted, checked)
        except ClientDisconnect:
            if read <= BODY_BYTES_MAX:
                raise
            if not answered:
                await _refuse(send, BodyTooLarge(TOO_LARGE), CLOSE)


async def _refuse(send: Send, problem: Refusal, *headers: tuple[bytes, bytes]) -> None:
    """Answer with the problem, before there is an application to do so."""
    said = [(n.lower().encode(), v.encode()) for n, v in (problem.headers or {}).items()]
    kind = (b"content-type", b"application/problem+json")
    body = json.dumps(as_body(problem)).encode()
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": problem.status}
    await send({**start, "headers": [kind, length, *said, *headers]})
    await send({"type": "http.response.body", "body": body})
