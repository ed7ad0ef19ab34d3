"""Around every request: the body limit, the request's trace and its metrics."""

import json
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import telemetry
from chassis.http.problems import BodyTooLarge, as_body

BODY_BYTES_MAX = 2 * 1024 * 1024
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
            await _refuse(send)
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
                await _refuse(send)

        try:
            await self.app(scope, counted, checked)
        except ClientDisconnect:
            if read <= BODY_BYTES_MAX:
                raise
            if not answered:
                await _refuse(send)


async def _refuse(send: Send) -> None:
    body = json.dumps(as_body(BodyTooLarge(TOO_LARGE))).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
