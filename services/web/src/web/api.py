"""The client of the public API: web asks the gateway as any other client does."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import httpx

from web.jsons import Json

TIMEOUT_SECONDS = 15.0
TRIES_MAX = 8
TRY_AGAIN_SECONDS = 0.25
RUSH_SECONDS = 1  # Whoever is to come back later than this is told so.


@dataclass(frozen=True, slots=True)
class FieldProblem:
    pointer: str
    detail: str


@dataclass
class ApiProblem(Exception):
    """The API refused, or could not be asked; the sentence is for the person at the page."""

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    errors: list[FieldProblem] = field(default_factory=list)

    @property
    def unreachable(self) -> bool:
        """Whether nothing is known of the outcome: the same key may be tried again."""
        return self.status >= 500

    def at(self, pointer_end: str) -> str | None:
        """The sentence for the field whose JSON pointer ends so, or None."""
        for error in self.errors:
            if error.pointer.rstrip("/").endswith("/" + pointer_end):
                return error.detail
        return None

    @property
    def sentence(self) -> str:
        """What happened, in one sentence."""
        if self.detail:
            return self.detail
        return "; ".join(error.detail for error in self.errors) or self.title


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    etag: str | None


class Api:
    """Calls of one visitor (or of nobody, for signing in), in the visitor's language."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        token: str | None = None,
        language: str = "en",
        address: str = "",
    ) -> None:
        self._http = http
        self._token = token
        self._language = language
        self._address = address

    def for_token(self, token: str, language: str) -> "Api":
        """The same gateway, asked in another visitor's name."""
        return Api(self._http, token, language)

    def from_address(self, address: str) -> "Api":
        """The same caller, whose failed sign-ins are counted for this address."""
        return Api(self._http, self._token, self._language, address)

    async def get(self, path: str, **query: Any) -> Any:
        """The body at this path."""
        return (await self.ask("GET", path, query=query)).body

    async def get_page(self, path: str, **query: Any) -> tuple[list[Json], str | None]:
        """One page of a list, and the cursor of the next."""
        body = await self.get(path, **query)
        return list(body.get("items", [])), body.get("next_cursor")

    async def post(
        self, path: str, body: Json, key: str | None, wait_seconds: int | None = None
    ) -> Any:
        """Does something once: the same key never does it twice."""
        return (await self.ask("POST", path, body=body, key=key, wait_seconds=wait_seconds)).body

    async def patch(self, path: str, body: Json, etag: str, key: str | None) -> Any:
        """Changes what still is as it was read, and with a key the same change only once."""
        return (await self.ask("PATCH", path, body=body, etag=etag, key=key)).body

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Json | None = None,
        key: str | None = None,
        etag: str | None = None,
        wait_seconds: int | None = None,
    ) -> Answer:
        """One call; anything but success is an ApiProblem."""
        params = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        headers = self._headers(key, etag, wait_seconds)
        response = await self._success(method, path, params=params, json=body, headers=headers)
        found = response.json() if response.content else None
        return Answer(response.status_code, found, response.headers.get("etag"))

    async def file(self, path: str) -> httpx.Response:
        """A paper as bytes."""
        return await self._success("GET", path, headers=self._headers(None, None, None))

    async def _success(self, method: str, path: str, **what: Any) -> httpx.Response:
        """Asks the same again, under the same key, while the answer says that it may come true."""
        request = self._http.build_request(method, "/api/v1" + path, **what)
        for left in reversed(range(TRIES_MAX)):
            try:
                response = await self._http.send(request)
            except httpx.HTTPError as error:
                raise ApiProblem(503, "unreachable", "", type="unreachable") from error
            pause = _pause_seconds(response)
            if pause is None or not left:
                break
            await asyncio.sleep(pause)
        if response.is_success:
            return response
        raise problem_of(response)

    def _headers(
        self, key: str | None, etag: str | None, wait_seconds: int | None
    ) -> dict[str, str]:
        headers = {"Accept-Language": self._language}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._address:
            headers["X-Forwarded-For"] = self._address
        if key:
            headers["Idempotency-Key"] = key
        if etag:
            headers["If-Match"] = etag
        if wait_seconds:
            headers["Prefer"] = f"wait={wait_seconds}"
        return headers


def _pause_seconds(response: httpx.Response) -> float | None:
    """How long to wait before the same is asked again; None to take the answer.

    409: what was made a moment ago is not known everywhere yet. 429: a rush in which nothing was
    done, but not at signing in, where it means that somebody guesses.
    """
    after, request = response.headers.get("Retry-After", ""), response.request
    if response.status_code == 409 and after:
        return TRY_AGAIN_SECONDS
    repeatable = request.method == "GET" or "Idempotency-Key" in request.headers
    if response.status_code == 429 and repeatable and after == str(RUSH_SECONDS):
        return random.uniform(RUSH_SECONDS, 1.5 * RUSH_SECONDS)  # noqa: S311 - no secret.
    return None


def problem_of(response: httpx.Response) -> ApiProblem:
    """The problem document of a refusal; a gateway's own page becomes a plain one."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return ApiProblem(response.status_code, "unreachable", "", type="unreachable")
    errors = [
        FieldProblem(str(one.get("pointer", "")), str(one.get("detail", "")))
        for one in body.get("errors") or []
        if isinstance(one, dict)
    ]
    return ApiProblem(
        status=response.status_code,
        title=str(body.get("title", "")),
        detail=str(body.get("detail") or ""),
        type=str(body.get("type", "about:blank")),
        errors=errors,
    )
