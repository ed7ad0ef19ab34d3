"""A chain as its people use it: every step is a call of the public API through the gateway."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import httpx
from chassis.ids import uuid7

T = TypeVar("T")
Json = dict[str, Any]
PASSWORD = "demo"  # Of the accounts that the embedded default seeds.


def base_url() -> str:
    """The gateway of the instance under test."""
    return f"http://127.0.0.1:{os.environ['HOLDFAST_PORT']}"


def mails_about(number: str) -> list[Json]:
    """The e-mails whose subject names this order."""
    mails = httpx.get(os.environ["HOLDFAST_MAILS"], timeout=10).json()
    found = mails["items"] if isinstance(mails, dict) else mails
    return [mail for mail in found if number in mail["subject"].replace(",", " ").split()]


def soon(probe: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """What `probe` finds, asked again until it finds something; fails with what was awaited."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)


class Caller:
    """Someone signed in. Each POST has a key of its own, and asks to wait for the result."""

    def __init__(self, username: str, password: str = PASSWORD) -> None:
        self.http = httpx.Client(base_url=f"{base_url()}/api/v1", timeout=30)
        self.login = {"username": username, "password": password}
        self.sign_in()

    def sign_in(self) -> None:
        """Get an access token; it is good for five minutes."""
        answer = self.http.post("/tokens", json=self.login)
        assert answer.status_code in (200, 201), answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def send(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """The bare answer; "not known yet" and "in flight" are repeated with the same key."""
        headers = {"Idempotency-Key": str(uuid7()), "Prefer": "wait=5", **kwargs.pop("headers", {})}
        for _ in range(40):
            answer = self.http.request(method, path, headers=headers, **kwargs)
            if answer.status_code == 401:
                self.sign_in()
                continue
            if answer.status_code != 409 or "Retry-After" not in answer.headers:
                break
            time.sleep(0.2)
        return answer

    def get(self, path: str, **params: Any) -> Json:
        answer = self.send("GET", path, params=params)
        assert answer.status_code == 200, f"GET {path}: {answer.text}"
        found: Json = answer.json()
        return found

    def post(self, path: str, body: Mapping[str, Any] | None = None, **kwargs: Any) -> Json:
        answer = self.send("POST", path, json=dict(body or {}), **kwargs)
        assert answer.status_code in (200, 201, 202), f"POST {path}: {answer.text}"
        made: Json = answer.json()
        return made

    def patch(self, path: str, body: Mapping[str, Any]) -> Json:
        """Read, then change what was read."""
        answer = self.send("PATCH", path, json=dict(body), headers={"If-Match": "*"})
        assert answer.status_code == 200, f"PATCH {path}: {answer.text}"
        changed: Json = answer.json()
        return changed

    def refused(
        self, method: str, path: str, status: int, body: Mapping[str, Any] | None = None
    ) -> Json:
        """The problem document of a call that must be refused with this status."""
        headers = {"If-Match": "*"} if method == "PATCH" else {}
        kwargs = {} if method == "GET" else {"json": dict(body or {})}
        answer = self.send(method, path, headers=headers, **kwargs)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["content-type"].startswith("application/problem+json")
        problem: Json = answer.json()
        return problem


def money(value: Any) -> Decimal:
    return Decimal(value)


@dataclass
class Store:
    """A store with its main warehouse and items of its own."""

    by: Caller
    id: str
    warehouse_id: str
    skus: list[str] = field(default_factory=list)

    def item(self, price: str = "100.00", unit: str = "piece", stock: str = "0") -> str:
        """A new item, with goods received if asked for."""
        sku = f"T-{uuid7().hex[-12:]}"
        self.by.post(
            "/items",
            {
                "sku": sku,
                "name": f"Tea {sku[-4:]}",
                "unit": unit,
                "barcodes": [],
                "tax_rate": "20",
                "price": price,
                "currency": "EUR",
            },
        )
        if Decimal(stock):
            self.receive(sku, stock)
        return sku

    def receive(self, sku: str, quantity: str) -> None:
        line = {"sku": sku, "quantity": quantity}
        self.by.post("/receipts", {"warehouse_id": self.warehouse_id, "lines": [line]})

    def order(self, *lines: tuple[str, str], method: str = "nominal", **more: Any) -> Json:
        """An order of (sku, quantity) lines, its holds decided."""
        body = {
            "store_id": self.id,
            "channel": "counter",
            "customer_name": "Ada Byron",
            "currency": "EUR",
            "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
            "hold": {"method": method, "warehouse_id": self.warehouse_id},
            **more,
        }
        return self.by.post("/orders", body)

    def take(self, quantity: str, price: str, method: str = "nominal", **more: Any) -> Json:
        """An order of one line, for goods that are there."""
        return self.order((self.item(price, stock=quantity), quantity), method=method, **more)

    def stock(self, sku: str, warehouse_id: str | None = None) -> dict[str, Decimal]:
        found = self.by.get("/stock", sku=sku, warehouse_id=warehouse_id or self.warehouse_id)
        for row in found["items"]:
            names = ("on_hand", "held", "available", "broken")
            return {name: Decimal(row[name]) for name in names}
        return dict.fromkeys(("on_hand", "held", "available", "broken"), Decimal(0))

    def storage(self) -> list[Json]:
        """The temporary storage warehouses of the store."""
        found = self.by.get("/warehouses", store_id=self.id)["items"]
        return [row for row in found if row["kind"] == "temporary_storage"]

    def pay(self, order: Json, amount: str, document_id: str | None = None) -> Json:
        body = {"order_id": order["id"], "amount": amount, "method": "cash", "store_id": self.id}
        if document_id is not None:
            body["document_id"] = document_id
        return self.by.post("/payments", body)

    def refund(self, order: Json, amount: str) -> Json:
        body = {"order_id": order["id"], "amount": amount, "method": "cash", "store_id": self.id}
        return self.by.post("/refunds", body)

    def ship(self, order: Json, *quantities: str, post: bool = True, **more: Any) -> Json:
        """Hand over these quantities of the order's lines, in their order."""
        lines = [
            {"line_id": line["id"], "quantity": quantity}
            for line, quantity in zip(order["lines"], quantities, strict=False)
            if Decimal(quantity)
        ]
        body = {"order_id": order["id"], "kind": "hand_over", "store_id": self.id, "lines": lines}
        shipment = self.by.post("/shipments", body)
        return self.post_shipment(shipment, **more) if post else shipment

    def post_shipment(self, shipment: Json, **more: Any) -> Json:
        path = f"/shipments/{shipment['id']}"
        self.by.post(f"{path}/post", more)

        def settled() -> Json | None:
            now = self.by.get(path)
            done = now["state"] == "refused" or (
                now["state"] == "posted" and now["due_now"] is not None
            )
            return now if done else None

        return soon(settled, "the shipment to be settled")

    def document(self, order: Json, kind: str, **more: Any) -> Json:
        return self.by.post("/documents", {"order_id": order["id"], "kind": kind, **more})

    def documents(self, order: Json) -> dict[str, Json]:
        found = self.by.get("/documents", order_id=order["id"])["items"]
        return {row["kind"]: row for row in found}

    def show(self, order: Json) -> Json:
        return self.by.get(f"/orders/{order['id']}")

    def when(self, order: Json, **expected: Any) -> Json:
        """The order once it shows these values; fails with what it shows instead."""
        shown: Json = {}

        def fits() -> Json | None:
            nonlocal shown
            shown = self.show(order)
            return shown if all(_equal(shown[k], v) for k, v in expected.items()) else None

        try:
            return soon(fits, f"{expected}", seconds=15)
        except AssertionError as late:
            seen = {key: shown[key] for key in expected}
            raise AssertionError(f"{late}; the order shows {seen}") from None

    def after_hand_over(self, order: Json, quantity: int) -> Json:
        """The order once it knows that so much of it is handed over."""

        def knows() -> Json | None:
            shown = self.show(order)
            return shown if Decimal(shown["settlement"]["shipped_quantity"]) == quantity else None

        return soon(knows, f"{quantity} handed over")

    def messages(self, order: Json) -> Sequence[Json]:
        found: Sequence[Json] = self.by.get("/messages", order_id=order["id"], limit=200)["items"]
        return found


def _equal(shown: Any, expected: Any) -> bool:
    if isinstance(expected, Decimal | int):
        return Decimal(shown) == expected
    return bool(shown == expected)


def days_from_now(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()
