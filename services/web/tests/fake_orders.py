"""Orders, money and goods of the tests' API."""

from datetime import timedelta
from decimal import Decimal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from . import fake_data as data
from .fake_chain import Chain, Refused, kept
from .fake_data import Json, id_of, iso, money


def add(app: FastAPI, chain: Chain) -> None:
    """Adds the routes to the application."""
    _orders(app, chain)
    _money(app, chain)
    _goods(app, chain)


def _orders(app: FastAPI, chain: Chain) -> None:
    def found(order_id: str) -> Json:
        if order_id not in chain.orders:
            raise Refused(404, "There is no such order.")
        return chain.orders[order_id]

    @app.get("/api/v1/orders")
    async def journal(request: Request, limit: int = 50, cursor: str = "") -> Json:
        query = dict(request.query_params)
        kept = [
            order
            for order in chain.orders.values()
            if all(
                query.get(name) in (None, order[name])
                for name in ("status", "financial_status", "store_id", "channel")
            )
            and query.get("q", "").lower()
            in f"{order['number']} {(order['customer'] or {}).get('name', '')}".lower()
            and not order["marked"]
        ]
        kept.sort(key=lambda order: order["placed_at"], reverse=True)
        start = int(cursor or 0)
        rest = start + limit < len(kept)
        return {
            "items": kept[start : start + limit],
            "next_cursor": str(start + limit) if rest else None,
        }

    @app.get("/api/v1/me/orders")
    async def own_orders() -> Json:
        return {
            "items": [
                o
                for o in chain.orders.values()
                if (o["customer"] or {}).get("id") == data.CUSTOMERS[0]["id"]
            ],
            "next_cursor": None,
        }

    @app.get("/api/v1/orders/{order_id}")
    @app.get("/api/v1/me/orders/{order_id}")
    async def one(order_id: str) -> JSONResponse:
        return JSONResponse(found(order_id), headers={"ETag": '"3"'})

    @app.post("/api/v1/orders")
    async def place(request: Request, body: Json) -> JSONResponse:
        for at, line in enumerate(body["lines"]):
            if Decimal(line["quantity"]) <= 0:
                raise Refused(
                    422,
                    "Some fields need another value.",
                    [{"pointer": f"/lines/{at}/quantity", "detail": "Type a quantity above 0."}],
                )
        lines = []
        for line in body["lines"]:
            sku = line.get("sku")
            lines.append((sku or "TBL-160", line["quantity"], line["quantity"], "0", "0"))
        number = f"S01-{500 + len(chain.orders):06d}"
        order = data.order_of(number, lines=lines, status="ready")
        for made, line in zip(order["lines"], body["lines"], strict=True):
            made["unit_price"] = line.get("unit_price", made["unit_price"])
            if "special" in line:
                made["description"] = line["special"]["description"]
                made["sku"] = "SPECIAL-1"
        order["id"] = body.get("id") or order["id"]
        order["customer"] = {
            "id": body.get("customer_id"),
            "name": body.get("customer_name")
            or next(
                (c["name"] for c in chain.customers if c["id"] == body.get("customer_id")), None
            ),
        }
        order["channel"] = body["channel"]
        order["hold"] = {"until": data.iso(timedelta(days=3))} | body["hold"]
        order["prepayment"] = body.get("prepayment") or order["prepayment_proposed"]
        chain.orders[order["id"]] = order
        return kept(chain, request, 201, order)

    @app.post("/api/v1/orders/{order_id}/{verb}")
    async def act(request: Request, order_id: str, verb: str, body: Json) -> JSONResponse:
        order = found(order_id)
        if verb == "cancel" and Decimal(order["settlement"]["shipped_quantity"]) > 0:
            raise Refused(409, "Goods are handed over already; close the order instead.")
        effects: dict[str, Json] = {
            "agree": {"status": "agreed"},
            "cancel": {"status": "cancelled"},
            "close": {"status": "closed"},
            "mark-for-removal": {"marked": True},
            "restore": {"marked": False},
        }
        order.update(effects[verb])
        return kept(chain, request, 200, order)

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
    def check_amount(body: Json) -> None:
        if Decimal(body["amount"]) <= 0:
            raise Refused(
                422,
                "Some fields need another value.",
                [{"pointer": "/amount", "detail": "Type an amount above 0."}],
            )

    @app.post("/api/v1/payments")
    async def pay(request: Request, body: Json) -> JSONResponse:
        order = chain.orders[body["order_id"]]
        check_amount(body)
        paid = Decimal(order["paid"]) + Decimal(body["amount"])
        order.update(
            {
                "paid": money(paid),
                "due": money(Decimal(order["total"]) - paid),
                "financial_status": "paid" if paid == Decimal(order["total"]) else "partly_paid",
            }
        )
        made = {
            "id": id_of(f"pay {len(chain.payments) + 1}"),
            "state": "posted",
            "at": iso(),
            "by": "cashier@demo.example",
            "currency": "EUR",
            "allocations": [],
            **body,
        }
        chain.payments.append(made)
        return kept(chain, request, 201, made)

    @app.get("/api/v1/payments")
    async def payments(order_id: str) -> Json:
        return {"items": [p for p in chain.payments if p["order_id"] == order_id]}

    @app.post("/api/v1/payments/{payment_id}/cancel")
    async def cancel(request: Request, payment_id: str, body: Json) -> JSONResponse:
        made = next(p for p in chain.payments if p["id"] == payment_id)
        made["state"] = "cancelled"
        return kept(chain, request, 200, made)

    @app.get("/api/v1/refunds")
    async def refunds(order_id: str) -> Json:
        return {"items": [r for r in chain.refunds if r["order_id"] == order_id]}

    @app.post("/api/v1/refunds")
    async def refund(request: Request, body: Json) -> JSONResponse:
        check_amount(body)
        made = {"id": id_of("refund"), "at": iso(), "state": "posted", "currency": "EUR", **body}
        chain.refunds.append(made)
        return kept(chain, request, 201, made)

    @app.get("/api/v1/documents")
    @app.get("/api/v1/me/documents")
    async def documents(order_id: str = "") -> Json:
        return {"items": [d for d in chain.documents if order_id in ("", d["order_id"])]}

    @app.post("/api/v1/documents")
    async def issue(request: Request, body: Json) -> JSONResponse:
        order = chain.orders[body["order_id"]]
        if "amount" in body:
            check_amount(body)
        number = f"{body['kind'][:1].upper()}-{len(chain.documents) + 1:05d}"
        made = {
            "id": id_of(number),
            "number": number,
            "total": order["total"],
            "advances": order["paid"],
            "paid": "0.00",
            "due": order["due"],
            "state": "open",
            "currency": "EUR",
            "at": iso(),
            **body,
        }
        chain.documents.append(made)
        return kept(chain, request, 201, made)

    @app.get("/api/v1/documents/{document_id}.pdf")
    @app.get("/api/v1/me/documents/{document_id}.pdf")
    async def paper(document_id: str) -> Response:
        return Response(b"%PDF-1.7 test", media_type="application/pdf")


