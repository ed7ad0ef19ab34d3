"""Stock: what is on hand, held and free, by warehouse and item."""

import asyncio
from typing import Annotated

from contracts.identity import Right
from fastapi import APIRouter, Depends
from starlette.responses import Response

from web.jsons import Json
from web.visit import Visit, needs

router = APIRouter(include_in_schema=False)
Reader = Annotated[Visit, Depends(needs(Right.STOCK_READ))]
LIMIT = 50
NAMED_MAX = 50


@router.get("/stock")
async def show(
    visit: Reader, sku: str = "", q: str = "", warehouse_id: str = "", cursor: str = ""
) -> Response:
    """Stock of an item, of a warehouse, or all of it."""
    places = await visit.request.app.state.directory.places(
        visit.known.account_id, visit.api, visit.now
    )
    matches: list[Json] = []
    if q and not sku:
        matches, _ = await visit.api.get_page("/items", q=q, limit=10)
        if len(matches) == 1:
            sku = matches[0]["sku"]
    rows: list[Json] = []
    next_cursor = None
    if sku or not q:
        rows, next_cursor = await visit.api.get_page(
            "/stock", sku=sku, warehouse_id=warehouse_id, limit=LIMIT, cursor=cursor
        )
    return visit.page(
        "stock.html",
        rows=rows,
        names=await item_names(visit, [row["sku"] for row in rows]),
        places=places,
        matches=matches if not sku else [],
        q=q,
        sku=sku,
        warehouse_id=warehouse_id,
        next_cursor=next_cursor,
    )


async def item_names(visit: Visit, skus: list[str]) -> dict[str, Json]:
    """The items behind these SKUs; one that cannot be found keeps its SKU."""
    wanted = list(dict.fromkeys(skus))[:NAMED_MAX]
    pages = await asyncio.gather(
        *(visit.attempt(visit.api.get_page("/items", q=sku, limit=5)) for sku in wanted)
    )
    found: dict[str, Json] = {}
    for page in pages:
        for item in page[0] if page else []:
            found[item["sku"]] = item
    return found
