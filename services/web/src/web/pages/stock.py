"""Stock: what is on hand, held and free, by warehouse and item."""

import asyncio
from typing import Annotated
from urllib.parse import quote

from contracts.identity import Right
from fastapi import APIRouter, Depends
from starlette.responses import Response

from web.api import ApiProblem
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
    found = await asyncio.gather(*(_item(visit, sku) for sku in wanted))
    return {item["sku"]: item for item in found if item}


async def _item(visit: Visit, sku: str) -> Json | None:
    try:
        item: Json = await visit.api.get(f"/items/{quote(sku, safe='')}")
    except ApiProblem as problem:
        if problem.status == 404 or problem.unreachable:
            return None
        raise
    return item
