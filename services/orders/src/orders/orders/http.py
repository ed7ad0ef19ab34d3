"""Taking and changing orders over HTTP."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from chassis.database import Database
from chassis.gather import Gatherer, ask_together
from chassis.http.auth import Principal, allow
from chassis.http.etags import IfMatch, require_version
from chassis.http.idempotency import Call, Kept, Key, Keyed, KeyedIfSent, done_before
from chassis.http.problems import NotFound
from chassis.http.waiting import Wait, once_known, wait_until
from chassis.ids import uuid7
from chassis.runtime import Here, Runtime
from contracts.identity import Right
from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.orders import actions, handlers, journal, store
from orders.orders.answers import OrderShown, show, show_new
from orders.orders.bodies import LineChangeBody, OrderBody, ReasonBody
from orders.orders.domain import Happening, Order
from orders.orders.handlers import Answer, Placed, PlaceOrder
from orders.orders.refusals import UnknownReference

router = APIRouter(tags=["orders"])
NOT_FOUND = "The order was not found: check the id and that it is in your stores."
Taker = Annotated[Principal, allow(Right.ORDERS_TAKE)]
Manager = Annotated[Principal, allow(Right.ORDERS_MANAGE)]


@dataclass(frozen=True, slots=True)
class Parts:
    """Where requests that arrive together meet: orders to place, and questions about orders."""

    place: Gatherer[PlaceOrder, Placed | Kept]
    are_decided: Gatherer[Collection[UUID], bool]
    shown: Gatherer[Collection[UUID], dict[UUID, OrderShown]]


def parts_on(
    db: Database, place: Callable[[Sequence[PlaceOrder]], Awaitable[Sequence[Answer]]]
) -> Parts:
    """The use case, and the questions to this database."""
    return Parts(Gatherer(place), ask_together(db, _are_decided), ask_together(db, _shown))


async def _are_decided(tx: AsyncConnection, asked: Sequence[Collection[UUID]]) -> list[bool]:
    """For each group of orders, whether inventory answered the newest command of all of them."""
    undecided = await store.undecided(tx, {id for ids in asked for id in ids})
    return [undecided.isdisjoint(ids) for ids in asked]


async def _shown(
    tx: AsyncConnection, asked: Sequence[Collection[UUID]]
) -> list[dict[UUID, OrderShown]]:
    """For each group of orders, those that there are, with their histories."""
    found = await store.load(tx, list({id for ids in asked for id in ids}))
    cards = {order.customer_id for order in found.values() if order.customer_id}
    names = await journal.card_names(tx, list(cards))
    histories = await store.histories(tx, found.keys())
    now = datetime.now(UTC)
    shown = {
        id: show(o, names.get(o.customer_id) if o.customer_id else None, histories[id], now)
        for id, o in found.items()
    }
    return [{id: shown[id] for id in ids if id in shown} for ids in asked]


def answer(shown: OrderShown, status: int = 200) -> Response:
    """The order as a response; it was made by us, so it is not validated once more."""
    return Response(
        shown.model_dump_json(),
        status,
        headers={"ETag": f'"{shown.version}"'},
        media_type="application/json",
    )


def command_of(body: OrderBody, who: Principal, key: str) -> PlaceOrder:
    """The use case's command for this body."""
    what = body.fingerprint()
    wish = body.wish(body.id or uuid7(), what, who.name, who.store_ids, datetime.now(UTC))
    return PlaceOrder(wish, Call(who.name, key, what))


async def read(here: Runtime, id: UUID, who: Principal | None = None) -> OrderShown:
    """An order with its history; 404 when it is unknown or outside the caller's stores."""
    parts: Parts = here.parts
    shown = (await parts.shown.do([id])).get(id)
    if shown is None:
        raise NotFound(NOT_FOUND)
    if who is not None:
        who.require_store(shown.store_id, "The order")
    return shown


async def until_decided(here: Runtime, ids: Sequence[UUID], wait: float | None) -> None:
    """Wait until inventory answered the newest command of all these orders, or time is up."""

    parts: Parts = here.parts

    async def probe() -> bool | None:
        return await parts.are_decided.do(ids) or None

    if wait and ids:
        await wait_until(here.db, [str(id) for id in ids], probe, wait)


async def show_outcomes(
    here: Runtime, outcomes: Sequence[Placed | Kept], wait: float | None
) -> list[OrderShown]:
    """What to show for placed orders: as they were made, or as they are after the wait."""
    ids = [o.order.id if isinstance(o, Placed) else UUID(o.subject) for o in outcomes]
    await until_decided(here, ids, wait)
    changed = [id for id, o in zip(ids, outcomes, strict=True) if wait or isinstance(o, Kept)]
    parts: Parts = here.parts
    read = await parts.shown.do(changed) if changed else {}
    return [
        show_new(o.order, o.card_name, o.happening)
        if isinstance(o, Placed) and id not in read
        else read[id]
        for id, o in zip(ids, outcomes, strict=True)
    ]


