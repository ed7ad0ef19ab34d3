"""Shipping's JSON edge."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from chassis.database import Database
from chassis.gather import Gatherer, ask_together
from chassis.http.auth import Principal, allow
from chassis.http.fields import Body, Figure, Quantity, Text
from chassis.http.idempotency import Call, Key, Keyed, fingerprint
from chassis.http.members import problem_of, unfit
from chassis.http.pages import Cursor, Limit, Page, after, moment, page_of
from chassis.http.problems import Forbidden, NotFound, as_body
from chassis.http.repeats import run_once_each
from chassis.http.waiting import Wait
from chassis.ids import uuid7
from chassis.runtime import Here
from contracts.identity import Right
from fastapi import APIRouter, Response
from fastapi_problem.error import Problem
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from shipping import domain, handlers, store
from shipping.domain import Kind, Shipment, State, Wanted
from shipping.handlers import Answer, DraftShipment, PostShipment
from shipping.waiting import alone, patiently, settled

router = APIRouter(tags=["shipments"])
Reader = Annotated[Principal, allow(Right.SHIPMENTS_READ)]
Writer = Annotated[Principal, allow(Right.SHIPMENTS_WRITE)]
LINES_MAX = 500
BATCH_MAX = 1000
PENDING = 202
# What the domain refuses, and the status that each refusal has here.
REFUSALS: Mapping[type[Exception], int] = {
    domain.UnknownOrder: 422,
    domain.UnknownLine: 422,
    domain.UnknownStore: 422,
    domain.LineNamedTwice: 422,
    domain.QuantityTooPrecise: 422,
    domain.MoreThanIsLeft: 422,
    domain.LeftMeanwhile: 409,
    domain.NotAgreed: 409,
    domain.OrderIsMarked: 409,
    domain.OrderIsCancelled: 409,
    domain.ShipmentExists: 409,
    domain.OutsideYourStores: 404,
}


@dataclass(frozen=True, slots=True)
class Parts:
    """Single requests gather here; batches go to the same use cases directly."""

    drafts: Gatherer[DraftShipment, Shipment]
    posts: Gatherer[PostShipment, Shipment]
    draft_all: Callable[[Sequence[DraftShipment]], Awaitable[Sequence[Answer]]]
    shipments: Gatherer[Collection[UUID], dict[UUID, Shipment]]


def parts_on(db: Database) -> Parts:
    """The use cases on this database, one transaction a group."""

    async def draft_all(commands: Sequence[DraftShipment]) -> Sequence[Answer]:
        return await run_once_each(db, lambda tx: handlers.draft_shipments(tx, commands))

    async def post_all(commands: Sequence[PostShipment]) -> Sequence[Answer]:
        return await run_once_each(db, lambda tx: handlers.post_shipments(tx, commands))

    async def find_all(
        tx: AsyncConnection, asked: Sequence[Collection[UUID]]
    ) -> list[dict[UUID, Shipment]]:
        found = await store.find_shipments(tx, list({id for ids in asked for id in ids}))
        return [{id: found[id] for id in ids if id in found} for ids in asked]

    return Parts(Gatherer(draft_all), Gatherer(post_all), draft_all, ask_together(db, find_all))


class LineBody(Body):
    line_id: UUID
    quantity: Quantity


class ShipmentBody(Body):
    """`store_id` is where the goods are handed over; the order's when left out."""

    id: UUID | None = None
    order_id: UUID
    kind: Kind
    store_id: UUID | None = None
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=LINES_MAX)]


class PostBody(Body):
    """`override` hands over what is held for others; it needs the right holds.break."""

    override: bool = False


class MemberBody(Body):
    """One of a batch; `key` takes the place of the Idempotency-Key, `post` posts it at once."""

    key: Text
    shipment: dict[str, Any] = Field(description="As the body of POST /shipments.")
    post: bool = False
    override: bool = False


class BatchBody(Body):
    shipments: Annotated[list[MemberBody], Field(min_length=1, max_length=BATCH_MAX)]


class LineShown(BaseModel):
    line_id: UUID
    sku: str
    quantity: Figure
    amount: Figure | None


class ShortageShown(BaseModel):
    line_id: UUID
    sku: str
    wanted: Figure
    available: Figure
    detail: str


class ShipmentShown(BaseModel):
    """`value` is what was handed over is worth; `due_now` what the order's till asks for then."""

    id: UUID
    order_id: UUID
    store_id: UUID
    kind: Kind
    state: State
    lines: list[LineShown]
    currency: str
    value: Figure | None
    consumed: Figure | None
    due_now: Figure | None
    reason: str | None
    reason_code: str | None
    shortages: list[ShortageShown]
    override: bool
    created_at: datetime
    created_by: str
    posting_at: datetime | None
    posted_by: str | None
    decided_at: datetime | None


class MemberShown(BaseModel):
    key: str
    status: int
    shipment: ShipmentShown | None = None
    problem: dict[str, object] | None = None


class BatchShown(BaseModel):
    items: list[MemberShown]


def show(one: Shipment) -> ShipmentShown:
    return ShipmentShown(
        id=one.id,
        order_id=one.order_id,
        store_id=one.store_id,
        kind=one.kind,
        state=one.state,
        lines=[LineShown.model_validate(line, from_attributes=True) for line in one.lines],
        currency=one.currency,
        value=one.value,
        consumed=one.consumed,
        due_now=one.due_now,
        reason=None if one.reason is None else domain.in_words(one.reason),
        reason_code=one.reason,
        shortages=[
            ShortageShown(
                line_id=short.line_id,
                sku=short.sku,
                wanted=short.wanted,
                available=short.available,
                detail=domain.shortage_in_words(short),
            )
            for short in one.shortages
        ],
        override=one.override,
        created_at=one.created_at,
        created_by=one.created_by,
        posting_at=one.posting_at,
        posted_by=one.posted_by,
        decided_at=one.decided_at,
    )


