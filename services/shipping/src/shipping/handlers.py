"""Shipping's use cases, plural, each inside the transaction of its caller."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from chassis.http.idempotency import Call, Kept
from chassis.http.repeats import Repeats
from chassis.outbox import Said
from chassis.records import Received
from contracts.billing import HandOverSettled
from contracts.inventory import GoodsTaken, TakeOut, TakeOutLine, TakeOutRefused
from contracts.inventory import Shortage as SaidShortage
from contracts.orders import (
    OrderChanged,
    OrderClosed,
    OrderFact,
    OrderMarked,
    OrderPlaced,
    OrderRestored,
)
from contracts.shipping import ShipmentPosted, ShipmentPosting, ShipmentRefused, ShippedLine
from sqlalchemy.ext.asyncio import AsyncConnection

from shipping import changes, copies, domain, store
from shipping.domain import Kind, Order, Shipment, ShipmentLine, Shortage, Wanted

DRAFTED, POSTED = 201, 200


class UnknownShipment(Exception):
    """Somebody speaks of a shipment that never was here."""


@dataclass(frozen=True, slots=True)
class DraftShipment:
    """Write a shipment, and post it at once when `post` says so. `stores`: the caller's scope."""

    call: Call
    id: UUID
    order_id: UUID
    kind: Kind
    store_id: UUID | None  # None: the order's.
    lines: tuple[Wanted, ...]
    by: str
    stores: frozenset[UUID] | None
    at: datetime
    post: bool = False
    override: bool = False


@dataclass(frozen=True, slots=True)
class PostShipment:
    call: Call
    id: UUID
    override: bool
    by: str
    stores: frozenset[UUID] | None
    at: datetime


C = TypeVar("C", DraftShipment, PostShipment)
Answer = Shipment | Exception


@dataclass(slots=True)
class Work:
    """What one transaction decides on: orders and shipments as they are, and what becomes of them.

    `made` and `changed` are shipments to insert and to update; `posting` those that ask for goods.
    """

    orders: Mapping[UUID, Order]
    known: dict[UUID, Shipment]
    stores: Collection[UUID | None]
    made: dict[UUID, Shipment]
    changed: dict[UUID, Shipment]
    posting: list[Shipment]


async def draft_shipments(
    tx: AsyncConnection, commands: Sequence[DraftShipment]
) -> Sequence[Answer]:
    """Each draft, made, or the refusal of it. One that is posted at once asks for its goods."""
    held: set[UUID] | None = None
    if any(command.post for command in commands):
        held = await store.lock_orders(tx, {command.order_id for command in commands})
    asked = [(command.id, command.order_id, command.store_id) for command in commands]
    calls = [command.call for command in commands]
    rows = await store.ask_to_draft(tx, asked, calls)
    ids = [command.id for command, row in zip(commands, rows, strict=True) if row.id_known]
    stores = {one.store_id for one, row in zip(commands, rows, strict=True) if row.store_known}
    known = await store.find_shipments(tx, ids)
    orders = {id: one for id, one in store.orders_in(rows).items() if held is None or id in held}
    work = Work(orders, known, stores, {}, {}, [])
    return await _decide(tx, commands, DRAFTED, work, _draft, Repeats(calls, rows))


async def post_shipments(tx: AsyncConnection, commands: Sequence[PostShipment]) -> Sequence[Answer]:
    """Each shipment, posting now or already before, or the refusal of it."""
    ids = [command.id for command in commands]
    calls = [command.call for command in commands]
    await store.lock_orders_of(tx, ids)
    rows = await store.ask_to_post(tx, ids, calls)
    work = Work(store.orders_in(rows), store.shipments_in(rows), (), {}, {}, [])
    return await _decide(tx, commands, POSTED, work, _post, Repeats(calls, rows))


