"""An API in memory that answers as the public API is described, for the pages' own tests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from . import fake_data as data
from .fake_data import Json, id_of, iso, money
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from joserfc import jwt
from joserfc.jwk import OKPKey

from contracts.identity import AUDIENCE, ISSUER

KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "test", "use": "sig"})
PEOPLE: dict[str, Json] = {
    "owner@demo.example": {"role": "owner", "stores": None, "customer_id": None},
    "manager@demo.example": {"role": "manager", "stores": None, "customer_id": None},
    "cashier@demo.example": {
        "role": "cashier",
        "stores": [data.STORES[0]["id"]],
        "customer_id": None,
    },
    "customer@demo.example": {
        "role": "customer",
        "stores": None,
        "customer_id": data.CUSTOMERS[0]["id"],
    },
}


class Refused(Exception):
    """The API's problem document."""

    def __init__(self, status: int, detail: str, errors: list[Json] | None = None) -> None:
        self.body = {"type": "about:blank", "title": "Refused", "status": status,
                     "detail": detail, "errors": errors or []}


class Chain:
    """Everything the API remembers, and what it was asked."""

    def __init__(self) -> None:
        self.orders = {order["id"]: order for order in data.orders()}
        self.payments: list[Json] = []
        self.refunds: list[Json] = []
        self.shipments: list[Json] = []
        self.documents: list[Json] = []
        self.customers = [dict(one) for one in data.CUSTOMERS]
        self.settings: Json = {"prepayment_percent": "50",
                               "first_status": {"counter": "agreed", "phone": "agreed",
                                                "salesman": "agreed", "site": "pending_approval",
                                                "email": "pending_approval"}}
        self.stores = [dict(one) for one in data.STORES]
        self.asked: list[tuple[str, str, Json | None, dict[str, str]]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.refusals: dict[str, Refused] = {}
        self.refreshed: dict[str, int] = {}
        self.token_life_seconds = 300
        first = next(iter(self.orders.values()))
        self.payments.append({"id": id_of("pay 1"), "order_id": first["id"], "amount": "120.00",
                              "currency": "EUR", "method": "cash", "state": "posted",
                              "store_id": first["store_id"], "at": first["placed_at"],
                              "by": "cashier@demo.example", "allocations": []})

    @contextmanager
    def refusing(self, path: str, refusal: Refused) -> Iterator[None]:
        """For a while this path is refused."""
        self.refusals[path] = refusal
        yield
        del self.refusals[path]


def token(name: str, life_seconds: int) -> str:
    person = PEOPLE[name]
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": id_of(name), "iat": now,
              "exp": now + life_seconds, **person}
    return jwt.encode({"alg": "Ed25519", "kid": "test"}, claims, KEY, algorithms=["Ed25519"])


def create(chain: Chain) -> FastAPI:
    """The API over this chain."""
    app = FastAPI()

    @app.exception_handler(Refused)
    async def refuse(request: Request, refusal: Refused) -> JSONResponse:
        return JSONResponse(refusal.body, refusal.body["status"],
                            media_type="application/problem+json")

    @app.middleware("http")
    async def remember(request: Request, call_next: Any) -> Any:
        path = request.url.path.removeprefix("/api/v1")
        body = await request.json() if request.method in ("POST", "PATCH") and int(
            request.headers.get("content-length") or 0) else None
        chain.asked.append((request.method, path, body, dict(request.headers)))
        if path in chain.refusals:
            refusal = chain.refusals[path]
            return JSONResponse(refusal.body, refusal.body["status"])
        key = request.headers.get("idempotency-key")
        if request.method == "POST" and not path.startswith("/tokens"):
            if not key:
                return JSONResponse({"title": "Key missing", "status": 400}, 400)
            if key in chain.answers:
                status, old = chain.answers[key]
                return JSONResponse(old, status)
        return await call_next(request)

    _sessions(app, chain)
    _lists(app, chain)
    _orders(app, chain)
    _money(app, chain)
    _goods(app, chain)
    return app


