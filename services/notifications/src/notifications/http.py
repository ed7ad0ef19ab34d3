"""The JSON edge: what customers were told, for staff and for the customers themselves."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from chassis.http.auth import Principal, allow
from chassis.http.idempotency import Keyed, claim
from chassis.http.pages import Cursor, Limit, Page, after, number, page_of
from chassis.runtime import Here
from contracts.identity import Right
from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from notifications import handlers, messages, store
from notifications.domain import MessageNotFound

router = APIRouter(tags=["messages"])
Reader = Annotated[Principal, allow(Right.MESSAGES_READ)]
Customer = Annotated[Principal, allow(Right.OWN_READ)]


class MessageShown(BaseModel):
    """A message as it was told. Its texts are empty when the customer was erased."""

    id: UUID
    event_id: UUID
    order_id: UUID
    channel: Literal["email", "account"]
    kind: Literal["change", "reminder"]
    language: str
    subject: str
    body: str
    state: Literal["queued", "sending", "sent", "failed"]
    reason: str | None
    at: datetime
    read_at: datetime | None


@router.get("/messages")
async def list_messages(
    order_id: UUID, who: Reader, here: Here, limit: Limit = 50, cursor: Cursor = None
) -> Page[MessageShown]:
    """What the customer of an order was told, oldest first."""
    [begin] = after(cursor, number) or (None,)
    async with here.db.reading() as tx:
        store_id = await store.store_of_order(tx, order_id)
        if store_id is not None:
            who.require_store(store_id, "The order")
        rows = await messages.of_order(tx, order_id, begin, limit + 1)
    return _page(rows, limit)


@router.get("/me/messages")
async def list_own_messages(
    who: Customer,
    here: Here,
    order_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MessageShown]:
    """The messages of the caller's own account, newest first."""
    [begin] = after(cursor, number) or (None,)
    if who.customer_id is None:
        return Page(items=[])
    async with here.db.reading() as tx:
        rows = await messages.own(tx, who.customer_id, order_id, begin, limit + 1)
    return _page(rows, limit)


@router.post("/me/messages/{id}/read")
async def read_own_message(id: UUID, who: Customer, here: Here, key: Keyed) -> MessageShown:
    """Note that the customer read the message; the first time counts."""
    customer_id = who.customer_id
    if customer_id is None:
        raise MessageNotFound("Your login has no customer card, so it has no messages.")

    async def work(tx: AsyncConnection) -> Row[Any]:
        await claim(tx, key.of(who), 200, str(id))
        return await handlers.mark_read(tx, customer_id, id, now=datetime.now(UTC))

    return _show(await here.db.run(work))


def _page(rows: Any, limit: int) -> Page[MessageShown]:
    return page_of(rows, limit, _show, lambda row: [str(row.position)])


def _show(row: Row[Any]) -> MessageShown:
    return MessageShown.model_validate(row, from_attributes=True)
