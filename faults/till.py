"""A caller of the public API that remembers every promise it was given."""

import asyncio
import time
from dataclasses import dataclass, field

from chassis.ids import uuid7
from demo.client import Api, Body
from local.topology import DEMO_DOMAIN, DEMO_PASSWORD

from faults.judge import Promise

OWNER = f"owner@{DEMO_DOMAIN}"
CONNECTIONS = 64


@dataclass
class Told:
    """What was answered 2xx, and how long each answer of `POST /orders` took."""

    promises: list[Promise] = field(default_factory=list)
    placed: list[tuple[float, float]] = field(default_factory=list)  # When (monotonic), seconds.


class Till(Api):
    """Sends each request under its key until it is answered, and keeps what it was answered."""

    def __init__(self, address: str, told: Told, patience_s: float = 300.0) -> None:
        super().__init__(
            address, OWNER, DEMO_PASSWORD, patience_seconds=patience_s, connections=CONNECTIONS
        )
        self.told = told

    async def post(self, path: str, body: Body, key: str, *, unheard: bool = False) -> Body:
        started = time.monotonic()
        answer = await super().post(path, body, key, unheard=unheard)
        if path == "/orders":
            self.told.placed.append((started, time.monotonic() - started))
        subject = answer.get("id", answer.get("sku"))
        if subject is not None:
            self.told.promises.append(Promise(key, path, str(subject)))
        return answer

    async def do(self, path: str, body: Body) -> Body:
        """Do one thing under a new key; what a service has not heard of yet is waited for."""
        return await self.post(path, body, f"faults-{uuid7()}", unheard=True)

    async def do_all(self, calls: list[tuple[str, Body]]) -> list[Body]:
        """Do all of them at once."""
        return list(await asyncio.gather(*(self.do(path, body) for path, body in calls)))
