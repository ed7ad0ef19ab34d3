"""`GET /api/v1/live`: changes as server-sent events, for pages by cookie and others by token."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from chassis.http.auth import Verifier
from chassis.http.problems import Overloaded, Unauthorized
from contracts.identity import Right
from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from web.api import Api, ApiProblem
from web.live import Change, Listener, Live
from web.visit import Anyone
from web.visitor import Visitor

router = APIRouter(tags=["live"])
PING_SECONDS = 15.0
RETRY_MS = 1_000
FULL = "Too many pages listen here at once: try again in a while, the pages work without."
FULL_RETRY_S = 10
# A stream ends about when its token does, so that a right taken away does not linger.
STREAM_SECONDS_MAX = 300.0


async def _listener(request: Request, visit: Anyone) -> Visitor:
    """Whoever the bearer token or the session cookie speaks for."""
    hub: Live = request.app.state.live
    if hub.is_full:
        raise Overloaded(FULL, headers={"Retry-After": str(FULL_RETRY_S)})
    header = request.headers.get("authorization", "")
    if header.lower().startswith("bearer "):
        verifier: Verifier = request.app.state.verifier
        principal = await verifier.verify(header[len("bearer ") :])
        stores = principal.store_ids
        visitor = Visitor(
            account_id=str(principal.account_id),
            role=principal.role,
            store_ids=None if stores is None else frozenset(str(one) for one in stores),
            customer_id=str(principal.customer_id) if principal.customer_id else None,
        )
        request.state.live_api = visit.api.for_token(header[len("bearer ") :], "en")
        return visitor
    if visit.visitor is None:
        raise Unauthorized("Sign in, or send the access token of POST /tokens.")
    request.state.live_api = visit.api
    return visit.visitor


_listener.right = Right.SESSION  # type: ignore[attr-defined]


@router.get("/live", response_class=EventSourceResponse)
async def live(
    request: Request, visitor: Annotated[Visitor, Depends(_listener)]
) -> AsyncIterator[ServerSentEvent]:
    """Order, stock, print and scan changes that the caller may see, as they happen."""
    hub: Live = request.app.state.live
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + STREAM_SECONDS_MAX
    with hub.listen(visitor) as listener:
        if visitor.is_customer:  # Now that what happens meanwhile is heard.
            await _remember_own(hub, request.state.live_api, visitor)
        yield ServerSentEvent(event="hello", data={"live": hub.is_following}, retry=RETRY_MS)
        while loop.time() < ends_at and not listener.behind:
            change = await _next(listener)
            if change is None:
                yield ServerSentEvent(event="beat", data={"live": hub.is_following})
            else:
                yield ServerSentEvent(event=change.kind, data=change.data)


async def _next(listener: Listener) -> Change | None:
    try:
        return await asyncio.wait_for(listener.changes.get(), PING_SECONDS)
    except TimeoutError:
        return None


async def _remember_own(hub: Live, api: Api, visitor: Visitor) -> None:
    """A customer's earlier orders: their first fact passed before this process started."""
    assert visitor.customer_id is not None
    try:
        orders, _ = await api.get_page("/me/orders", limit=50)
    except ApiProblem:
        return  # New orders still come; the pages themselves show what cannot be read.
    for order in orders:
        hub.remember_owner(str(order["id"]), visitor.customer_id)
