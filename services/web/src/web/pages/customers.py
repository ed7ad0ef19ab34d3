"""Customers: find one, see what they owe and are owed, add one."""

import asyncio
from typing import Annotated
from uuid import UUID

from contracts.identity import Right
from fastapi import APIRouter, Depends
from starlette.responses import Response

from web.api import ApiProblem
from web.language import LANGUAGES
from web.visit import Visit, needs, new_key, see_other, sent_key

router = APIRouter(include_in_schema=False)
Reader = Annotated[Visit, Depends(needs(Right.CUSTOMERS_READ))]
Writer = Annotated[Visit, Depends(needs(Right.CUSTOMERS_WRITE))]
FIELDS = ("name", "phone", "email", "language", "card_number", "category")
LIMIT = 50


@router.get("/customers")
async def find(visit: Reader, q: str = "", cursor: str = "") -> Response:
    """Customers by name, telephone or card."""
    return await _list(visit, q, cursor)


async def _list(
    visit: Visit,
    q: str = "",
    cursor: str = "",
    problem: ApiProblem | None = None,
    typed: dict[str, str] | None = None,
    key: str | None = None,
) -> Response:
    customers, next_cursor = await visit.api.get_page("/customers", q=q, limit=LIMIT, cursor=cursor)
    return visit.page(
        "customers.html",
        status=problem.status if problem else 200,
        customers=customers,
        q=q,
        next_cursor=next_cursor,
        problem=problem,
        sentence=visit.sentence(problem) if problem else None,
        typed=typed or {},
        key=key or new_key(),
    )


@router.post("/customers")
async def add(visit: Writer) -> Response:
    """Adds a card, or shows what to mend next to its field."""
    form = await visit.form()
    typed = {name: str(form.get(name, "")).strip() for name in FIELDS}
    body = {name: value for name, value in typed.items() if value}
    if body.get("language") not in LANGUAGES:
        body.pop("language", None)
    try:
        made = await visit.api.post("/customers", body, sent_key(form))
    except ApiProblem as problem:
        if problem.status in (401, 403):
            raise
        return await _list(visit, problem=problem, typed=typed, key=sent_key(form))
    return see_other(f"/customers/{made['id']}?said=customer")


@router.get("/customers/{customer_id}")
async def one(visit: Reader, customer_id: UUID) -> Response:
    """A customer with orders and money."""
    orders, account, customer, places = await asyncio.gather(
        visit.api.get_page("/orders", customer_id=str(customer_id), limit=LIMIT),
        _account(visit, customer_id),
        _card(visit, customer_id),
        visit.request.app.state.directory.places(visit.known.account_id, visit.api, visit.now),
    )
    return visit.page(
        "customer.html",
        customer=customer or {"id": str(customer_id), "name": _name(orders[0])},
        orders=orders[0],
        account=account,
        places=places,
    )


async def _account(visit: Visit, customer_id: UUID) -> object:
    try:
        return await visit.api.get(f"/accounts/{customer_id}")
    except ApiProblem as problem:
        if problem.status in (404, 403) or problem.unreachable:
            return None  # Nothing was paid yet, or billing is away: the rest is shown.
        raise


async def _card(visit: Visit, customer_id: UUID) -> object:
    try:
        return await visit.api.get(f"/customers/{customer_id}")
    except ApiProblem as problem:
        if problem.status in (404, 405):
            return None
        raise


def _name(orders: list[dict[str, object]]) -> str:
    for order in orders:
        customer = order.get("customer")
        if isinstance(customer, dict) and customer.get("name"):
            return str(customer["name"])
    return ""
