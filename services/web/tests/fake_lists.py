"""Stores, items, customers, stock, settings, messages and papers of the tests' API."""

from decimal import Decimal
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from . import fake_data as data
from .fake_chain import PEOPLE, Chain, Refused, kept
from .fake_data import Json, id_of, iso


def add(app: FastAPI, chain: Chain) -> None:
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
        return page(
            [
                item
                for item in data.ITEMS
                if (barcode and barcode in item["barcodes"])
                or (q and (q.lower() in item["name"].lower() or q.lower() in item["sku"].lower()))
                or (not q and not barcode)
            ]
        )

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
        return page(
            [
                c
                for c in chain.customers
                if q.lower() in f"{c['name']} {c['phone']} {c['card_number']}".lower()
            ]
        )

    @app.post("/api/v1/customers")
    async def add_customer(request: Request, body: Json) -> JSONResponse:
        if "@" not in (body.get("email") or "@"):
            raise Refused(
                422,
                "Some fields need another value.",
                [{"pointer": "/email", "detail": "Write the address as name@place."}],
            )
        made = {
            "id": id_of(body["name"]),
            "phone": None,
            "email": None,
            "card_number": None,
            "category": None,
            "language": "en",
            **body,
        }
        chain.customers.append(made)
        return kept(chain, request, 201, made)

    @app.get("/api/v1/customers/{customer_id}")
    async def customer(customer_id: str) -> Json:
        for found in chain.customers:
            if found["id"] == customer_id:
                return found
        raise Refused(404, "There is no such customer.")

    @app.get("/api/v1/accounts/{customer_id}")
    async def account(customer_id: str) -> Json:
        return {
            "currency": "EUR",
            "debt": "40.00",
            "deposits": "80.00",
            "by_order": [
                {
                    "order_id": o["id"],
                    "total": o["total"],
                    "paid": o["paid"],
                    "shipped_value": o["settlement"]["shipped_amount"],
                    "due": o["due"],
                }
                for o in chain.orders.values()
                if (o["customer"] or {}).get("id") == customer_id
            ],
        }

    @app.get("/api/v1/stock")
    async def stock(sku: str = "", warehouse_id: str = "") -> Json:
        return page(
            [
                s
                for s in chain.stock
                if sku in ("", s["sku"]) and warehouse_id in ("", s["warehouse_id"])
            ]
        )

    @app.get("/api/v1/order-settings")
    async def settings() -> JSONResponse:
        return JSONResponse(chain.settings, headers={"ETag": '"7"'})

    @app.patch("/api/v1/order-settings")
    async def change_settings(request: Request, body: Json) -> Json:
        if request.headers.get("if-match") != '"7"':
            raise Refused(412, "Somebody changed this in the meantime; look again.")
        if Decimal(body["prepayment_percent"]) > 100:
            raise Refused(
                422,
                "Some fields need another value.",
                [{"pointer": "/prepayment_percent", "detail": "Type 0 to 100."}],
            )
        chain.settings.update(body)
        return chain.settings

    @app.get("/api/v1/messages")
    @app.get("/api/v1/me/messages")
    async def messages(order_id: str = "") -> Json:
        return page(
            [
                {
                    "id": id_of("m1"),
                    "event_id": id_of("e1"),
                    "order_id": order_id or next(iter(chain.orders)),
                    "channel": channel,
                    "language": "fi",
                    "subject": "Tilauksesi S01-000412 on valmis noudettavaksi",
                    "state": "sent",
                    "at": iso(),
                }
                for channel in ("email", "account")
            ]
        )

    @app.get("/api/v1/print-jobs")
    async def print_jobs(order_id: str = "") -> Json:
        return page(
            [
                {
                    "id": id_of("job"),
                    "order_id": order_id,
                    "kind": "deposit_receipt",
                    "device_id": id_of("printer"),
                    "state": "printed",
                    "copies": 1,
                    "at": iso(),
                }
            ]
        )

    @app.post("/api/v1/print-jobs")
    async def reprint(request: Request, body: Json) -> JSONResponse:
        return kept(chain, request, 201, {"id": id_of("copy"), **body, "state": "queued"})

    @app.get("/api/v1/system/{service}/parked")
    async def parked(service: str) -> Json:
        return page(
            []
            if service != "billing"
            else [
                {
                    "id": 17,
                    "subscriber": "follow_orders",
                    "version": 1,
                    "event_id": id_of("e"),
                    "payload": None,
                    "topic": "orders.orders",
                    "key": id_of("o"),
                    "type": "order_placed.v1",
                    "reason": "error",
                    "error": "AmountTooLarge: the total is above the limit",
                    "parked_at": iso(),
                }
            ]
        )

    @app.post("/api/v1/system/{service}/parked/{record_id}/replay")
    async def replay(request: Request, service: str, record_id: str) -> JSONResponse:
        return kept(chain, request, 200, {"id": record_id})