def _goods(app: FastAPI, chain: Chain) -> None:
    def sent_of(order: Json) -> list[Json]:
        return [one for one in chain.shipments if one["order_id"] == order["id"]]

    @app.get("/api/v1/holds")
    async def holds(order_id: str = "", overdue: str = "") -> Json:
        return {
            "items": [
                {
                    "id": id_of(f"hold {order['number']} {line['id']}"),
                    "order_id": order["id"],
                    "line_id": line["id"],
                    "sku": line["sku"],
                    "quantity": line["held"],
                    "warehouse_id": data.WAREHOUSES[0]["id"],
                    "method": "separate",
                    "until": order["hold"]["until"],
                    "state": "held",
                }
                for order in chain.orders.values()
                for line in order["lines"]
                if order_id in ("", order["id"]) and line["held"] != "0"
            ]
        }

    @app.post("/api/v1/holds/{hold_id}/{verb}")
    async def on_hold(request: Request, hold_id: str, verb: str, body: Json) -> JSONResponse:
        return kept(chain, request, 200, {"id": hold_id, **body})

    @app.get("/api/v1/transfers")
    async def transfers(order_id: str) -> Json:
        return {"items": []}

    @app.get("/api/v1/shipments")
    async def shipments(order_id: str) -> Json:
        if order_id not in chain.orders:
            raise Refused(404, "There is no such order.")
        return {"items": sent_of(chain.orders[order_id])}

    @app.post("/api/v1/shipments")
    async def ship(request: Request, body: Json) -> JSONResponse:
        made = {
            "id": id_of(f"ship {len(chain.shipments)}"),
            "state": "draft",
            "due_now": None,
            "at": iso(),
            **body,
        }
        chain.shipments.append(made)
        return kept(chain, request, 201, made)

    @app.get("/api/v1/shipments/{shipment_id}")
    async def shipment(shipment_id: str) -> Json:
        return next(one for one in chain.shipments if one["id"] == shipment_id)

    @app.post("/api/v1/shipments/{shipment_id}/post")
    async def post(request: Request, shipment_id: str) -> JSONResponse:
        made = next(s for s in chain.shipments if s["id"] == shipment_id)
        order = chain.orders[made["order_id"]]
        settlement = order["settlement"]
        value, left = Decimal(0), Decimal(settlement["left_amount"])
        for sent in made["lines"]:
            for line in order["lines"]:
                if line["id"] == sent["line_id"]:
                    share = Decimal(sent["quantity"]) / Decimal(line["quantity"])
                    value += Decimal(line["amount"]) * share
                    line["shipped"] = str(Decimal(line["shipped"]) + Decimal(sent["quantity"]))
                    line["held"] = str(Decimal(line["held"]) - Decimal(sent["quantity"]))
        if all(Decimal(li["shipped"]) == Decimal(li["quantity"]) for li in order["lines"]):
            order["status"] = "shipped"
        # The deposit counts in the share that these goods are of what was left.
        used = sum((Decimal(one.get("consumed", "0")) for one in sent_of(order)), Decimal(0))
        consumed = money((Decimal(order["paid"]) - used) * value / left)
        due_now = money(value - Decimal(consumed))
        settlement["left_amount"] = money(left - value)
        made.update({"state": "posted", "consumed": consumed, "due_now": due_now})
        return kept(chain, request, 200, made)
