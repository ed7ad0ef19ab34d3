"""Refunds: give money back, and see what was given."""

from datetime import UTC, datetime
from uuid import UUID

from chassis.http.fields import Amount, Body, Figure
from chassis.http.idempotency import Keyed
from chassis.http.pages import Page, page_of
from chassis.http.repeats import run_once_each
from chassis.http.waiting import Wait, once_known
from chassis.ids import uuid7
from chassis.runtime import Here
from contracts.billing import Method
from fastapi import APIRouter
from pydantic import BaseModel

from billing.accounts import handlers, store
from billing.accounts.http.scope import (
    UNKNOWN,
    Listed,
    Reader,
    Returner,
    scoped,
)
from billing.accounts.store import Refund

router = APIRouter(tags=["refunds"])


class RefundBody(Body):
    id: UUID | None = None
    order_id: UUID
    amount: Amount
    method: Method
    store_id: UUID


class RefundShown(BaseModel):
    id: UUID
    order_id: UUID
    store_id: UUID
    amount: Figure
    currency: str
    method: Method
    state: str
    at: datetime
    by: str


def show_refund(one: Refund) -> RefundShown:
    return RefundShown(
        id=one.refund_id,
        order_id=one.order_id,
        store_id=one.store_id,
        amount=one.amount,
        currency=one.currency,
        method=one.method,
        state="posted",
        at=one.at,
        by=one.by,
    )


@router.post("/refunds", status_code=201)
async def post_refund(
    body: RefundBody, who: Returner, key: Keyed, wait: Wait, here: Here
) -> RefundShown:
    """Give money back: at most what is paid and not consumed, in any of the caller's stores."""
    who.require_store(body.store_id, "The store")
    wanted = Refund(
        refund_id=body.id or uuid7(),
        order_id=body.order_id,
        store_id=body.store_id,
        method=body.method,
        amount=body.amount,
        currency="",
        at=datetime.now(UTC),
        by=who.name,
    )

    call = key.of(who)

    async def give() -> Refund:
        return await run_once_each(here.db, lambda tx: handlers.refund(tx, wanted, call))

    made = await once_known(here.db, give, UNKNOWN, wait)
    return show_refund(made)


@router.get("/refunds")
async def list_refunds(who: Reader, here: Here, listing: Listed) -> Page[RefundShown]:
    """Refunds of an order or a store, oldest first."""
    rows = await scoped(here, listing, who, store.list_refunds)
    return page_of(
        rows, listing.limit, show_refund, lambda one: (one.at.isoformat(), str(one.refund_id))
    )
