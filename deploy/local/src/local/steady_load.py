"""A steady load that never tries again: what fails is seen, and what is lost is found.

Orders are placed, and every service is asked in turn for what waits there for an operator.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from local.owner import new_key, signed_in
from local.topology import API, SERVICES

SETTLE_SECONDS = 120.0
LOOK_AGAIN_SECONDS = 0.5
SIGN_IN_AGAIN_SECONDS = 120.0  # A token is good for five minutes.
TIMEOUT_SECONDS = 30.0
UNDECIDED = "agreed"  # The status of an order whose holds nobody has decided yet.
ORDERS = f"{API}/orders"
GOOD = (str(httpx.codes.OK.value), str(httpx.codes.CREATED.value))
PARKED = {s.name: f"{API}/system/{s.name}/parked" for s in SERVICES if s.owns_database}
QUESTIONS = (*PARKED.values(), "/sign-in")  # Web has no records, but pages.


@dataclass(frozen=True)
class Answer:
    """What became of one request: its status, or the error's name; and what was going on then."""

    path: str
    outcome: str
    seconds: float
    meanwhile: str
    order_id: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether it was answered as it must be."""
        return self.outcome in GOOD


@dataclass(frozen=True)
class Left:
    """What is not as it must be when all is quiet: order ids, and the services' parked records."""

    missing: list[str]
    undecided: list[str]
    parked: dict[str, int]


@dataclass
class SteadyLoad:
    """So many requests a second, orders and questions by turns; none waits for another."""

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
            self._order_body = {
                "store_id": store["id"],
                "channel": "counter",
                "customer_name": "Rehearsal",
                "currency": "EUR",
                "lines": [line],
                "hold": {"method": "nominal", "warehouse_id": warehouse["id"]},
            }
            post_once_known(client, "/orders", self._order_body)

    async def run(self, stopped: asyncio.Event) -> None:
        """Send until stopped, then wait for the last answers."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        async with httpx.AsyncClient(
            base_url=self.gateway_url, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False
        ) as client:
            await asyncio.to_thread(self._sign_in, client)
            signing = asyncio.create_task(self._stay_signed_in(client))
            sent: list[asyncio.Task[None]] = []
            asked = itertools.cycle(QUESTIONS)
            try:
                began = time.monotonic()
                while not stopped.is_set() and not signing.done():
                    question = len(sent) % 2
                    one = self._ask(client, next(asked)) if question else self._order(client)
                    sent.append(asyncio.create_task(one))
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

    async def _order(self, client: httpx.AsyncClient) -> None:
        await self._send(client, "POST", ORDERS, json=self._order_body, headers=new_key())

    async def _ask(self, client: httpx.AsyncClient, path: str) -> None:
        await self._send(client, "GET", path)

    async def _send(self, client: httpx.AsyncClient, method: str, path: str, **what: Any) -> None:
        meanwhile, began = self.meanwhile, time.monotonic()
        order_id = None
        try:
            answer = await client.request(method, path, **what)
            outcome = str(answer.status_code)
            order_id = answer.json()["id"] if answer.status_code == httpx.codes.CREATED else None
        except httpx.HTTPError as error:
            outcome = type(error).__name__
        self.answers.append(Answer(path, outcome, time.monotonic() - began, meanwhile, order_id))

    def look_again(self) -> Left:
        """Wait until every accepted order is decided and nothing is parked, and say what is not."""
        with signed_in(self.gateway_url, "Looking at the orders again") as client:
            missing: list[str] = []
            undecided = [one.order_id for one in self.answers if one.order_id]
            deadline = time.monotonic() + SETTLE_SECONDS
            parked = parked_records(client)
            while (undecided or parked) and time.monotonic() < deadline:
                statuses = {order_id: status_of(client, order_id) for order_id in undecided}
                missing += [order_id for order_id, status in statuses.items() if status is None]
                undecided = [one for one, status in statuses.items() if status == UNDECIDED]
                parked = parked_records(client)
                time.sleep(LOOK_AGAIN_SECONDS)
        return Left(missing, undecided, parked)


def parked_records(client: httpx.Client) -> dict[str, int]:
    """How many records wait for a person or for an earlier one, by service; none is left out."""
    answers = {name: client.get(path.removeprefix(API)) for name, path in PARKED.items()}
    counts = {n: len(answer.raise_for_status().json()["items"]) for n, answer in answers.items()}
    return {name: count for name, count in counts.items() if count}


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
    outcomes = Counter(
        f"{'orders' if one.path == ORDERS else 'questions'} answered {one.outcome}"
        for one in answers
    )
    slowest = max(answers, key=lambda one: one.seconds)
    return [
        ("sent", str(len(answers))),
        *((outcome, str(count)) for outcome, count in sorted(outcomes.items())),
        ("slowest", f"{slowest.seconds:.1f} s, {slowest.path}, during: {slowest.meanwhile}"),
    ]