def _kept(chain: Chain, request: Request, status: int, body: Any) -> JSONResponse:
    chain.answers[request.headers["idempotency-key"]] = (status, body)
    return JSONResponse(body, status)


def _sessions(app: FastAPI, chain: Chain) -> None:
    @app.post("/api/v1/tokens")
    async def sign_in(body: Json) -> Json:
        if body.get("username") not in PEOPLE or body.get("password") != "demo":
            raise Refused(401, "The login or the password is wrong.")
        name = body["username"]
        return {"access_token": token(name, chain.token_life_seconds),
                "refresh_token": f"{name}|0"}

    @app.post("/api/v1/tokens/refresh")
    async def refresh(body: Json) -> Json:
        name, _, count = str(body["refresh_token"]).partition("|")
        if chain.refreshed.get(name, 0) != int(count):
            raise Refused(401, "This session has ended.")
        chain.refreshed[name] = int(count) + 1
        return {"access_token": token(name, 300), "refresh_token": f"{name}|{int(count) + 1}"}

    @app.get("/api/v1/jwks.json")
    async def keys() -> Json:
        return {"keys": [KEY.as_dict(private=False)]}


def _lists(app: FastAPI, chain: Chain) -> None:
    def page(items: list[Any]) -> Json:
        return {"items": items, "next_cursor": None}

    @app.get("/api/v1/stores")
    async def stores(request: Request) -> Json:
        return page(chain.stores)

    @app.get("/api/v1/stores/{store_id}")
    async def store(store_id: str) -> JSONResponse:
        found = next(one for one in chain.stores if one["id"] == store_id)
        return JSONResponse(found, headers={"ETag": '"1"'})

    @app.patch("/api/v1/stores/{store_id}")
    async def change_store(store_id: str, body: Json) -> Json:
        found = next(one for one in chain.stores if one["id"] == store_id)
        found.update(body)
        return found

    @app.get("/api/v1/warehouses")
    async def warehouses(store_id: str = "") -> Json:
        return page([w for w in data.WAREHOUSES if store_id in ("", w["store_id"])])

    @app.get("/api/v1/items")
    async def items(q: str = "", barcode: str = "") -> Json:
        return page([
            item for item in data.ITEMS
            if (barcode and barcode in item["barcodes"])
            or (q and (q.lower() in item["name"].lower() or q.lower() in item["sku"].lower()))
            or (not q and not barcode)
        ])

    @app.get("/api/v1/items/{sku}")
    async def item(sku: str) -> Json:
        for found in data.ITEMS:
            if found["sku"].lower() == sku.lower():
                return found
        raise Refused(404, "There is no such item.")

    @app.get("/api/v1/staff")
    async def staff() -> Json:
        return page([{"id": id_of(name), "username": name} for name in PEOPLE])

    @app.get("/api/v1/customers")
    async def customers(q: str = "") -> Json:
        return page([c for c in chain.customers
                     if q.lower() in f"{c['name']} {c['phone']} {c['card_number']}".lower()])

    @app.post("/api/v1/customers")
    async def add_customer(request: Request, body: Json) -> JSONResponse:
        if "@" not in (body.get("email") or "@"):
            raise Refused(422, "Some fields need another value.", [
                {"pointer": "/email", "detail": "Write the address as name@place."}])
        made = {"id": id_of(body["name"]), "phone": None, "email": None, "card_number": None,
                "category": None, "language": "en", **body}
        chain.customers.append(made)
        return _kept(chain, request, 201, made)

    @app.get("/api/v1/customers/{customer_id}")
    async def customer(customer_id: str) -> Json:
        for found in chain.customers:
            if found["id"] == customer_id:
                return found
        raise Refused(404, "There is no such customer.")

    @app.get("/api/v1/accounts/{customer_id}")
    async def account(customer_id: str) -> Json:
        return {"currency": "EUR", "debt": "40.00", "deposits": "80.00", "by_order": [
            {"order_id": o["id"], "total": o["total"], "paid": o["paid"],
             "shipped_value": o["settlement"]["shipped_amount"], "due": o["due"]}
            for o in chain.orders.values() if (o["customer"] or {}).get("id") == customer_id]}

    @app.get("/api/v1/stock")
    async def stock(sku: str = "", warehouse_id: str = "") -> Json:
        return page([s for s in data.STOCK if sku in ("", s["sku"])
                     and warehouse_id in ("", s["warehouse_id"])])

    @app.get("/api/v1/order-settings")
    async def settings() -> JSONResponse:
        return JSONResponse(chain.settings, headers={"ETag": '"7"'})

    @app.patch("/api/v1/order-settings")
    async def change_settings(request: Request, body: Json) -> Json:
        if request.headers.get("if-match") != '"7"':
            raise Refused(412, "Somebody changed this in the meantime; look again.")
        if Decimal(body["prepayment_percent"]) > 100:
            raise Refused(422, "Some fields need another value.", [
                {"pointer": "/prepayment_percent", "detail": "Type 0 to 100."}])
        chain.settings.update(body)
        return chain.settings

    @app.get("/api/v1/messages")
    @app.get("/api/v1/me/messages")
    async def messages(order_id: str = "") -> Json:
        return page([{"id": id_of("m1"), "event_id": id_of("e1"), "order_id": order_id or
                      next(iter(chain.orders)), "channel": channel, "language": "fi",
                      "subject": "Tilauksesi S01-000412 on valmis noudettavaksi",
                      "state": "sent", "at": iso()} for channel in ("email", "account")])

    @app.get("/api/v1/print-jobs")
    async def print_jobs(order_id: str = "") -> Json:
        return page([{"id": id_of("job"), "order_id": order_id, "kind": "deposit_receipt",
                      "device_id": id_of("printer"), "state": "printed", "copies": 1,
                      "at": iso()}])

    @app.post("/api/v1/print-jobs")
    async def reprint(request: Request, body: Json) -> JSONResponse:
        return _kept(chain, request, 201, {"id": id_of("copy"), **body, "state": "queued"})

    @app.get("/api/v1/system/{service}/parked")
    async def parked(service: str) -> Json:
        return page([] if service != "billing" else [
            {"id": 17, "subscriber": "follow_orders", "version": 1, "event_id": id_of("e"), "payload": None, "topic": "orders.orders", "key": id_of("o"), "type": "order_placed.v1",
             "reason": "error", "error": "AmountTooLarge: the total is above the limit",
             "parked_at": iso()}])

    @app.post("/api/v1/system/{service}/parked/{record_id}/replay")
    async def replay(request: Request, service: str, record_id: str) -> JSONResponse:
        return _kept(chain, request, 200, {"id": record_id})


