"""What a client does with one order, or with a batch of them, and when its facts were heard."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bench.client import Api, Body, NeverAnswered, Refused
from bench.figures import Course
from bench.follower import Follower, Kind
from bench.shop import Sale

SETTLE_S = 60.0
ASK_AGAIN_S = 0.2
STALLED_S = 30.0
LAG_SAMPLE_S = 1.0


class GoodsRefused(Exception):
    """Goods that the store has were not handed over."""


class Journeys:
    """One measurement: orders go out, facts come in, and each leaves its time."""

    def __init__(self, api: Api, follower: Follower, orders: Iterator[tuple[Sale, Body]]) -> None:
        self._api, self._orders = api, orders
        self._clock = asyncio.get_running_loop().time
        self.start = self._clock()
        self.failures: Counter[str] = Counter()
        self.accepted, self.decided = Course(), Course()
        self.printed, self.closed = Course(), Course()
        self._decided = follower.listen("decided", self._heard(self.decided))
        self._printed = follower.listen("printed", self._heard(self.printed))
        self._closed = follower.listen("closed", self._heard(self.closed))
        self.lags: list[tuple[float, int]] = []
        self._follower = follower

    def _heard(self, course: Course) -> Any:
        return lambda at, took: course.add(at - self.start, took)

    def restart(self) -> None:
        """Count the time from now on."""
        self.start = self._clock()

    def waiting(self, kind: Kind) -> int:
        """How many orders still wait for their fact."""
        return {"decided": self._decided, "printed": self._printed, "closed": self._closed}[
            kind
        ].waiting

    async def accept(self, due: float) -> None:
        """One order by itself: taken, and its holds decided."""
        _, body = next(self._orders)
        try:
            await self._accept(body, due)
        except (Refused, NeverAnswered) as error:
            self._fail(error)

    async def _accept(self, body: Body, due: float, *, wait: bool = False) -> Body:
        self._decided.send(body["id"], due)
        try:
            order = await self._api.post("/orders", body, f"bench-{body['id']}", wait=wait)
        except BaseException:
            self._decided.sent.pop(body["id"], None)
            raise
        self._note(self.accepted, due)
        return order

    async def batch(self, members: int, due: float) -> None:
        """Many orders in one request, each with its own key and answer; nobody is told of them."""
        bodies = [{**next(self._orders)[1], "notify": False} for _ in range(members)]
        for body in bodies:
            self._decided.send(body["id"], due)
        key = f"bench-batch-{bodies[0]['id']}"
        orders = [{"key": f"bench-{body['id']}", "order": body} for body in bodies]
        try:
            answer = await self._api.post("/orders/batch", {"orders": orders}, key)
        except (Refused, NeverAnswered) as error:
            self._fail(error)
            answer = {"items": [{"status": 0}] * members}
        for body, item in zip(bodies, answer["items"], strict=True):
            if item["status"] == 201:
                self._note(self.accepted, due)
            else:
                self._decided.sent.pop(body["id"], None)
                self.failures[f"member {item['status']}"] += 1

    async def flow(self, due: float) -> None:
        """The whole job over single requests: to the payment that closes the order."""
        sale, body = next(self._orders)
        try:
            await self._flow(sale, body, due)
        except (Refused, NeverAnswered, GoodsRefused) as error:
            self._printed.sent.pop(body["id"], None)
            self._closed.sent.pop(body["id"], None)
            self._fail(error)

    async def _flow(self, sale: Sale, body: Body, due: float) -> None:
        api, id = self._api, body["id"]
        order = await self._accept(body, due, wait=True)
        if sale.plan.needs_agreeing:
            order = await api.post(f"/orders/{id}/agree", {}, f"bench-agree-{id}", unheard=True)
        deposit, total = Decimal(order["prepayment"]), Decimal(order["total"])
        if deposit:
            self._printed.send(id, self._clock())
            await self._pay(body, deposit, sale.plan.deposit_method, None)
        await self._hand_over(body, order)
        if not total:
            return
        invoice = await api.post(
            "/documents", {"order_id": id, "kind": "invoice"}, f"bench-invoice-{id}", unheard=True
        )
        self._closed.send(id, due)
        rest = Decimal(invoice["due"])
        if rest:
            await self._pay(body, rest, sale.plan.final_method, invoice["id"])

    async def _pay(self, order: Body, amount: Decimal, method: str, document: str | None) -> None:
        body: Body = {
            "order_id": order["id"],
            "amount": str(amount),
            "method": method,
            "store_id": order["store_id"],
        }
        if document:
            body["document_id"] = document
        step = "final" if document else "deposit"
        await self._api.post("/payments", body, f"bench-{step}-{order['id']}", unheard=True)

    async def _hand_over(self, body: Body, order: Body) -> None:
        """All lines at once; settled before the client goes on, or the invoice would be in full."""
        lines = [{"line_id": one["id"], "quantity": one["quantity"]} for one in order["lines"]]
        draft = {
            "order_id": body["id"],
            "kind": "hand_over",
            "store_id": body["store_id"],
            "lines": lines,
        }
        key = f"bench-shipment-{body['id']}"
        shipment = await self._api.post("/shipments", draft, key, unheard=True)
        path = f"/shipments/{shipment['id']}"
        shipment = await self._api.post(f"{path}/post", {}, f"{key}-post", wait=True, unheard=True)
        deadline = self._clock() + SETTLE_S
        while shipment["state"] == "posting" or (
            shipment["state"] == "posted" and shipment["due_now"] is None
        ):
            if self._clock() > deadline:
                raise NeverAnswered(f"{path} was not settled in {SETTLE_S:.0f} s")
            await asyncio.sleep(ASK_AGAIN_S)
            shipment = await self._api.get(path)
        if shipment["state"] == "refused":
            raise GoodsRefused(f"goods were refused: {shipment['reason_code']}")

    def _note(self, course: Course, due: float) -> None:
        now = self._clock()
        course.add(now - self.start, now - due)

    def _fail(self, error: Exception) -> None:
        # Without the ids in it, so that equal failures are counted together.
        words = (word for word in str(error).split() if not any(map(str.isdigit, word[:3])))
        self.failures[f"{type(error).__name__}: {' '.join(words)}"[:160]] += 1

    async def watch(self, kind: Kind) -> None:
        """Note each second how far the facts are behind, until cancelled."""
        while True:
            self.lags.append((round(self._clock() - self.start, 1), self.waiting(kind)))
            await asyncio.sleep(LAG_SAMPLE_S)

    async def drain(self, kind: Kind) -> float:
        """Wait for the facts that are still to come; seconds, inf when they stopped coming."""
        begun = moved = self._clock()
        left = self.waiting(kind)
        while left:
            await asyncio.sleep(0.05)
            if self.waiting(kind) < left:
                left, moved = self.waiting(kind), self._clock()
            if self._clock() - moved > STALLED_S:
                return math.inf
        return self._clock() - begun
