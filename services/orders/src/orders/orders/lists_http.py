"""Batches of orders, the journal, one order, and the customer's own orders over HTTP."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from chassis.http.auth import Principal, allow
from chassis.http.fields import LongText, Moment
from chassis.http.idempotency import Kept, Keyed
from chassis.http.members import problem_of, unfit
from chassis.http.pages import Cursor, Limit, Page, after, moment, page_of
from chassis.http.problems import NotFound, as_body
from chassis.http.waiting import KNOWN_DEFAULT_S, Wait, refusal_of, worth_waiting
from chassis.runtime import Here, Runtime
from contracts.identity import Right
from contracts.orders import Channel, FinancialStatus, MainStatus
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ValidationError

from orders.orders import handlers, journal, store
from orders.orders.answers import OrderShown, for_the_customer, show
from orders.orders.bodies import BatchBody, MemberBody, OrderBody
from orders.orders.handlers import Answer, Placed, PlaceOrder
from orders.orders.http import NOT_FOUND, Taker, answer, command_of, read, show_outcomes
from orders.orders.journal import Filters
from orders.orders.refusals import STATUSES, UnknownReference
from orders.settings import Settings

router = APIRouter(tags=["orders"])
Reader = Annotated[Principal, allow(Right.ORDERS_READ)]
Owner = Annotated[Principal, allow(Right.OWN_READ)]
ASK_AGAIN_S = 0.1


class MemberShown(BaseModel):
    """One member's answer: its status, and the order or the problem."""

    status: int
    order: OrderShown | None = None
    problem: dict[str, Any] | None = None


class BatchShown(BaseModel):
    items: list[MemberShown]


@router.post("/orders/batch", response_model=BatchShown)
async def place_batch(body: BatchBody, who: Taker, here: Here, key: Keyed, wait: Wait) -> Response:
    """Take up to 1,000 orders, each with its own key and its own answer."""
    tried = [_member(who, member) for member in body.orders]
    commands = [found for found in tried if isinstance(found, PlaceOrder)]
    outcomes = iter(await _place_known(here, commands, wait))
    answers = [next(outcomes) if isinstance(found, PlaceOrder) else found for found in tried]
    done = [found for found in answers if isinstance(found, Placed | Kept)]
    shown = iter(await show_outcomes(here, done, wait))
    items = [
        MemberShown(status=handlers.PLACED_STATUS, order=next(shown))
        if isinstance(found, Placed | Kept)
        else _problem(found)
        for found in answers
    ]
    return Response(BatchShown(items=items).model_dump_json(), media_type="application/json")


def _member(who: Principal, member: MemberBody) -> PlaceOrder | Exception:
    """The member's command, or why it is none."""
    try:
        order = OrderBody.model_validate(member.order)
        who.require_store(order.store_id, "The store")
        return command_of(order, who, member.key)
    except ValidationError as error:
        return unfit(error)
    except NotFound as refusal:
        return refusal


async def _place_known(
    here: Runtime, commands: Sequence[PlaceOrder], wait: float | None
) -> list[Answer]:
    """Place them; those that name what may be known in a moment are tried again for a while."""
    assert isinstance(here.settings, Settings)
    currency = here.settings.currency
    answers = await handlers.place_orders(here.db, commands, currency) if commands else []
    deadline = asyncio.get_running_loop().time() + (KNOWN_DEFAULT_S if wait is None else wait)
    while asyncio.get_running_loop().time() < deadline:
        early = [n for n, found in enumerate(answers) if _may_come(found)]
        if not early:
            break
        await asyncio.sleep(ASK_AGAIN_S)
        again = await handlers.place_orders(here.db, [commands[n] for n in early], currency)
        for n, outcome in zip(early, again, strict=True):
            answers[n] = outcome
    return [refusal_of(a) if isinstance(a, UnknownReference) else a for a in answers]


def _may_come(found: Answer) -> bool:
    return isinstance(found, UnknownReference) and worth_waiting(found.reference)


def _problem(refusal: Exception) -> MemberShown:
    """A member's refusal or error, as it would be answered alone."""
    problem = problem_of(refusal, STATUSES)
    return MemberShown(status=problem.status, problem=as_body(problem))


@router.get("/orders", response_model=Page[OrderShown])
async def list_orders(
    who: Reader,
    here: Here,
    status: MainStatus | None = None,
    financial_status: FinancialStatus | None = None,
    store_id: UUID | None = None,
    channel: Channel | None = None,
    customer_id: UUID | None = None,
    placed_from: Annotated[Moment | None, Query(alias="from")] = None,
    placed_to: Annotated[Moment | None, Query(alias="to")] = None,
    q: Annotated[LongText | None, Query(description="Number, name, telephone or card.")] = None,
    shipped_unpaid: bool | None = None,
    paid_unshipped: bool | None = None,
    late: Annotated[bool | None, Query(description="The hold ended with goods open.")] = None,
    waiting: Annotated[
        bool | None, Query(description="Holds undecided for 5 minutes, approval for 24 hours.")
    ] = None,
    marked: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The journal, newest first. Orders that are marked for removal are only in `marked=true`."""
    filters = Filters(
        status=status,
        financial_status=financial_status,
        store_id=store_id,
        store_ids=who.store_ids,
        channel=channel,
        customer_id=customer_id,
        placed_from=placed_from,
        placed_to=placed_to,
        q=q or None,
        shipped_unpaid=shipped_unpaid,
        paid_unshipped=paid_unshipped,
        late=late,
        waiting=waiting,
        marked=marked,
    )
    page = await _page(here, filters, cursor, limit)
    return Response(page.model_dump_json(), media_type="application/json")


@router.get("/orders/{id}", response_model=OrderShown)
async def get_order(id: UUID, who: Reader, here: Here) -> Response:
    """One order with everything that happened to it."""
    return answer(await read(here, id, who))


@router.get("/me/orders", response_model=Page[OrderShown])
async def list_own_orders(
    who: Owner, here: Here, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The caller's own orders, newest first."""
    page: Page[OrderShown] = Page(items=[])
    if who.customer_id is not None:
        page = await _page(here, Filters(customer_id=who.customer_id), cursor, limit)
    own = page.model_copy(update={"items": [for_the_customer(shown) for shown in page.items]})
    return Response(own.model_dump_json(), media_type="application/json")


@router.get("/me/orders/{id}", response_model=OrderShown)
async def get_own_order(id: UUID, who: Owner, here: Here) -> Response:
    """One of the caller's own orders."""
    shown = await read(here, id)
    own = who.customer_id is not None and shown.customer is not None
    if not own or shown.customer is None or shown.customer.id != who.customer_id or shown.marked:
        raise NotFound(NOT_FOUND)
    return answer(for_the_customer(shown))


async def _page(
    here: Runtime, filters: Filters, cursor: str | None, limit: int
) -> Page[OrderShown]:
    now, begin = datetime.now(UTC), after(cursor, moment, UUID)
    async with here.db.reading() as tx:
        ids = await journal.find_orders(tx, filters, begin, limit + 1, now)
        found = await store.load(tx, ids)
        cards = [order.customer_id for order in found.values() if order.customer_id]
        names = await journal.card_names(tx, cards)
    orders = [found[id] for id in ids]
    return page_of(
        orders,
        limit,
        lambda o: show(o, names.get(o.customer_id) if o.customer_id else None, (), now),
        lambda o: [o.placed_at.isoformat(), str(o.id)],
    )