def _orders(app: FastAPI, chain: Chain) -> None:
    def found(order_id: str) -> Json:
        if order_id not in chain.orders:
            raise Refused(404, "There is no such order.")
        return chain.orders[order_id]

    @app.get("/api/v1/orders")
    async def journal(request: Request, limit: int = 50, cursor: str = "") -> Json:
        query = dict(request.query_params)
        kept = [
            order for order in chain.orders.values()
            if all(query.get(name) in (None, order[name])
                   for name in ("status", "financial_status", "store_id", "channel"))
            and query.get("q", "").lower() in
            f"{order['number']} {(order['customer'] or {}).get('name', '')}".lower()
            and not order["marked"]
        ]
        kept.sort(key=lambda order: order["placed_at"], reverse=True)
        start = int(cursor or 0)
        rest = start + limit < len(kept)
        return {"items": kept[start:start + limit],
                "next_cursor": str(start + limit) if rest else None}

    @app.get("/api/v1/me/orders")
    async def own_orders() -> Json:
        return {"items": [o for o in chain.orders.values()
                          if (o["customer"] or {}).get("id") == data.CUSTOMERS[0]["id"]],
                "next_cursor": None}

    @app.get("/api/v1/orders/{order_id}")
    @app.get("/api/v1/me/orders/{order_id}")
    async def one(order_id: str) -> JSONResponse:
        return JSONResponse(found(order_id), headers={"ETag": '"3"'})

    @app.post("/api/v1/orders")
    async def place(request: Request, body: Json) -> JSONResponse:
        for at, line in enumerate(body["lines"]):
            if Decimal(line["quantity"]) <= 0:
                raise Refused(422, "Some fields need another value.", [
                    {"pointer": f"/lines/{at}/quantity", "detail": "Type a quantity above 0."}])
        lines = []
        for line in body["lines"]:
            sku = line.get("sku")
            lines.append((sku or "TBL-160", line["quantity"], line["quantity"], "0", "0"))
        number = f"S01-{500 + len(chain.orders):06d}"
        order = data.order_of(number, lines=lines, status="ready")
        for made, line in zip(order["lines"], body["lines"], strict=True):
            if "special" in line:
                made["description"] = line["special"]["description"]
                made["sku"] = "SPECIAL-1"
        order["id"] = body.get("id") or order["id"]
        order["customer"] = {"id": body.get("customer_id"),
                             "name": body.get("customer_name") or next(
                                 (c["name"] for c in chain.customers
                                  if c["id"] == body.get("customer_id")), None)}
        order["hold"] = body["hold"]
        order["prepayment"] = body.get("prepayment") or order["prepayment_proposed"]
        chain.orders[order["id"]] = order
        return _kept(chain, request, 201, order)

    @app.post("/api/v1/orders/{order_id}/{verb}")
    async def act(request: Request, order_id: str, verb: str, body: Json) -> JSONResponse:
        order = found(order_id)
        if verb == "cancel" and Decimal(order["settlement"]["shipped_quantity"]) > 0:
            raise Refused(409, "Goods are handed over already; close the order instead.")
        order.update({"agree": {"status": "agreed"}, "cancel": {"status": "cancelled"},
                      "close": {"status": "closed"},
                      "mark-for-removal": {"marked": True},
                      "restore": {"marked": False}}[verb])
        return _kept(chain, request, 200, order)

    @app.patch("/api/v1/orders/{order_id}/lines/{line_id}")
    async def change_line(request: Request, order_id: str, line_id: str, body: Json) -> Json:
        if not request.headers.get("if-match"):
            raise Refused(428, "Say which version you read.")
        order = found(order_id)
        for line in order["lines"]:
            if line["id"] == line_id:
                line.update(body)
        return order


