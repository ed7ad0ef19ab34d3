"""The journal: orders by filters that stand in the address, page by page, exported as shown."""

import asyncio
import csv
from collections.abc import AsyncIterator
from io import StringIO
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from contracts.identity import Right
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response, StreamingResponse

from web import words
from web.api import ApiProblem
from web.jsons import Json
from web.language import Language
from web.visit import Visit, needs

router = APIRouter(include_in_schema=False)
Reader = Annotated[Visit, Depends(needs(Right.ORDERS_READ))]
FILTERS = (
    "status",
    "financial_status",
    "store_id",
    "channel",
    "customer_id",
    "from",
    "to",
    "q",
    "shipped_unpaid",
    "paid_unshipped",
    "late",
    "marked",
)
PAGE_LIMIT = 50
EXPORT_LIMIT = 200
EXPORT_ROWS_MAX = 100_000
ROWS_MAX = 20


def views() -> list[tuple[str, str]]:
    """The questions that are asked every day, as addresses."""
    return [
        ("", words.N_("All")),
        ("status=pending_approval", words.N_("Waiting for approval")),
        ("status=ready", words.N_("Ready to hand over")),
        ("status=in_progress", words.N_("In progress")),
        ("shipped_unpaid=true", words.N_("Handed over, not paid")),
        ("paid_unshipped=true", words.N_("Paid, not handed over")),
        ("late=true", words.N_("Hold past its end")),
        ("marked=true", words.N_("Marked for removal")),
    ]


def filters_of(visit: Visit) -> dict[str, str]:
    """The filters of the address, without empty ones."""
    query = visit.request.query_params
    return {name: query[name] for name in FILTERS if query.get(name)}


def asked(filters: dict[str, str], language: Language) -> dict[str, str]:
    """The filters as the API takes them: days become the times that begin and end them here."""
    query = dict(filters)
    for name, days_later in (("from", 0), ("to", 1)):  # Up to where the day after begins.
        if name in query and (moment := language.begin_of(query[name], days_later)):
            query[name] = moment.isoformat()
    return query


@router.get("/orders")
async def journal(visit: Reader, cursor: str = "") -> Response:
    """One page of the journal."""
    filters = filters_of(visit)
    state = visit.request.app.state
    places, found = await asyncio.gather(
        state.directory.places(
            visit.known.account_id, visit.api, visit.now, wanted=filters.get("store_id")
        ),
        _page(visit, filters, cursor),
    )
    orders, next_cursor, problem = found
    query = urlencode(filters)
    more = urlencode(filters | {"cursor": next_cursor}) if next_cursor else None
    return visit.page(
        "orders.html",
        status=200 if problem is None else problem.status,
        orders=orders,
        places=places,
        filters=filters,
        views=views(),
        query=query,
        more=more,
        paged=bool(cursor),
        sentence=visit.sentence(problem) if problem else None,
    )


async def _page(
    visit: Visit, filters: dict[str, str], cursor: str
) -> tuple[list[Json], str | None, ApiProblem | None]:
    try:
        orders, next_cursor = await visit.api.get_page(
            "/orders", limit=PAGE_LIMIT, cursor=cursor, **asked(filters, visit.language)
        )
    except ApiProblem as problem:
        if problem.status not in (400, 422):
            raise
        return [], None, problem
    return orders, next_cursor, None


@router.get("/orders/rows")
async def rows(visit: Reader, id: Annotated[list[UUID], Query(max_length=ROWS_MAX)]) -> Response:
    """The rows of these orders as they are now, for the rows that the page shows."""
    places = await visit.request.app.state.directory.places(
        visit.known.account_id, visit.api, visit.now
    )
    found = await asyncio.gather(
        *(visit.attempt(visit.api.get(f"/orders/{one}")) for one in dict.fromkeys(id))
    )
    return visit.page(
        "orders_rows.html", orders_alone=True, orders=[one for one in found if one], places=places
    )


@router.get("/orders.csv")
async def export(visit: Reader) -> Response:
    """Exactly what the journal shows with these filters, all pages of it."""
    filters = asked(filters_of(visit), visit.language)
    places = await visit.request.app.state.directory.places(
        visit.known.account_id, visit.api, visit.now
    )
    first, cursor = await visit.api.get_page("/orders", limit=EXPORT_LIMIT, **filters)

    async def lines() -> AsyncIterator[str]:
        # The mark tells spreadsheets that the file is UTF-8.
        yield "\ufeff" + _row(
            [
                "number",
                "placed_at",
                "store",
                "channel",
                "customer",
                "status",
                "financial_status",
                "currency",
                "total",
                "paid",
                "due",
            ]
        )
        orders, following, count = first, cursor, 0
        while orders:
            for order in orders:
                yield _row(
                    [
                        order["number"],
                        order.get("placed_at", ""),
                        places.store(order["store_id"])["name"],
                        order["channel"],
                        (order.get("customer") or {}).get("name") or "",
                        order["status"],
                        order["financial_status"],
                        order.get("currency", ""),
                        order["total"],
                        order["paid"],
                        order["due"],
                    ]
                )
            count += len(orders)
            if following is None or count >= EXPORT_ROWS_MAX:
                return
            orders, following = await visit.api.get_page(
                "/orders", limit=EXPORT_LIMIT, cursor=following, **filters
            )

    return StreamingResponse(
        lines(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="orders.csv"'},
    )


def _row(values: list[str]) -> str:
    """One line; a value that a spreadsheet would run as a formula is made plain text."""
    out = StringIO()
    csv.writer(out).writerow(
        ["'" + value if value[:1] in ("=", "+", "@", "\t") else value for value in values]
    )
    return out.getvalue()
