"""How the town's people ask: every request may lose its answer, and is then asked again."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
from contracts.identity import Role

from faults.judge import Promise
from faults.town.town import Town

SHED_AGAIN_S = 0.05
LOST = 0.15  # Of the answers: the same request is sent again under the same key (E4).
DOUBLED = 0.05  # Of the requests: two arrive at once.
OWNERS = {
    "orders": "orders",
    "items": "orders",
    "customers": "orders",
    "stores": "inventory",
    "warehouses": "inventory",
    "receipts": "inventory",
    "holds": "inventory",
    "payments": "billing",
    "refunds": "billing",
    "documents": "billing",
    "shipments": "shipping",
    "print-jobs": "devices",
}


class NotYet(Exception):
    """What the request names has not arrived there yet: a proper client asks again later."""


class Refused(Exception):
    """The request is refused for good."""


class Clients:
    """One client for each service, and what they were promised."""

    def __init__(self, town: Town) -> None:
        self.town, self.chance = town, town.chance
        self.promises: list[Promise] = []
        self._clients = {name: one.client(Role.OWNER) for name, one in town.benches.items()}
        self._count = 0

    async def get(self, path: str) -> Any:
        answer = await self._clients[_owner(path)].get(path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotYet(path)
        assert answer.is_success, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def patch(self, path: str, body: Mapping[str, Any], version: int) -> Any:
        headers = {"If-Match": f'"{version}"'}
        return _read(
            path, await self._clients[_owner(path)].patch(path, json=body, headers=headers)
        )

    async def delete(self, path: str, version: int) -> None:
        answer = await self._clients[_owner(path)].delete(
            path, headers={"If-Match": f'"{version}"'}
        )
        assert answer.is_success, f"DELETE {path}: {answer.status_code} {answer.text}"

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask until answered, under one key; the answer's body."""
        self._count += 1
        key = f"town-{self._count}"
        times = 2 if self.chance.random() < DOUBLED else 1
        lost = self.chance.random() < LOST
        answers = list(await asyncio.gather(*(self._send(path, body, key) for _ in range(times))))
        if lost or not any(answer.is_success for answer in answers):
            answers.append(await self._send(path, body, key))
        done = [answer for answer in answers if answer.is_success]
        if not done:
            return _read(path, answers[-1])
        ids = {answer.json().get("id") or answer.json()["sku"] for answer in done}
        assert len(ids) == 1, f"{path} made {ids} under one key"
        self.promises.append(Promise(key, path, _subject(path, ids.pop())))
        return done[-1].json()

    async def _send(self, path: str, body: Mapping[str, Any] | None, key: str) -> httpx.Response:
        # Nothing moves while a request waits, so it must not.
        headers = {"Idempotency-Key": key, "Prefer": "wait=0"}
        client = self._clients[_owner(path)]
        while True:
            answer = await client.post(path, json=body or {}, headers=headers)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return answer
            await asyncio.sleep(SHED_AGAIN_S)  # Those before it are under way and will end.


def _owner(path: str) -> str:
    return OWNERS[path.strip("/").split("/")[0].split("?")[0]]


def _subject(path: str, id: str) -> str:
    """What the key is kept with: the id in the path, or the id of what was made."""
    parts = path.strip("/").split("/")
    return parts[1] if len(parts) > 1 else id


def _read(path: str, answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json()
    assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, f"{path}: {answer.text}"
    if "Retry-After" in answer.headers or answer.status_code == httpx.codes.NOT_FOUND:
        raise NotYet(path)
    raise Refused(f"{path}: {answer.status_code} {answer.text}")