def _money(app: FastAPI, chain: Chain) -> None:
    @app.post("/api/v1/payments")
    async def pay(request: Request, body: Json) -> JSONResponse:
        order = chain.orders[body["order_id"]]
        if Decimal(body["amount"]) <= 0:
            raise Refused(422, "Some fields need another value.", [
                {"pointer": "/amount", "detail": "Type an amount above 0."}])
        paid = Decimal(order["paid"]) + Decimal(body["amount"])
        order.update({"paid": money(paid), "due": money(Decimal(order["total"]) - paid),
                      "financial_status": "paid" if paid == Decimal(order["total"])
                      else "partly_paid"})
        made = {"id": id_of(f"pay {len(chain.payments) + 1}"), "state": "posted", "at": iso(),
                "by": "cashier@demo.example", "currency": "EUR", "allocations": [], **body}
        chain.payments.append(made)
        return _kept(chain, request, 201, made)

    @app.get("/api/v1/payments")
    async def payments(order_id: str) -> Json:
        return {"items": [p for p in chain.payments if p["order_id"] == order_id]}

    @app.post("/api/v1/payments/{payment_id}/cancel")
    async def cancel(request: Request, payment_id: str, body: Json) -> JSONResponse:
        made = next(p for p in chain.payments if p["id"] == payment_id)
        made["state"] = "cancelled"
        return _kept(chain, request, 200, made)

    @app.get("/api/v1/refunds")
    async def refunds(order_id: str) -> Json:
        return {"items": [r for r in chain.refunds if r["order_id"] == order_id]}

    @app.post("/api/v1/refunds")
    async def refund(request: Request, body: Json) -> JSONResponse:
        made = {"id": id_of("refund"), "at": iso(), "state": "posted", "currency": "EUR", **body}
        chain.refunds.append(made)
        return _kept(chain, request, 201, made)

    @app.get("/api/v1/documents")
    @app.get("/api/v1/me/documents")
    async def documents(order_id: str = "") -> Json:
        return {"items": [d for d in chain.documents if order_id in ("", d["order_id"])]}

    @app.post("/api/v1/documents")
    async def issue(request: Request, body: Json) -> JSONResponse:
        order = chain.orders[body["order_id"]]
        number = f"{body['kind'][:1].upper()}-{len(chain.documents) + 1:05d}"
        made = {"id": id_of(number), "number": number, "total": order["total"],
                "advances": order["paid"], "paid": "0.00", "due": order["due"], "state": "open",
                "currency": "EUR", "at": iso(), **body}
        chain.documents.append(made)
        return _kept(chain, request, 201, made)

    @app.get("/api/v1/documents/{document_id}.pdf")
    @app.get("/api/v1/me/documents/{document_id}.pdf")
    async def paper(document_id: str) -> Response:
        return Response(b"%PDF-1.7 test", media_type="application/pdf")