@router.post("/shipments", status_code=201)
async def draft_shipment(
    body: ShipmentBody, who: Writer, key: Keyed, wait: Wait, here: Here
) -> ShipmentShown:
    """Write a shipment; nothing moves before it is posted."""
    parts: Parts = here.parts
    command = _command(body, key.of(who), who)
    [made] = await patiently(here.db, alone(parts.drafts), [command], wait)
    return show(_or_raise(made))


@router.post("/shipments/batch")
async def draft_shipments(
    body: BatchBody, who: Writer, key: Keyed, wait: Wait, here: Here
) -> BatchShown:
    """Write up to 1,000 shipments, and post those that say so; each has its own answer."""
    parts: Parts = here.parts
    tried = [_member(one, who) for one in body.shipments]
    commands = [found for found in tried if isinstance(found, DraftShipment)]
    decided = iter(await patiently(here.db, parts.draft_all, commands, wait) if commands else ())
    answers = [next(decided) if isinstance(found, DraftShipment) else found for found in tried]
    posting = [one for one in answers if isinstance(one, Shipment) and one.state == "posting"]
    after = {one.id: one for one in await settled(here.db, parts.shipments, posting, wait)}
    return BatchShown(
        items=[
            _member_shown(
                one, after.get(answer.id, answer) if isinstance(answer, Shipment) else answer
            )
            for one, answer in zip(body.shipments, answers, strict=True)
        ]
    )


@router.post("/shipments/{id}/post", responses={PENDING: {"model": ShipmentShown}})
async def post_shipment(
    id: UUID,
    who: Writer,
    key: Keyed,
    wait: Wait,
    here: Here,
    response: Response,
    body: PostBody | None = None,
) -> ShipmentShown:
    """Hand the goods over. 200 once it is settled or refused, 202 while it is on its way."""
    parts: Parts = here.parts
    override = body is not None and body.override
    if override:
        _check_override(who)
    command = PostShipment(key.of(who), id, override, who.name, who.store_ids, datetime.now(UTC))
    [made] = await patiently(here.db, alone(parts.posts), [command], wait)
    [after] = await settled(here.db, parts.shipments, [_or_raise(made)], wait)
    response.status_code = 200 if after.settled else PENDING
    return show(after)


@router.get("/shipments")
async def list_shipments(
    who: Reader,
    here: Here,
    limit: Limit = 50,
    cursor: Cursor = None,
    order_id: UUID | None = None,
    store_id: UUID | None = None,
    state: State | None = None,
) -> Page[ShipmentShown]:
    """Shipments, the oldest first; `state=posting` shows those that wait for their goods."""
    if store_id is not None:
        who.require_store(store_id, "The store")
    stores = None if who.store_ids is None else sorted(who.store_ids)
    begin = after(cursor, moment, UUID)
    wanted = store.Filter(stores, order_id, store_id, state, begin, limit + 1)
    async with here.db.reading() as tx:
        rows = await store.list_shipments(tx, wanted)
        orders = {} if rows or order_id is None else await store.find_orders(tx, [order_id])
    for order in orders.values():
        who.require_store(order.store_id, "The order")
    return page_of(rows, limit, show, lambda one: [one.created_at.isoformat(), str(one.id)])


@router.get("/shipments/{id}")
async def show_shipment(id: UUID, who: Reader, here: Here) -> ShipmentShown:
    async with here.db.reading() as tx:
        found = (await store.find_shipments(tx, [id])).get(id)
        orders = {} if found is None else await store.find_orders(tx, [found.order_id])
    if found is None:
        raise NotFound("There is no such shipment: check the id.")
    if not who.sees(found.store_id):
        who.require_store(orders[found.order_id].store_id, "The shipment")
    return show(found)


def _check_override(who: Principal) -> None:
    if not who.may(Right.HOLDS_BREAK):
        raise Forbidden(
            "Handing over what is held for others needs the right holds.break: ask a manager.",
            pointer="/override",
        )


def _command(body: ShipmentBody, call: Call, who: Principal) -> DraftShipment:
    return DraftShipment(
        call=call,
        id=body.id or uuid7(),
        order_id=body.order_id,
        kind=body.kind,
        store_id=body.store_id,
        lines=tuple(Wanted(line.line_id, line.quantity) for line in body.lines),
        by=who.name,
        stores=who.store_ids,
        at=datetime.now(UTC),
    )


def _member(one: MemberBody, who: Principal) -> DraftShipment | Problem:
    """The member's command, or why it is none: what is wrong with it spoils no other."""
    try:
        body = ShipmentBody.model_validate(one.shipment)
        if one.override:
            _check_override(who)
    except ValidationError as error:
        return unfit(error)
    except Forbidden as refusal:
        return refusal
    asked = (body.model_dump_json(), str(one.post), str(one.override))
    what = fingerprint(b"shipment in a batch", *(part.encode() for part in asked))
    command = _command(body, Key(one.key, what).of(who), who)
    return replace(command, post=one.post, override=one.override)


def _member_shown(member: MemberBody, answer: Answer) -> MemberShown:
    if isinstance(answer, Shipment):
        pending = member.post and not answer.settled
        status = PENDING if pending else handlers.DRAFTED
        return MemberShown(key=member.key, status=status, shipment=show(answer))
    problem = problem_of(answer, REFUSALS)
    return MemberShown(key=member.key, status=problem.status, problem=as_body(problem))


def _or_raise(answer: Answer) -> Shipment:
    if isinstance(answer, Exception):
        raise answer
    return answer