async def _decide(
    tx: AsyncConnection,
    commands: Sequence[C],
    status: int,
    work: Work,
    decide: Callable[[Work, C], Shipment],
    repeats: Repeats,
) -> Sequence[Answer]:
    """Decide the commands that are new, in turn, and answer repeated ones as they stand now."""
    answers: list[Answer | UUID] = []
    for command in commands:
        found = repeats.again(command.call) or repeats.before(command.call)
        if isinstance(found, Kept):
            answers.append(UUID(found.subject))
        elif found is not None:
            answers.append(found)
        else:
            try:
                answers.append(decide(work, command))
                repeats.keep(command.call, status, str(command.id))
            except domain.Refused as refusal:
                answers.append(refusal)
    await _write(tx, work, repeats)
    earlier = {one for one in answers if isinstance(one, UUID)} - set(work.known)
    shipments = work.known | await store.find_shipments(tx, earlier)
    return [shipments[one] if isinstance(one, UUID) else one for one in answers]


def _draft(work: Work, command: DraftShipment) -> Shipment:
    order = work.orders.get(command.order_id)
    store_id = command.store_id or (order.store_id if order else None)
    if store_id is not None and command.stores is not None and store_id not in command.stores:
        raise domain.OutsideYourStores("The store" if command.store_id else "The order")
    if order is None:
        raise domain.UnknownOrder(command.order_id)
    assert store_id is not None
    _check_scope(command.stores, order)
    if store_id != order.store_id and store_id not in work.stores:
        raise domain.UnknownStore(store_id)
    shipment = work.known.get(command.id)
    if shipment is None:
        shipment = domain.draft(
            order, command.id, store_id, command.kind, command.lines, command.by, command.at
        )
    elif not domain.asks_for(shipment, order.order_id, store_id, command.kind, command.lines):
        raise domain.ShipmentExists
    # Made in this group already or now: one statement writes all, and cannot change what it makes.
    new = command.id in work.made or command.id not in work.known
    if command.post and shipment.state == "draft":
        shipment = domain.post(shipment, order, command.override, command.by, command.at)
        work.posting.append(shipment)
        if not new:
            work.changed[shipment.id] = shipment
    if new:
        work.made[shipment.id] = shipment
    work.known[shipment.id] = shipment
    return shipment


def _check_scope(stores: frozenset[UUID] | None, order: Order) -> None:
    """An order is handed over where it was taken or where its goods lie."""
    if stores is not None and not stores & {order.store_id, order.goods_store_id}:
        raise domain.OutsideYourStores("The order")


def _post(work: Work, command: PostShipment) -> Shipment:
    shipment = work.known.get(command.id)
    if shipment is None or (command.stores is not None and shipment.store_id not in command.stores):
        raise domain.OutsideYourStores("The shipment")
    if shipment.state != "draft":
        return shipment
    order = work.orders[shipment.order_id]
    shipment = domain.post(shipment, order, command.override, command.by, command.at)
    work.posting.append(shipment)
    work.changed[shipment.id] = work.known[shipment.id] = shipment
    return shipment


async def _write(tx: AsyncConnection, work: Work, repeats: Repeats) -> None:
    made, changed = list(work.made.values()), list(work.changed.values())
    if not work.posting:
        await changes.keep_drafts(tx, made, repeats)
        return
    said: list[Said] = []
    for shipment in work.posting:
        said.append(Said(ShipmentPosting(**_head(shipment)), shipment.version))
        said.append(Said(_take_out(shipment, work.orders[shipment.order_id])))
    lines = changes.touched(work.orders, work.posting)
    await changes.keep_postings(tx, made, changed, lines, said, repeats)


def _head(shipment: Shipment) -> dict[str, Any]:
    """What every fact of a shipment says."""
    return {
        "shipment_id": shipment.id,
        "order_id": shipment.order_id,
        "store_id": shipment.store_id,
        "kind": shipment.kind,
        "at": shipment.decided_at or shipment.posting_at,
        "by": shipment.posted_by,
    }


def _take_out(shipment: Shipment, order: Order) -> TakeOut:
    return TakeOut(
        shipment_id=shipment.id,
        order_id=shipment.order_id,
        store_id=shipment.store_id,
        warehouse_id=order.warehouse_id,
        lines=tuple(
            TakeOutLine(line_id=part.line_id, sku=part.sku, quantity=part.quantity)
            for part in shipment.lines
        ),
        override=shipment.override,
        by=shipment.posted_by or "",
    )