def _goods(app: FastAPI, chain: Chain) -> None:
    @app.get("/api/v1/holds")
    async def holds(order_id: str = "", overdue: str = "") -> Json:
        return {"items": [
            {"id": id_of(f"hold {order['number']} {line['id']}"), "order_id": order["id"],
             "line_id": line["id"], "sku": line["sku"], "quantity": line["held"],
             "warehouse_id": data.WAREHOUSES[0]["id"], "method": "separate",
             "until": order["hold"]["until"], "state": "held"}
            for order in chain.orders.values() for line in order["lines"]
            if order_id in ("", order["id"]) and line["held"] != "0"]}

    @app.post("/api/v1/holds/{hold_id}/{verb}")
    async def on_hold(request: Request, hold_id: str, verb: str, body: Json) -> JSONResponse:
        return _kept(chain, request, 200, {"id": hold_id, **body})

    @app.get("/api/v1/transfers")
    async def transfers(order_id: str) -> Json:
        return {"items": []}

    @app.get("/api/v1/shipments")
    async def shipments(order_id: str) -> Json:
        return {"items": [s for s in chain.shipments if s["order_id"] == order_id]}

    @app.post("/api/v1/shipments")
    async def ship(request: Request, body: Json) -> JSONResponse:
        made = {"id": id_of(f"ship {len(chain.shipments)}"), "state": "draft", "due_now": None,
                "at": iso(), **body}
        chain.shipments.append(made)
        return _kept(chain, request, 201, made)

    @app.post("/api/v1/shipments/{shipment_id}/post")
    async def post(request: Request, shipment_id: str) -> JSONResponse:
        made = next(s for s in chain.shipments if s["id"] == shipment_id)
        order = chain.orders[made["order_id"]]
        for sent in made["lines"]:
            for line in order["lines"]:
                if line["id"] == sent["line_id"]:
                    line["shipped"] = str(Decimal(line["shipped"]) + Decimal(sent["quantity"]))
                    line["held"] = str(Decimal(line["held"]) - Decimal(sent["quantity"]))
        if all(Decimal(li["shipped"]) == Decimal(li["quantity"]) for li in order["lines"]):
            order["status"] = "shipped"
        made.update({"state": "posted", "due_now": order["due"]})
        return _kept(chain, request, 200, made)
