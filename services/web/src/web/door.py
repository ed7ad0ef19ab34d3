"""The way in and out of every request: cookies are opened and set here, headers are added."""

import os
from http.cookies import SimpleCookie

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.session import COOKIE, COOKIE_AGE_SECONDS, SEED_COOKIE, Seal

# The two reference pages run a vendored viewer that writes its own styles.
VIEWER_PATHS = frozenset({"/api/v1/docs"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)
VIEWER_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
}


class Door:
    """Opens the session of each request, and seals it again when a page changed it.

    Pages read and write `request.state.session`; the seed is what form tokens are made of.
    """

    def __init__(self, app: ASGIApp, seal: Seal, secure: bool) -> None:
        self._app = app
        self._seal = seal
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        session = self._seal.open(request.cookies.get(COOKIE))
        seed = request.cookies.get(SEED_COOKIE, "")
        request.state.session = session
        request.state.seed = seed or os.urandom(16).hex()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                policy = VIEWER_POLICY if scope["path"] in VIEWER_PATHS else POLICY
                headers["Content-Security-Policy"] = policy
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
                if request.state.session is not session:
                    self._set(headers, COOKIE, self._closed(request))
                if request.state.seed != seed and not scope["path"].startswith("/static/"):
                    self._set(headers, SEED_COOKIE, request.state.seed)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _closed(self, request: Request) -> str | None:
        session = request.state.session
        return None if session is None else self._seal.close(session)

    def _set(self, headers: MutableHeaders, name: str, value: str | None) -> None:
        cookie: SimpleCookie = SimpleCookie()
        cookie[name] = value or ""
        cookie[name]["path"] = "/"
        cookie[name]["httponly"] = True
        cookie[name]["samesite"] = "Lax"
        cookie[name]["max-age"] = COOKIE_AGE_SECONDS if value else 0
        if self._secure:
            cookie[name]["secure"] = True
        headers.append("Set-Cookie", cookie[name].OutputString())
