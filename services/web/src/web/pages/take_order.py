"""Take order: one page by keyboard and scanner, and the questions that it asks while typing."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from contracts.identity import Right
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse, Response

from web.api import ApiProblem, FieldProblem
from web.directory import Places
from web.jsons import Json
from web.pages.order_view import amount, goods_of, money_of
from web.visit import STORE_COOKIE, Visit, needs

router = APIRouter(include_in_schema=False)
Taker = Annotated[Visit, Depends(needs(Right.ORDERS_TAKE))]
FOUND_MAX = 8
SKUS_MAX = 50
WAIT_SECONDS = 5
# Staff take orders at the counter, by telephone or on the road; the rest arrives by the API.
TILL_CHANNELS = ("counter", "phone", "salesman", "email", "messenger", "social_network")


class Paid(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: str
    amount: str
    method: str


class Accepted(BaseModel):
    """A draft as the page sends it: the API judges the order itself."""

    model_config = ConfigDict(extra="forbid")

    key: str
    order: dict[str, Any]
    pay: Paid | None = None


@router.get("/take-order")
async def show(visit: Taker) -> Response:
    """The page; what is typed on it stays in the browser until it is accepted."""
    places, order_settings = await asyncio.gather(_places(visit), _order_settings(visit))
    store = _store(visit, places)
    return visit.page(
        "take_order.html",
        places=places,
        store=store,
        warehouses=places.of_store(store["id"]) if store else [],
        channels=TILL_CHANNELS,
        prepayment_percent=order_settings.get("prepayment_percent", ""),
    )


async def _places(visit: Visit) -> Places:
    found: Places = await visit.request.app.state.directory.places(
        visit.known.account_id,
        visit.api,
        visit.now,
        wanted=visit.request.cookies.get(STORE_COOKIE),
    )
    return found


async def _order_settings(visit: Visit) -> Json:
    try:
        found: Json = await visit.api.get("/order-settings")
    except ApiProblem as problem:
        if problem.status in (403, 404) or problem.unreachable:
            return {}  # The deposit is then proposed by the order itself, once accepted.
        raise
    return found


def _store(visit: Visit, places: Places) -> Json | None:
    """The store of this till: the one chosen in this browser, or the first."""
    chosen = visit.request.cookies.get(STORE_COOKIE)
    for store in places.stores:
        if store["id"] == chosen:
            return store
    return places.stores[0] if places.stores else None


@router.get("/take-order/scan")
async def scan(visit: Taker, code: str) -> Response:
    """What a scanned code is: an item by barcode or SKU, or an order by its number."""
    items, _ = await visit.api.get_page("/items", barcode=code, limit=2)
    if not items:
        items = await _by_sku(visit, code)
    if items:
        return JSONResponse({"kind": "item", "item": _item(visit, items[0])})
    orders, _ = await visit.api.get_page("/orders", q=code, limit=2)
    for order in orders:
        if order["number"].lower() == code.lower():
            return JSONResponse({"kind": "order", "address": f"/orders/{order['id']}"})
    return JSONResponse({"kind": "none"})


async def _by_sku(visit: Visit, code: str) -> list[Json]:
    try:
        return [await visit.api.get(f"/items/{quote(code, safe='')}")]
    except ApiProblem as problem:
        if problem.status in (404, 422):
            return []
        raise


@router.get("/take-order/items")
async def items(visit: Taker, q: str) -> Response:
    """Items whose name, SKU or barcode fits the words."""
    by_words, by_barcode = await asyncio.gather(
        visit.api.get_page("/items", q=q, limit=FOUND_MAX),
        _by_barcode(visit, q),
    )
    found = {item["sku"]: item for item in (*by_barcode, *by_words[0])}
    return JSONResponse({"items": [_item(visit, item) for item in found.values()][:FOUND_MAX]})


async def _by_barcode(visit: Visit, q: str) -> Sequence[Json]:
    if not q.strip().isdigit():
        return ()
    found, _ = await visit.api.get_page("/items", barcode=q.strip(), limit=2)
    return found


def _item(visit: Visit, item: Json) -> Json:
    return {
        "sku": item["sku"],
        "name": item["name"],
        "unit": item["unit"],
        "price": item["price"],
        "currency": item["currency"],
        "barcodes": item.get("barcodes", []),
        "price_text": visit.language.money(item["price"], item["currency"]),
    }


@router.get("/take-order/customers")
async def customers(visit: Taker, q: str) -> Response:
    """Customers by the last digits of the telephone, by name, or by card."""
    found, _ = await visit.api.get_page("/customers", q=q, limit=FOUND_MAX)
    fields = ("id", "name", "phone", "card_number", "category")
    return JSONResponse(
        {"items": [{name: one.get(name) for name in fields} for one in found[:FOUND_MAX]]}
    )


@router.get("/take-order/stock")
async def stock(
    visit: Taker, store_id: UUID, sku: Annotated[list[str], Query(max_length=SKUS_MAX)]
) -> Response:
    """What this store, the others and expected receipts can promise of each item."""
    places = await _places(visit)
    here = {one["id"] for one in places.warehouses if one["store_id"] == str(store_id)}
    wanted = list(dict.fromkeys(sku))
    pages = await asyncio.gather(
        *(visit.attempt(visit.api.get_page("/stock", sku=one, limit=200)) for one in wanted)
    )
    found: Json = {}
    for one, page in zip(wanted, pages, strict=True):
        if page is not None:
            found[one] = _promise(page[0], here)
    return JSONResponse({"stock": found})


def _promise(rows: list[Json], here: set[str]) -> Json:
    totals = {"here": Decimal(0), "elsewhere": Decimal(0), "expected": Decimal(0)}
    warehouses: Json = {}
    for row in rows:
        place = "here" if row["warehouse_id"] in here else "elsewhere"
        totals[place] += amount(row["available"])
        totals["expected"] += amount(row.get("expected"))
        warehouses[row["warehouse_id"]] = {
            "here": row["warehouse_id"] in here,
            "available": str(row["available"]),
            "expected": str(row.get("expected") or "0"),
        }
    return {name: str(value) for name, value in totals.items()} | {"warehouses": warehouses}


@router.post("/take-order/accept")
async def accept(visit: Taker, draft: Accepted) -> Response:
    """Accepts the draft once, however often it is sent, and takes the deposit with it.

    A draft that was changed after it was taken is refused, and no deposit is taken.
    """
    visit.check_token(visit.request.headers.get("x-csrf-token", ""))
    try:
        order = await visit.api.post("/orders", draft.order, draft.key, wait_seconds=WAIT_SECONDS)
    except ApiProblem as problem:
        order = await _accepted_before(visit, draft, problem)
        if order is None:
            return _refusal(visit, problem)
        if not _is_asked(order, draft.order):
            return _refusal(visit, _taken_otherwise(visit, order))
    answer: Json = {"order": _summary(order), "payment_problem": None}
    if draft.pay is not None:
        answer["payment_problem"] = await _pay(visit, order, draft.pay)
    return JSONResponse(answer, 201)


async def _accepted_before(visit: Visit, draft: Accepted, problem: ApiProblem) -> Json | None:
    """The order, when an earlier try got through although its answer was lost."""
    if problem.status not in (409, 422) or not draft.order.get("id"):
        return None
    if any(one.pointer != "/id" for one in problem.errors):
        return None
    try:
        found: Json = await visit.api.get(f"/orders/{draft.order['id']}")
    except ApiProblem:
        return None
    return found


def _is_asked(order: Json, asked: Json) -> bool:
    """Whether the order is what is asked; what the draft leaves to the chain is as it is."""
    customer = order["customer"] or {}
    hold, until = asked["hold"], asked["hold"].get("until")
    return (
        len(order["lines"]) == len(asked["lines"])
        and all(map(_is_line_asked, order["lines"], asked["lines"]))
        and amount(order["prepayment"])
        == amount(asked.get("prepayment", order["prepayment_proposed"]))
        and (customer.get("id") or customer.get("name"))
        == (asked.get("customer_id") or asked.get("customer_name"))
        and order["channel"] == asked["channel"]
        and order["hold"]["method"] == hold["method"]
        and order["hold"]["warehouse_id"] == hold["warehouse_id"]
        and (until is None or _moment(order["hold"]["until"]) == _moment(until))
    )


def _is_line_asked(line: Json, asked: Json) -> bool:
    what = (
        line["sku"] == asked["sku"]
        if "sku" in asked
        else line["description"] == asked["special"]["description"]
    )
    price = asked.get("unit_price", line["unit_price"])
    return (
        what
        and amount(line["quantity"]) == amount(asked["quantity"])
        and amount(line["unit_price"]) == amount(price)
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _taken_otherwise(visit: Visit, order: Json) -> ApiProblem:
    sentence = visit.say(
        "Order %(number)s was taken already, without your last change. Do not pay again: open it "
        "to see what is paid and to change it. What you typed is parked.",
        number=order["number"],
    )
    return ApiProblem(409, "", sentence, errors=[FieldProblem("/id", sentence)])


async def _pay(visit: Visit, order: Json, paid: Paid) -> str | None:
    try:
        await visit.api.post(
            "/payments",
            {
                "order_id": order["id"],
                "amount": paid.amount,
                "method": paid.method,
                "store_id": order["store_id"],
            },
            paid.key,
            wait_seconds=WAIT_SECONDS,
        )
    except ApiProblem as problem:
        return visit.sentence(problem)
    return None


def _refusal(visit: Visit, problem: ApiProblem) -> Response:
    errors = [{"pointer": one.pointer, "detail": one.detail} for one in problem.errors]
    status = problem.status if problem.status < 500 else 503
    return JSONResponse({"sentence": visit.sentence(problem), "errors": errors}, status)


def _summary(order: Json) -> Json:
    return {"id": order["id"], "number": order["number"], "status": order["status"]}


@router.get("/take-order/accepted/{order_id}")
async def accepted(visit: Taker, order_id: UUID) -> Response:
    """What became of the order just accepted: its holds, its deposit, its receipt."""
    order, payments, jobs = await asyncio.gather(
        visit.api.get(f"/orders/{order_id}"),
        visit.attempt(visit.api.get_page("/payments", order_id=str(order_id))),
        visit.attempt(visit.api.get_page("/print-jobs", order_id=str(order_id))),
    )
    goods = goods_of(order)
    posted = [one for one in (payments or ([], None))[0] if one["state"] == "posted"]
    prints: list[Json] = (jobs or ([], None))[0]
    undecided = not order.get("holds_decided", order["status"] != "agreed")
    printing = bool(posted) and (not prints or prints[0]["state"] in ("queued", "printing"))
    return visit.page(
        "take_order_accepted.html",
        order=order,
        goods=goods,
        money=money_of(order),
        posted=posted,
        prints=prints,
        moving=undecided or printing,
    )