async def decide_shipments(
    tx: AsyncConnection, received: Sequence[Received[GoodsTaken | TakeOutRefused]]
) -> None:
    """Inventory has answered: the shipments are posted, with what they are worth, or refused.

    The same answer again changes nothing.
    """
    ids = [one.message.shipment_id for one in received]
    await store.lock_orders(tx, {one.message.order_id for one in received})
    rows = await store.ask_to_decide(tx, ids)
    orders, shipments = store.orders_in(rows), store.shipments_in(rows)
    changed: dict[UUID, Shipment] = {}
    said: list[Said] = []
    for one in received:
        shipment = shipments.get(one.message.shipment_id)
        if shipment is None:
            raise UnknownShipment(str(one.message.shipment_id))
        if shipment.state == _state_after(one.message):
            continue
        after = _decided(shipment, orders[shipment.order_id], one.message)
        shipments[after.id] = changed[after.id] = after
        said.append(Said(fact_of(after), after.version, trace=one.trace))
    if changed:
        decided = list(changed.values())
        await changes.keep_decided(tx, decided, changes.touched(orders, decided), said)


def _state_after(message: GoodsTaken | TakeOutRefused) -> domain.State:
    return "posted" if isinstance(message, GoodsTaken) else "refused"


def _decided(shipment: Shipment, order: Order, message: GoodsTaken | TakeOutRefused) -> Shipment:
    if isinstance(message, GoodsTaken):
        return domain.hand_over(shipment, order, message.at)
    shortages = [
        Shortage(one.line_id, one.sku, one.wanted, one.available) for one in message.shortages
    ]
    return domain.refuse(shipment, order, message.reason, shortages, message.at)


def fact_of(shipment: Shipment) -> ShipmentPosted | ShipmentRefused:
    """The fact that says how it ended."""
    if shipment.state == "refused":
        return ShipmentRefused(
            **_head(shipment),
            reason=shipment.reason or "",
            shortages=tuple(
                SaidShortage(
                    line_id=one.line_id, sku=one.sku, wanted=one.wanted, available=one.available
                )
                for one in shipment.shortages
            ),
        )
    assert shipment.value is not None
    assert shipment.left_before is not None
    return ShipmentPosted(
        **_head(shipment),
        currency=shipment.currency,
        lines=tuple(_shipped(part) for part in shipment.lines),
        value=shipment.value,
        left_before=shipment.left_before,
        handed_over_before=shipment.handed_over_before,
    )


def _shipped(part: ShipmentLine) -> ShippedLine:
    assert part.amount is not None, "what was handed over has a worth"
    return ShippedLine(line_id=part.line_id, quantity=part.quantity, amount=part.amount)


async def settle_shipments(
    tx: AsyncConnection, received: Sequence[Received[HandOverSettled]]
) -> None:
    """Billing has settled hand-overs: what the till asks for now is known."""
    settled = [
        (one.message.shipment_id, one.message.consumed, one.message.due_now) for one in received
    ]
    found = await changes.settle_shipments(tx, settled)
    if missing := {id for id, _, _ in settled} - found:
        raise UnknownShipment(", ".join(sorted(str(id) for id in missing)))


async def follow_orders(tx: AsyncConnection, facts: Sequence[OrderFact]) -> None:
    """The copies of the orders as they are after these facts, which come in order per order."""
    newest = {fact.order_id: fact for fact in facts}
    placed = [fact for fact in facts if isinstance(fact, OrderPlaced)]
    new = {fact.order_id for fact in placed}
    marks = {
        fact.order_id: isinstance(fact, OrderMarked)
        for fact in facts
        if isinstance(fact, OrderMarked | OrderRestored)
    }
    lines = {
        fact.order_id: fact.lines
        for fact in facts
        if isinstance(fact, OrderPlaced | OrderChanged | OrderClosed)
    }
    later = [fact for order_id, fact in newest.items() if order_id not in new]
    if later:
        found = await copies.progress_orders(tx, later, marks)
        assert len(found) == len(later), "an order's first fact says that it was placed"
    if placed:
        own = {order_id: lines[order_id] for order_id in new}
        await copies.place_orders(tx, placed, newest, marks, own)
    if changed := {order_id: its for order_id, its in lines.items() if order_id not in new}:
        await copies.keep_lines(tx, changed)
