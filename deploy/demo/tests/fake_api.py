"""A small Holdfast in memory, for the demo's own tests: keys, orders, money and goods, as the API
page tells them, with faults on request."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import httpx
import uuid_utils.compat

Body = dict[str, Any]
Fault = Callable[[int], bool]


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return uuid_utils.compat.uuid7()


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


class No(Exception):
    def __init__(self, status: int, kind: str = "refused") -> None:
        self.status, self.kind = status, kind


@dataclass
class FakeApi:
    """`lose` says of the n-th call that its answer is lost after its effect; `fail` that it is
    answered 503 without any effect."""

    lose: Fault = lambda _: False
    fail: Fault = lambda _: False
    refuse_goods_of: str = ""  # An order's number.
    calls: int = 0
    kept: dict[str, tuple[str, Callable[[], Body]]] = field(default_factory=dict)
    stores: dict[str, Body] = field(default_factory=dict)
    warehouses: dict[str, Body] = field(default_factory=dict)
    items: dict[str, Body] = field(default_factory=dict)
    customers: dict[str, Body] = field(default_factory=dict)
    stock: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    orders: dict[str, Body] = field(default_factory=dict)
    rows: dict[str, list[Body]] = field(
        default_factory=lambda: {
            "documents": [],
            "payments": [],
            "shipments": [],
            "transfers": [],
            "messages": [],
            "print-jobs": [],
        }
    )

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        call = self.calls
        if self.fail(call):
            return httpx.Response(503)
        response = self._answer(request)
        if self.lose(call):
            raise httpx.ReadError("the connection broke")
        return response

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        body = json.loads(request.content) if request.content else {}
        if path == "/tokens":
            return httpx.Response(200, json={"access_token": "t", "refresh_token": "r"})
        assert request.headers["Authorization"] == "Bearer t"
        try:
            if request.method == "GET":
                return self._json(self._get(path, dict(request.url.params)))
            return self._json(self._post(path, body, request.headers.get("Idempotency-Key", "")))
        except No as no:
            return httpx.Response(no.status, json={"type": no.kind, "detail": "No."})

    def _json(self, body: Body) -> httpx.Response:
        return httpx.Response(200, content=json.dumps(body, default=str))

    def _post(self, path: str, body: Body, key: str) -> Body:
        if not key:
            raise No(400)
        said = path + json.dumps(body, sort_keys=True)
        if key in self.kept:
            if self.kept[key][0] != said:
                raise No(422, "key-reused")
            return self.kept[key][1]()
        found = self._do(path, body)
        self.kept[key] = (said, lambda: found)
        return found

    def _do(self, path: str, body: Body) -> Body:
        if path == "/stores":
            return self._keep(self.stores, body)
        if path == "/warehouses":
            return self._keep(self.warehouses, {"parent_id": None, **body})
        if path == "/items":
            self.items[body["sku"]] = body
            return body
        if path == "/customers":
            return self._keep(self.customers, body)
        if path == "/receipts":
            for line in body["lines"]:
                at = (body["warehouse_id"], line["sku"])
                self.stock[at] = self.stock.get(at, Decimal(0)) + Decimal(line["quantity"])
            return {"id": str(new_id())}
        if path == "/orders":
            return self._place(body)
        if match := re.fullmatch("/orders/(.*)/agree", path):
            order = self.orders[match[1]]
            order["status"] = "ready"
            return self._told(order)
        if path == "/payments":
            return self._pay(body)
        if path == "/documents":
            return self._invoice(body)
        if path == "/shipments":
            return self._row("shipments", {**body, "state": "draft", "due_now": None})
        match = re.fullmatch("/shipments/(.*)/post", path)
        assert match, path
        return self._ship(next(row for row in self.rows["shipments"] if row["id"] == match[1]))

    def _get(self, path: str, params: dict[str, str]) -> Body:
        if path == "/order-settings":
            first = {"counter": "agreed", "phone": "agreed", "site": "pending_approval"}
            return {"prepayment_percent": "50", "first_status": first}
        if match := re.fullmatch("/orders/(.+)", path):
            if match[1] not in self.orders:
                raise No(404)
            return self.orders[match[1]]
        name = path[1:]
        rows: list[Body]
        if name == "stock":
            rows = [
                {"on_hand": pieces, "held": 0, "available": pieces, "broken": 0}
                for (warehouse, _), pieces in self.stock.items()
                if warehouse == params["warehouse_id"]
            ]
        elif name in self.rows:
            rows = [row for row in self.rows[name] if row["order_id"] == params["order_id"]]
        else:
            rows = list(getattr(self, name).values())
        if store := params.get("store_id"):
            rows = [row for row in rows if row["store_id"] == store]
        start = int(params.get("cursor", 0))
        following = str(start + 3) if start + 3 < len(rows) else None
        return {"items": rows[start : start + 3], "next_cursor": following}

    def _keep(self, things: dict[str, Body], body: Body) -> Body:
        thing = {"id": str(new_id()), **body}
        things[thing["id"]] = thing
        return thing

    def _row(self, name: str, body: Body) -> Body:
        row = {"id": str(new_id()), **body}
        self.rows[name].append(row)
        return row

    def _place(self, body: Body) -> Body:
        site = body["channel"] == "site"
        lines = []
        for line in body["lines"]:
            quantity = Decimal(line["quantity"])
            amount = cents(quantity * Decimal(line["unit_price"]))
            progress = {"held": quantity, "awaiting": Decimal(0), "shipped": Decimal(0)}
            lines.append({**line, **progress, "id": str(new_id()), "amount": amount})
        total = sum((line["amount"] for line in lines), Decimal(0))
        order: Body = {
            **body,
            "number": f"N{len(self.orders) + 1}",
            "lines": lines,
            "total": total,
            "paid": Decimal(0),
            "due": total,
            "prepayment": body.get("prepayment", str(cents(total / 2))),
            "status": "pending_approval" if site else "agreed",
            "financial_status": "unpaid" if total else "paid",
        }
        self.orders[order["id"]] = order
        self._told(order)
        if body["hold"]["method"] == "separate":
            self._row("transfers", {"order_id": order["id"], "lines": body["lines"]})
        if not site:
            order["status"] = "ready"
            self._told(order)
        return order

    def _pay(self, body: Body) -> Body:
        order, amount = self.orders[body["order_id"]], Decimal(body["amount"])
        assert amount > 0
        order["paid"] += amount
        order["due"] -= amount
        financial = "paid" if order["paid"] == order["total"] else "partly_paid"
        changed = financial != order["financial_status"]
        order["financial_status"] = financial
        closed = self._close_when_done(order)
        if changed or closed:
            self._told(order)
        allocation = {"amount": str(amount), "document_id": body.get("document_id")}
        for document in self.rows["documents"]:
            if document["id"] == body.get("document_id"):
                document["paid"] += amount
                document["due"] -= amount
                document["state"] = "paid" if not document["due"] else "partly_paid"
        if order["status"] not in ("shipped", "closed"):
            job = {"order_id": order["id"], "kind": "deposit_receipt", "state": "printed"}
            self._row("print-jobs", job)
        return self._row("payments", {**body, "state": "posted", "allocations": [allocation]})

    def _ship(self, shipment: Body) -> Body:
        order = self.orders[shipment["order_id"]]
        if order["number"] == self.refuse_goods_of:
            shipment |= {"state": "refused"}
            return shipment
        for part in shipment["lines"]:
            line = next(line for line in order["lines"] if line["id"] == part["line_id"])
            line["held"] -= Decimal(part["quantity"])
            line["shipped"] += Decimal(part["quantity"])
            self.stock[(order["hold"]["warehouse_id"], line["sku"])] -= Decimal(part["quantity"])
        before = order["status"]
        whole = all(line["shipped"] == Decimal(line["quantity"]) for line in order["lines"])
        order["status"] = "shipped" if whole else "in_progress"
        self._close_when_done(order)
        if order["status"] != before:
            self._told(order)
        shipment |= {"state": "posted", "due_now": order["due"] if whole else Decimal(1)}
        return shipment

    def _invoice(self, body: Body) -> Body:
        order = self.orders[body["order_id"]]
        due = order["due"]
        money = {"total": order["total"], "advances": order["paid"], "paid": Decimal(0), "due": due}
        return self._row("documents", {**body, **money, "state": "open" if due else "paid"})

    def _close_when_done(self, order: Body) -> bool:
        if order["status"] == "shipped" and order["paid"] == order["total"]:
            order["status"] = "closed"
            return True
        return False

    def _told(self, order: Body) -> Body:
        customer = self.customers[order["customer_id"]]
        for channel in ("account", "email") if customer.get("email") else ("account",):
            message = {
                "order_id": order["id"],
                "channel": channel,
                "language": customer["language"],
                "state": "sent",
            }
            self._row("messages", message)
        return order