@router.post("/orders", status_code=201, response_model=OrderShown)
async def place_order(body: OrderBody, who: Taker, here: Here, key: Keyed, wait: Wait) -> Response:
    """Take an order. With `Prefer: wait` the answer comes when its goods are held or awaited."""
    who.require_store(body.store_id, "The store")
    command = command_of(body, who, key.key)
    parts: Parts = here.parts

    async def attempt() -> Placed | Kept:
        return await parts.place.do(command)

    outcome = await once_known(here.db, attempt, UnknownReference, wait)
    [shown] = await show_outcomes(here, [outcome], wait)
    return answer(shown, handlers.PLACED_STATUS)


@router.patch("/orders/{id}/lines/{line_id}", response_model=OrderShown)
async def change_line(
    id: UUID,
    line_id: UUID,
    body: LineChangeBody,
    who: Taker,
    here: Here,
    key: KeyedIfSent,
    expected: IfMatch,
) -> Response:
    """Change a line's quantity or price; quantity 0 takes the line back."""
    now = datetime.now(UTC)

    def action(order: Order) -> Happening | None:
        require_version(expected, order.edition)
        return actions.change_line(order, line_id, body.quantity, body.unit_price, who.name, now)

    return answer(await _act(here, id, who, action, key))


@router.post("/orders/{id}/agree", response_model=OrderShown)
async def agree(
    id: UUID, who: Taker, here: Here, key: Keyed, body: ReasonBody | None = None
) -> Response:
    """Agree to an order that awaits approval, or a draft."""
    now = datetime.now(UTC)
    return answer(await _act(here, id, who, lambda o: actions.agree(o, who.name, now), key))


@router.post("/orders/{id}/cancel", response_model=OrderShown)
async def cancel(
    id: UUID, who: Taker, here: Here, key: Keyed, wait: Wait, body: ReasonBody | None = None
) -> Response:
    """Cancel an order of which nothing was handed over. Money taken stays until refunded."""
    now, reason = datetime.now(UTC), body.reason if body else ""
    shown = await _act(here, id, who, lambda o: actions.cancel(o, who.name, now, reason), key)
    if wait and not shown.holds_decided:
        await until_decided(here, [id], wait)
        shown = await read(here, id)
    return answer(shown)


@router.post("/orders/{id}/close", response_model=OrderShown)
async def close(
    id: UUID, who: Manager, here: Here, key: Keyed, body: ReasonBody | None = None
) -> Response:
    """Close an order with a reason; what was not handed over is taken back."""
    now, reason = datetime.now(UTC), body.reason if body else ""
    return answer(await _act(here, id, who, lambda o: actions.close(o, who.name, now, reason), key))


@router.post("/orders/{id}/mark-for-removal", response_model=OrderShown)
async def mark_for_removal(
    id: UUID, who: Manager, here: Here, key: Keyed, body: ReasonBody | None = None
) -> Response:
    """Take an order out of sight; its history stays, and it can be restored."""
    now, reason = datetime.now(UTC), body.reason if body else ""
    return answer(await _act(here, id, who, lambda o: actions.mark(o, who.name, now, reason), key))


@router.post("/orders/{id}/restore", response_model=OrderShown)
async def restore(
    id: UUID, who: Manager, here: Here, key: Keyed, body: ReasonBody | None = None
) -> Response:
    """Bring a marked order back; its goods are asked for anew."""
    now = datetime.now(UTC)
    return answer(await _act(here, id, who, lambda o: actions.restore(o, who.name, now), key))


@router.delete("/orders/{id}/customer-name", status_code=204)
async def erase_customer_name(
    id: UUID,
    who: Annotated[Principal, allow(Right.CUSTOMERS_ERASE)],
    here: Here,
    key: KeyedIfSent,
    expected: IfMatch,
) -> None:
    """Erase the name that was typed into an order, everywhere. The order stays, without it."""

    def check(order: Order) -> None:
        who.require_store(order.store_id, "The order")
        require_version(expected, order.edition)

    async def work(tx: AsyncConnection) -> None:
        if await done_before(tx, key, who, 204, str(id)):
            return
        if not await handlers.erase_customer_name(tx, id, check):
            raise NotFound("The order was not found, or no name was typed into it: check the id.")

    await here.db.run(work)


async def _act(
    here: Runtime,
    id: UUID,
    who: Principal,
    action: Callable[[Order], Happening | None],
    key: Key | None,
) -> OrderShown:
    """Do it once in the caller's stores, and show the order after it."""

    def checked(order: Order) -> Happening | None:
        who.require_store(order.store_id, "The order")
        return action(order)

    async def work(tx: AsyncConnection) -> None:
        if await done_before(tx, key, who, 200, str(id)):
            return
        if await handlers.act(tx, id, checked) is None:
            raise NotFound(NOT_FOUND)  # Inside, so that the key is not kept.

    await here.db.run(work)
    return await read(here, id, who)
