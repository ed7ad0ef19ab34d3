"""Shipping's use cases, plural, each inside the transaction of its caller."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from chassis import outbox
from chassis.http.idempotency import Call, Claim, Kept, answer_kept, claim_all, give_back
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

from shipping import copies, domain, store
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
    stores: Collection[UUID]
    made: dict[UUID, Shipment]
    changed: dict[UUID, Shipment]
    posting: list[Shipment]


async def draft_shipments(
    tx: AsyncConnection, commands: Sequence[DraftShipment]
) -> Sequence[Answer]:
    """Each draft, made, or the refusal of it. One that is posted at once asks for its goods."""
    order_ids = {command.order_id for command in commands}
    if any(command.post for command in commands):
        await store.lock_orders(tx, order_ids)
    named = {command.store_id for command in commands if command.store_id is not None}
    work = Work(
        await store.find_orders(tx, order_ids),
        await store.find_shipments(tx, [command.id for command in commands]),
        await copies.known_stores(tx, named),
        {},
        {},
        [],
    )
    return await _decide(tx, commands, DRAFTED, work, _draft)


async def post_shipments(tx: AsyncConnection, commands: Sequence[PostShipment]) -> Sequence[Answer]:
    """Each shipment, posting now or already before, or the refusal of it."""
    ids = [command.id for command in commands]
    order_ids = await store.orders_of(tx, ids)
    await store.lock_orders(tx, order_ids)
    orders = await store.find_orders(tx, order_ids)
    work = Work(orders, await store.find_shipments(tx, ids), (), {}, {}, [])
    return await _decide(tx, commands, POSTED, work, _post)


async def _decide(
    tx: AsyncConnection,
    commands: Sequence[C],
    status: int,
    work: Work,
    decide: Callable[[Work, C], Shipment],
) -> Sequence[Answer]:
    """Decide the commands that are new, in turn, and answer repeated ones as they stand now."""
    firsts: dict[tuple[str, str], int] = {}
    for n, command in enumerate(commands):
        firsts.setdefault((command.call.principal, command.call.key), n)
    claims = [Claim(commands[n].call, status, str(commands[n].id)) for n in firsts.values()]
    answers: dict[int, Answer] = {}
    kept: dict[int, UUID] = {}
    refused: list[Call] = []
    for n, claimed in zip(firsts.values(), await claim_all(tx, claims), strict=True):
        if isinstance(claimed, Kept):
            kept[n] = UUID(claimed.subject)
        elif claimed is not None:
            answers[n] = claimed
        else:
            try:
                answers[n] = decide(work, commands[n])
            except domain.Refused as refusal:
                answers[n] = refusal
                refused.append(commands[n].call)
    await give_back(tx, refused)
    await _write(tx, work)
    found = await store.find_shipments(tx, set(kept.values()))
    answers |= {n: found[id] for n, id in kept.items()}
    return [_of_first(commands, firsts, answers, n) for n in range(len(commands))]


def _of_first(
    commands: Sequence[C],
    firsts: Mapping[tuple[str, str], int],
    answers: Mapping[int, Answer],
    n: int,
) -> Answer:
    """The answer, also for a key that came twice in one group: then it was done once."""
    call = commands[n].call
    first = firsts[(call.principal, call.key)]
    again = answer_kept(call, commands[first].call.fingerprint, 0, "")
    return answers[first] if isinstance(again, Kept) else again


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
    new = command.id not in work.known
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


async def _write(tx: AsyncConnection, work: Work) -> None:
    if work.made:
        await store.add_shipments(tx, list(work.made.values()))
    if work.changed:
        await store.save_shipments(tx, list(work.changed.values()))
    if work.posting:
        await store.save_progress(tx, work.orders, work.posting)
        said: list[Said] = []
        for shipment in work.posting:
            said.append(Said(ShipmentPosting(**_head(shipment)), shipment.version))
            said.append(Said(_take_out(shipment, work.orders[shipment.order_id])))
        await outbox.say(tx, said)


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
    messages = [one.message for one in received]
    await store.lock_orders(tx, {message.order_id for message in messages})
    orders = await store.find_orders(tx, {message.order_id for message in messages})
    shipments = await store.find_shipments(tx, {message.shipment_id for message in messages})
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
        await store.save_shipments(tx, list(changed.values()))
        await store.save_progress(tx, orders, list(changed.values()))
        await outbox.say(tx, said)


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
    found = await store.settle_shipments(tx, settled)
    if missing := {id for id, _, _ in settled} - found:
        raise UnknownShipment(", ".join(sorted(str(id) for id in missing)))


async def follow_orders(tx: AsyncConnection, facts: Sequence[OrderFact]) -> None:
    """The copies of the orders as they are after these facts, which come in order per order."""
    newest = {fact.order_id: fact for fact in facts}
    placed = [fact for fact in facts if isinstance(fact, OrderPlaced)]
    new = {fact.order_id for fact in placed}
    await store.lock_orders(tx, newest)
    if placed:
        await copies.place_orders(tx, placed)
    marks = {
        fact.order_id: isinstance(fact, OrderMarked)
        for fact in facts
        if isinstance(fact, OrderMarked | OrderRestored)
    }
    later = [fact for fact in newest.values() if not isinstance(fact, OrderPlaced)]
    if later:
        found = await copies.progress_orders(tx, later, marks)
        assert len(found) == len(later), "an order's first fact says that it was placed"
    with_lines = {
        fact.order_id: fact.lines
        for fact in facts
        if isinstance(fact, OrderPlaced | OrderChanged | OrderClosed)
    }
    if with_lines:
        await copies.keep_lines(tx, with_lines, new)
