"""The customer's personal account: own orders, papers, messages and language."""

import asyncio
from typing import Annotated
from uuid import UUID

from contracts.identity import Right
from fastapi import APIRouter, Depends
from starlette.responses import Response

from web.jsons import Json
from web.pages.order_view import goods_of, money_of
from web.visit import Visit, needs

router = APIRouter(include_in_schema=False)
Customer = Annotated[Visit, Depends(needs(Right.OWN_READ))]
LIMIT = 50
OPEN = frozenset({"draft", "pending_approval", "agreed", "in_progress", "ready", "shipped"})


@router.get("/my/orders")
async def orders(visit: Customer, cursor: str = "") -> Response:
    """The customer's orders, those under way first."""
    found, next_cursor = await visit.api.get_page("/me/orders", limit=LIMIT, cursor=cursor)
    return visit.page(
        "my/orders.html",
        under_way=[order for order in found if order["status"] in OPEN],
        done=[order for order in found if order["status"] not in OPEN],
        next_cursor=next_cursor,
    )


@router.get("/my/orders/{order_id}")
async def order(visit: Customer, order_id: UUID) -> Response:
    """One order: how far it is, its goods, money and papers."""
    found, documents, messages = await asyncio.gather(
        visit.api.get(f"/me/orders/{order_id}"),
        visit.attempt(visit.api.get_page("/me/documents", order_id=str(order_id))),
        visit.attempt(visit.api.get_page("/me/messages", order_id=str(order_id))),
    )
    return visit.page(
        "my/order.html",
        order=found,
        goods=goods_of(found),
        money=money_of(found),
        documents=_of_order(documents, order_id),
        messages=_of_order(messages, order_id),
    )


def _of_order(page: tuple[list[Json], str | None] | None, order_id: UUID) -> list[Json] | None:
    if page is None:
        return None
    return [one for one in page[0] if str(one.get("order_id")) == str(order_id)]


@router.get("/my/messages")
async def messages(visit: Customer, cursor: str = "") -> Response:
    """What the chain told the customer."""
    found, next_cursor = await visit.api.get_page("/me/messages", limit=LIMIT, cursor=cursor)
    return visit.page(
        "my/messages.html",
        messages=[one for one in found if one["channel"] == "account"],
        next_cursor=next_cursor,
    )


@router.get("/my/profile")
async def profile(visit: Customer) -> Response:
    """The login, the language and the display."""
    return visit.page("my/profile.html")
