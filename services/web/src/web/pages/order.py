"""The order's page: its header, the next steps, and five tabs that are addresses."""

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from contracts.identity import Right
from fastapi import APIRouter, Depends
from starlette.responses import Response

from web.directory import all_of
from web.jsons import Json
from web.pages.order_view import first_step, goods_of, is_marked, left_of, money_of, steps_of
from web.visit import Visit, needs, new_key

router = APIRouter(include_in_schema=False)
Reader = Annotated[Visit, Depends(needs(Right.ORDERS_READ))]


async def show(
    visit: Visit, order_id: UUID, tab: str, status: int = 200, **context: Any
) -> Response:
    """The page with this tab open; `context` may hold a refused step with what was typed in it."""
    api = visit.api
    order, documents, payments, details = await asyncio.gather(
        api.ask("GET", f"/orders/{order_id}"),
        visit.attempt(items(visit, "/documents", order_id)),
        visit.attempt(items(visit, "/payments", order_id)),
        _details(visit, order_id, tab),
    )
    places = await visit.request.app.state.directory.places(
        visit.known.account_id, api, visit.now, wanted=order.body["store_id"]
    )
    names = await _staff(visit) if tab == "timeline" else {}
    steps = steps_of(order.body, documents, visit.known)
    query = visit.request.query_params
    wishes = {name: query[name] for name in ("step", "amount") if name in query}
    values: Json = {
        "refused": None,
        "open_step": wishes.get("step") if wishes.get("step") in steps else None,
        "suggested": wishes.get("amount", ""),
        "wishes": urlencode(wishes),
        **details,
        **context,
    }
    refused = values["refused"]

    def typed_in(step: str) -> Json:
        """What was typed in this step's form, if it is the one that was refused."""
        return refused["typed"] if refused and refused["step"] == step else {}

    return visit.page(
        f"order/{tab}.html",
        status=status,
        order=order.body,
        etag=order.etag,
        tab=tab,
        goods=goods_of(order.body),
        money=money_of(order.body),
        documents=documents,
        payments=payments,
        places=places,
        steps=steps,
        first=first_step(steps, order.body),
        marked=is_marked(order.body),
        left_of=left_of,
        new_key=new_key,
        typed_in=typed_in,
        names=names,
        **values,
    )


async def items(visit: Visit, path: str, order_id: UUID) -> list[Json]:
    """The order's entries in another service's list."""
    found, _ = await visit.api.get_page(path, order_id=str(order_id))
    return found


async def _details(visit: Visit, order_id: UUID, tab: str) -> Json:
    lists = {
        "lines": ("holds", "transfers", "shipments"),
        "money": ("refunds", "shipments"),
        "papers": ("print-jobs",),
        "messages": ("messages",),
        "timeline": (),
    }[tab]
    found = await asyncio.gather(
        *(visit.attempt(items(visit, f"/{name}", order_id)) for name in lists)
    )
    return {name.replace("-", "_"): part for name, part in zip(lists, found, strict=True)}


async def _staff(visit: Visit) -> dict[str, str]:
    """Who the accounts in the history are, as far as this role may know."""
    assert visit.session is not None
    names = {visit.known.account_id: visit.session.username}
    if visit.known.may(Right.ACCOUNTS_MANAGE):
        staff = await visit.attempt(all_of(visit.api, "/staff"))
        names |= {one["id"]: one["username"] for one in staff or []}
    return names


@router.get("/orders/{order_id}")
async def lines(visit: Reader, order_id: UUID) -> Response:
    """What was ordered, what is held for it and what waits."""
    return await show(visit, order_id, "lines")


@router.get("/orders/{order_id}/money")
async def money(visit: Reader, order_id: UUID) -> Response:
    """The deposit, the documents and the payments."""
    return await show(visit, order_id, "money")


@router.get("/orders/{order_id}/papers")
async def papers(visit: Reader, order_id: UUID) -> Response:
    """The documents as PDF, and what was printed."""
    return await show(visit, order_id, "papers")


@router.get("/orders/{order_id}/messages")
async def messages(visit: Reader, order_id: UUID) -> Response:
    """What the customer was told, in the language it was sent in."""
    return await show(visit, order_id, "messages")


@router.get("/orders/{order_id}/timeline")
async def timeline(visit: Reader, order_id: UUID) -> Response:
    """Everything that happened, by whom."""
    return await show(visit, order_id, "timeline")


@router.get("/documents/{document_id}.pdf")
async def paper(
    visit: Annotated[Visit, Depends(needs(Right.SESSION))], document_id: UUID
) -> Response:
    """The document as PDF, in the customer's language."""
    whose = "/me" if visit.known.is_customer else ""
    answer = await visit.api.file(f"{whose}/documents/{document_id}.pdf")
    return Response(
        answer.content,
        media_type="application/pdf",
        headers={
            "Content-Disposition": answer.headers.get(
                "content-disposition", f'inline; filename="{document_id}.pdf"'
            )
        },
    )
