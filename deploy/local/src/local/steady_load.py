"""A steady load of orders that never tries again: what fails is seen, and what is lost is found."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from local.owner import new_key, signed_in
from local.topology import API

SETTLE_SECONDS = 120.0
SIGN_IN_AGAIN_SECONDS = 120.0  # A token is good for five minutes.
TIMEOUT_SECONDS = 30.0
UNDECIDED = "agreed"  # The status of an order whose holds nobody has decided yet.


@dataclass(frozen=True)
class Answer:
    """What became of one request: its status, or the error's name; and what was going on then."""

    outcome: str
    seconds: float
    meanwhile: str
    order_id: str | None = None


@dataclass
class SteadyLoad:
    """Orders of one item, so many a second whatever the answers; arrivals wait for nobody."""

    gateway_url: str
    rate: float
    meanwhile: str = "nothing"
    answers: list[Answer] = field(default_factory=list)

    def prepare(self) -> None:
        """Make the store, its warehouse, the item and its goods that the orders are for."""
        with signed_in(self.gateway_url, "Preparing the orders") as client:

            def make(path: str, body: dict[str, Any]) -> dict[str, Any]:
                made: dict[str, Any] = post_once_known(client, path, body).json()
                return made

            name = f"R{int(time.time())}"
            store = make("/stores", {"code": name, "name": f"Store {name}"})
            main = {"store_id": store["id"], "name": "Main", "kind": "main"}
            warehouse = make("/warehouses", main)
            item = {"sku": name, "name": "Tea", "unit": "piece", "barcodes": [], "tax_rate": "20"}
            make("/items", {**item, "price": "1.00", "currency": "EUR"})
            line = {"sku": name, "quantity": "1"}
            goods = {"sku": name, "quantity": "100000"}
            make("/receipts", {"warehouse_id": warehouse["id"], "lines": [goods]})
            self._order = {
                "store_id": store["id"],
                "channel": "counter",
                "customer_name": "Rehearsal",
                "currency": "EUR",
                "lines": [line],
                "hold": {"method": "nominal", "warehouse_id": warehouse["id"]},
            }
            post_once_known(client, "/orders", self._order)

    async def run(self, stopped: asyncio.Event) -> None:
        """Send until stopped, then wait for the last answers."""
        base = self.gateway_url + API
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        async with httpx.AsyncClient(
            base_url=base, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False
        ) as client:
            await asyncio.to_thread(self._sign_in, client)
            signing = asyncio.create_task(self._stay_signed_in(client))
            sent: list[asyncio.Task[None]] = []
            try:
                began = time.monotonic()
                while not stopped.is_set() and not signing.done():
                    sent.append(asyncio.create_task(self._send(client)))
                    due = began + len(sent) / self.rate
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                await asyncio.gather(*sent)
                if signing.done():
                    signing.result()
            finally:
                signing.cancel()

    async def _stay_signed_in(self, client: httpx.AsyncClient) -> None:
        while True:
            await asyncio.sleep(SIGN_IN_AGAIN_SECONDS)
            await asyncio.to_thread(self._sign_in, client)

    def _sign_in(self, client: httpx.AsyncClient) -> None:
        with signed_in(self.gateway_url, "Signing in") as owner:
            client.headers["Authorization"] = owner.headers["Authorization"]

    async def _send(self, client: httpx.AsyncClient) -> None:
        meanwhile, began = self.meanwhile, time.monotonic()
        order_id = None
        try:
            answer = await client.post("/orders", json=self._order, headers=new_key())
            outcome = str(answer.status_code)
            order_id = answer.json()["id"] if answer.status_code == httpx.codes.CREATED else None
        except httpx.HTTPError as error:
            outcome = type(error).__name__
        self.answers.append(Answer(outcome, time.monotonic() - began, meanwhile, order_id))

    def look_again(self) -> tuple[list[str], list[str]]:
        """The accepted orders that are not there, and those whose holds nobody decides."""
        with signed_in(self.gateway_url, "Looking at the orders again") as client:
            missing: list[str] = []
            undecided = [one.order_id for one in self.answers if one.order_id]
            deadline = time.monotonic() + SETTLE_SECONDS
            while undecided and time.monotonic() < deadline:
                statuses = {order_id: status_of(client, order_id) for order_id in undecided}
                missing += [order_id for order_id, status in statuses.items() if status is None]
                undecided = [one for one, status in statuses.items() if status == UNDECIDED]
        return missing, undecided


def status_of(client: httpx.Client, order_id: str) -> str | None:
    """An order's main status, None when there is no such order."""
    answer = client.get(f"/orders/{order_id}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    return str(answer.raise_for_status().json()["status"])


def post_once_known(client: httpx.Client, path: str, body: dict[str, Any]) -> httpx.Response:
    """Post with one key until what it refers to is known where it arrives."""
    key = new_key()
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        answer = client.post(path, json=body, headers=key)
        if "Retry-After" not in answer.headers or time.monotonic() > deadline:
            return answer.raise_for_status()
        time.sleep(0.5)


def figures(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """What a person wants to know of the answers, as names and values."""
    outcomes: dict[str, int] = {}
    for one in answers:
        outcomes[one.outcome] = outcomes.get(one.outcome, 0) + 1
    slowest = max(answers, key=lambda one: one.seconds)
    return [
        ("sent", str(len(answers))),
        *((f"answered {outcome}", str(count)) for outcome, count in sorted(outcomes.items())),
        ("slowest", f"{slowest.seconds:.1f} s, during: {slowest.meanwhile}"),
    ]
