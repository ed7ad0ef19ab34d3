"""The public API as a proper client calls it: a key on every POST, the same one when it retries.

Cheaper than the demo's client, for here the generator shares two cores with what it measures.
"""

import asyncio
import itertools
import random
from collections import Counter
from typing import Any, Self

import aiohttp
from local.topology import API, DEMO_DOMAIN, DEMO_PASSWORD

Body = dict[str, Any]

SESSIONS = 8  # Tills sign in one by one: the gateway counts requests by token.
RENEW_AFTER_S = 200.0  # A token lives for 300.
PATIENCE_S = 60.0
PAUSE_FIRST_S, PAUSE_MAX_S = 0.1, 3.0
WAIT_S = 5
NOT_YET = ("not-known-yet", "in-flight")


class Refused(Exception):
    """The API will not do this, however often it is asked."""

    def __init__(self, what: str, status: int, problem: Body) -> None:
        self.status = status
        said = problem.get("detail") or problem.get("title") or "no explanation"
        super().__init__(f"{what}: {status} {said} {problem.get('errors', '')}".rstrip())


class NeverAnswered(Exception):
    """The API gave no final answer for as long as a client has patience."""


class Api:
    """A signed-in caller of the gateway that counts why it had to ask again."""

    def __init__(self, address: str, callers: int, seed: int = 0) -> None:
        self._http = aiohttp.ClientSession(
            address,
            connector=aiohttp.TCPConnector(limit=callers, keepalive_timeout=2.5),
            timeout=aiohttp.ClientTimeout(total=30),
        )
        self._tokens: list[str] = []
        self._signed_in_at = 0.0
        self._signing_in = asyncio.Lock()
        self._turn = itertools.count()
        self._jitter = random.Random(seed)
        self.retries: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._http.close()

    async def get(self, path: str, **params: str | int) -> Body:
        """Read one thing or one page."""
        _, answer = await self._until_told("GET", path, params=params)
        return answer

    async def post(
        self, path: str, body: Body, key: str, *, wait: bool = False, unheard: bool = False
    ) -> Body:
        """Do one thing once; the answer's body.

        `wait` prefers the answer with its result, 5 s at most. `unheard` says that another service
        knows already what this one may hear a moment later: it is then asked again too.
        """
        _, answer = await self.post_told(path, body, key, wait=wait, unheard=unheard)
        return answer

    async def post_told(
        self, path: str, body: Body, key: str, *, wait: bool = False, unheard: bool = False
    ) -> tuple[int, Body]:
        """The same with the answer's status."""
        headers = {"Idempotency-Key": key}
        if wait:
            headers["Prefer"] = f"wait={WAIT_S}"
        return await self._until_told("POST", path, body=body, headers=headers, unheard=unheard)

    async def _until_told(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str | int] | None = None,
        body: Body | None = None,
        headers: dict[str, str] | None = None,
        unheard: bool = False,
    ) -> tuple[int, Body]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + PATIENCE_S
        pause = PAUSE_FIRST_S
        while True:
            after: float | None = None
            try:
                token = await self._token()
                request = self._http.request(
                    method,
                    API + path,
                    params=params,
                    json=body,
                    headers={**(headers or {}), "Authorization": token},
                )
                async with request as response:
                    answer = await _body(response)
                    if response.status < 400:
                        return response.status, answer
                    why = str(response.status)
                    if response.status == 401:
                        self._signed_in_at = 0.0
                    elif not may_succeed_later(response.status, response.headers, answer, unheard):
                        raise Refused(f"{method} {path}", response.status, answer)
                    after = retry_after_s(response.headers)
            except (aiohttp.ClientError, TimeoutError) as error:
                why = type(error).__name__
            self.retries[why] += 1
            if clock() > deadline:
                raise NeverAnswered(f"{method} {path}: {why} for {PATIENCE_S:.0f} s")
            await asyncio.sleep(
                after if after is not None else self._jitter.uniform(0.5, 1) * pause
            )
            pause = min(2 * pause, PAUSE_MAX_S)

    async def _token(self) -> str:
        clock = asyncio.get_running_loop().time
        if not self._is_fresh(clock()):
            async with self._signing_in:
                if not self._is_fresh(clock()):
                    self._tokens = [await self._sign_in() for _ in range(SESSIONS)]
                    self._signed_in_at = clock()
        return self._tokens[next(self._turn) % SESSIONS]

    def _is_fresh(self, now: float) -> bool:
        return bool(self._tokens) and now - self._signed_in_at < RENEW_AFTER_S

    async def _sign_in(self) -> str:
        login = {"username": f"manager@{DEMO_DOMAIN}", "password": DEMO_PASSWORD}
        async with self._http.post(f"{API}/tokens", json=login) as response:
            answer = await _body(response)
            if response.status != 200:
                raise Refused("POST /tokens", response.status, answer)
            return f"Bearer {answer['access_token']}"


def may_succeed_later(status: int, headers: Any, problem: Body, unheard: bool) -> bool:
    """Whether the same request, sent again, may be answered otherwise."""
    if status == 429 or status >= 500:
        return True
    kind = str(problem.get("type", ""))
    if status == 422:
        return unheard and "unknown" in kind
    return status == 409 and (unheard or "Retry-After" in headers or kind.endswith(NOT_YET))


def retry_after_s(headers: Any) -> float | None:
    """What the answer says, at most 30 s; None when it says nothing."""
    text = headers.get("Retry-After", "")
    return min(float(text), 30.0) if text.isdigit() else None


async def _body(response: aiohttp.ClientResponse) -> Body:
    try:
        told = await response.json(content_type=None)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
