"""The public API as a careful caller uses it: every POST has a key and is sent until it is told.

A process of the system may die at any moment. The caller sees a broken connection, a 5xx, or a 409
that says "not yet"; it sends the same key and body again, so nothing is done twice.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import stamina

Body = dict[str, Any]

PATIENCE_SECONDS = 300.0
CONDITION_PATIENCE_SECONDS = 300.0
RENEW_AFTER_SECONDS = 200.0
WAIT_SECONDS = 5
PAGE_LIMIT = 200
NOT_YET = ("not-known-yet", "in-flight")


class Refused(Exception):
    """The API will not do this, however often it is asked."""

    def __init__(self, what: str, response: httpx.Response) -> None:
        self.status = response.status_code
        self.problem = _problem(response)
        errors = "; ".join(
            f"{error.get('pointer', '')} {error.get('detail', '')}".strip()
            for error in self.problem.get("errors", [])
            if isinstance(error, dict)
        )
        said = self.problem.get("detail") or self.problem.get("title") or "no explanation"
        super().__init__(f"{what}: {self.status} {said} {errors}".rstrip())


class NotNow(Exception):
    """The same request may succeed later; `after_seconds` if the answer says when."""

    def __init__(self, why: str, after_seconds: float | None) -> None:
        self.after_seconds = after_seconds
        super().__init__(why)


class NeverCame(Exception):
    """A state that should follow from what was done did not show in time."""


@dataclass
class _Tokens:
    access: str
    refresh: str | None
    taken_at: float


class Api:
    """A logged-in caller of the gateway; safe to share between tasks."""

    def __init__(
        self,
        base_url: str,
        username: str,
        password: str,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        renew_after_seconds: float = RENEW_AFTER_SECONDS,
        connections: int = 32,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(30.0, pool=None),
            limits=httpx.Limits(max_connections=connections),
            transport=transport,
            trust_env=False,  # The system is on this machine; a proxy would not find it.
        )
        self._login = {"username": username, "password": password}
        self._patience_seconds = patience_seconds
        self._renew_after_seconds = renew_after_seconds
        self._tokens: _Tokens | None = None
        self._renewing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, **params: str | int) -> Body:
        """Read one thing or one page."""
        return await self._until_told("GET", path, params=params)

    async def items(self, path: str, **params: str | int) -> AsyncIterator[Body]:
        """All entries of a list, page after page."""
        cursor: str | None = None
        while True:
            page = await self.get(
                path, **params, **({"cursor": cursor} if cursor else {}), limit=PAGE_LIMIT
            )
            for item in page["items"]:
                yield item
            cursor = page.get("next_cursor")
            if not cursor:
                return

    async def post(self, path: str, body: Body, key: str, *, unheard: bool = False) -> Body:
        """Do one thing once, waiting up to 5 s for its result.

        `unheard` says that the caller has seen in one service what the called one may only hear a
        moment later, so that a 409, or a 422 for an unknown reference, is asked again too.
        """
        headers = {"Idempotency-Key": key, "Prefer": f"wait={WAIT_SECONDS}"}
        return await self._until_told("POST", path, body=body, headers=headers, unheard=unheard)

    async def until(
        self,
        look: Callable[[], Awaitable[Body]],
        shows: Callable[[Body], bool],
        what: str,
        within_seconds: float = CONDITION_PATIENCE_SECONDS,
    ) -> Body:
        """Look again until the condition shows; `NeverCame` when it does not in time."""
        clock = asyncio.get_running_loop().time
        end = clock() + within_seconds
        pause = 0.05
        while True:
            seen = await look()
            if shows(seen):
                return seen
            if clock() > end:
                raise NeverCame(f"{what} did not show within {within_seconds:.0f} s")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    async def _until_told(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        unheard: bool = False,
    ) -> Body:
        async for attempt in stamina.retry_context(
            on=_wait_before_next,
            attempts=None,
            timeout=self._patience_seconds,
            wait_initial=0.1,
            wait_max=3.0,
            wait_jitter=0.2,
        ):
            with attempt:
                tokens = await self._logged_in()
                response = await self._http.request(
                    method,
                    f"/api/v1{path}",
                    params=params,
                    json=body,
                    headers={**(headers or {}), "Authorization": f"Bearer {tokens.access}"},
                )
                self._judge(f"{method} {path}", response, tokens, unheard)
                told: Body = response.json() if response.content else {}
                return told
        raise AssertionError("the last attempt returns or raises")

    def _judge(self, what: str, response: httpx.Response, used: _Tokens, unheard: bool) -> None:
        if response.is_success:
            return
        if response.status_code == 401 and not self._is_fresh(used):
            if self._tokens is used:
                self._tokens = None
            raise NotNow(f"{what}: the token has ended", 0.0)
        if _may_succeed_later(response, unheard):
            raise NotNow(f"{what}: {response.status_code}", _retry_after(response))
        raise Refused(what, response)

    def _is_fresh(self, tokens: _Tokens) -> bool:
        """A token refused right after it was issued is refused for good."""
        return asyncio.get_running_loop().time() - tokens.taken_at < 5.0

    async def _logged_in(self) -> _Tokens:
        async with self._renewing:
            clock = asyncio.get_running_loop().time
            current = self._tokens
            if current is not None and clock() - current.taken_at < self._renew_after_seconds:
                return current
            fresh = await self._refresh(current) if current is not None else None
            self._tokens = fresh or await self._log_in()
            return self._tokens

    async def _refresh(self, old: _Tokens) -> _Tokens | None:
        """New tokens for the old ones, or None: an answer lost on its way is no reason to stop."""
        if old.refresh is None:
            return None
        try:
            response = await self._http.post(
                "/api/v1/tokens/refresh",
                json={"refresh_token": old.refresh},
                headers={"Idempotency-Key": f"demo-refresh-{old.refresh[-40:]}"},
            )
        except httpx.TransportError:
            return None
        return self._taken(response) if response.is_success else None

    async def _log_in(self) -> _Tokens:
        response = await self._http.post("/api/v1/tokens", json=self._login)
        if response.is_success:
            return self._taken(response)
        if _may_succeed_later(response, unheard=False):
            raise NotNow(f"log-in: {response.status_code}", _retry_after(response))
        raise Refused("log-in", response)

    def _taken(self, response: httpx.Response) -> _Tokens:
        told = response.json()
        now = asyncio.get_running_loop().time()
        return _Tokens(told["access_token"], told.get("refresh_token"), now)


def _wait_before_next(error: Exception) -> bool | float:
    if isinstance(error, NotNow):
        return True if error.after_seconds is None else error.after_seconds
    return isinstance(error, httpx.TransportError)


def _may_succeed_later(response: httpx.Response, unheard: bool) -> bool:
    if response.status_code == 429 or response.status_code >= 500:
        return True
    problem = _problem(response)
    if response.status_code == 404:
        # Without a problem document it is the gateway's: it listens before it knows its routes.
        return not problem
    kind = str(problem.get("type", ""))
    if response.status_code == 422:
        return unheard and "unknown" in kind
    if response.status_code != 409:
        return False
    return unheard or "retry-after" in response.headers or kind.endswith(NOT_YET)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, at most 30: a date is not worth reading for waits this short."""
    text = response.headers.get("retry-after", "")
    return min(float(text), 30.0) if text.isdigit() else None


def _problem(response: httpx.Response) -> Body:
    try:
        told = response.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
