"""Today: what waits for a person, so that nothing waits unseen."""

import asyncio
from decimal import Decimal
from typing import Annotated

from contracts.identity import Right
from fastapi import APIRouter, Depends
from starlette.responses import Response

from web.jsons import Json
from web.pages.order_view import amount
from web.pages.system import parked_of
from web.visit import Visit, needs

router = APIRouter(include_in_schema=False)
Manager = Annotated[Visit, Depends(needs(Right.ORDERS_MANAGE))]
LIMIT = 50


@router.get("/today")
async def show(visit: Manager) -> Response:
    """Orders waiting for someone, holds past their end, debts, parked records."""
    services = visit.request.app.state.settings.services
    waiting, late, overdue, debts, places, parked = await asyncio.gather(
        _list(visit, "/orders", status="pending_approval"),
        _list(visit, "/orders", waiting="true"),
        _list(visit, "/holds", overdue="true"),
        _list(visit, "/orders", shipped_unpaid="true"),
        visit.request.app.state.directory.places(visit.known.account_id, visit.api, visit.now),
        _parked(visit, list(services)),
    )
    undecided = None
    if late is not None:
        undecided = [order for order in late if order.get("waits_for") == "holds"]
    owed: dict[str, Decimal] = {}
    for order in debts or []:
        currency = order.get("currency", "")
        owed[currency] = owed.get(currency, Decimal(0)) + amount(order["due"])
    return visit.page(
        "today.html",
        waiting=waiting,
        undecided=undecided,
        overdue=overdue,
        debts=debts,
        owed=owed,
        places=places,
        parked=parked,
        limit=LIMIT,
    )


async def _list(visit: Visit, path: str, **query: str) -> list[Json] | None:
    page = await visit.attempt(visit.api.get_page(path, limit=LIMIT, **query))
    return None if page is None else page[0]


async def _parked(visit: Visit, services: list[str]) -> int | None:
    lists = await asyncio.gather(*(parked_of(visit, name) for name in services))
    if any(one is None for one in lists):
        return None
    return sum(len(one or []) for one in lists)
