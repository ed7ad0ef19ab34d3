"""Search over orders, customers, items and actions, from anywhere by Ctrl+K."""

import asyncio
from typing import Annotated

from contracts.identity import Right
from fastapi import APIRouter, Depends
from starlette.responses import Response

from web.jsons import Json
from web.navigation import navigation
from web.visit import Visit, needs

router = APIRouter(include_in_schema=False)
Reader = Annotated[Visit, Depends(needs(Right.ORDERS_READ))]
LIMIT = 6


@router.get("/search")
async def search(visit: Reader, q: str = "") -> Response:
    """What fits the words, as a page or as the palette's list."""
    q = q.strip()
    orders, customers, items = ([], [], []) if not q else await _found(visit, q)
    actions = [
        entry
        for entry in navigation(visit.say)
        if q and q.lower() in entry[1].lower() and visit.known.may(entry[3])
    ]
    template = "search_found.html" if visit.request.headers.get("hx-request") else "search.html"
    return visit.page(
        template, q=q, orders=orders, customers=customers, items=items, actions=actions
    )


async def _found(visit: Visit, q: str) -> tuple[list[Json], list[Json], list[Json]]:
    pages = await asyncio.gather(
        *(
            visit.attempt(visit.api.get_page(path, q=q, limit=LIMIT))
            for path in ("/orders", "/customers", "/items")
        )
    )
    orders, customers, items = (page[0][:LIMIT] if page else [] for page in pages)
    return orders, customers, items
