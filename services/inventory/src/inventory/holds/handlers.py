"""Use cases of holds, in the plural. Each runs in the transaction that its caller opened."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from chassis import outbox
from chassis.outbox import Said
from contracts.inventory import HoldEnding
from contracts.money import ZERO
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.holds import messages
from inventory.holds.domain import rules
from inventory.holds.domain.book import Book, Spot
from inventory.holds.domain.orders import (
    ExtendWish,
    HoldWish,
    NothingIsHeld,
    OrderHold,
    TakeOutWish,
    Wish,
    check_extension,
)
from inventory.holds.store import questions
from inventory.holds.store.closing import write_book
from inventory.holds.store.opening import Scope, open_book
from inventory.stores import handlers as stores

REMINDERS_MAX = 500


async def obey_all(
    tx: AsyncConnection,
    commands: Sequence[tuple[messages.Command, str | None]],
    now: datetime,
    new_id: Callable[[], UUID],
) -> None:
    """Decide the commands first come first served, write all of it in bulk, and answer each.

    commands: each with the traceparent of the record that brought it.
    """
    wishes = [messages.wish_of(command) for command, _ in commands]
    book = await open_book(tx, scope_of(wishes), now, new_id)
    traces: list[str | None] = []
    for wish, (_, trace) in zip(wishes, commands, strict=True):
        rules.obey(book, wish)
        traces += [trace] * (len(book.told) - len(traces))
    await finish(tx, book, traces)


def scope_of(wishes: Sequence[Wish]) -> Scope:
    """What these commands are about."""
    by_order: dict[UUID, list[Wish]] = defaultdict(list)
    for wish in wishes:
        by_order[wish.order_id].append(wish)

    def rises(orders: Mapping[UUID, OrderHold]) -> Mapping[Spot, Decimal]:
        found: dict[Spot, Decimal] = defaultdict(Decimal)
        for order in orders.values():
            if not any(rules.reaches_waiting(wish, order) for wish in by_order[order.order_id]):
                continue
            for line in order.lines.values():
                if line.held > 0:
                    found[order.warehouse_id, line.sku] += line.held
        return found

    return Scope(
        warehouses={wish.warehouse_id for wish in wishes},
        orders=set(by_order),
        spots={
            (wish.warehouse_id, line.sku)
            for wish in wishes
            if isinstance(wish, HoldWish | TakeOutWish)
            for line in wish.lines
        },
        rises=rises,
        shipments=[wish.shipment_id for wish in wishes if isinstance(wish, TakeOutWish)],
    )


async def finish(tx: AsyncConnection, book: Book, traces: Sequence[str | None] = ()) -> None:
    """Write what the book did and say it: the facts of orders, then the states of stock."""
    book.tell_served()
    await stores.add_temporary_storage(
        tx,
        [(made, above, book.place(above).store_id) for above, made in book.temporary.items()],
    )
    shelves = book.close_shelves()
    said = [
        Said(
            messages.fact_of(told, book.now),
            told.version,
            trace=traces[n] if n < len(traces) else None,
        )
        for n, told in enumerate(book.told)
    ]
    owners = _stores_of(book)
    said += [
        Said(messages.stock_state_of(shelf, owners[shelf.warehouse_id]), shelf.version)
        for shelf in shelves
    ]
    await write_book(tx, book, shelves, said)


def _stores_of(book: Book) -> dict[UUID, UUID]:
    """The store of each warehouse in the book, temporary storage included."""
    owners = {}
    for place in book.places.values():
        owners[place.warehouse_id] = place.store_id
        below = place.temporary_id or book.temporary.get(place.warehouse_id)
        if below is not None:
            owners[below] = place.store_id
    return owners


async def extend(
    tx: AsyncConnection, order_id: UUID, until: datetime, now: datetime, new_id: Callable[[], UUID]
) -> None:
    """An employee keeps the order's goods longer."""
    check_extension(until, now)
    book = await _open_order(tx, order_id, now, new_id)
    order = book.orders[order_id]
    if not order.is_open:
        raise NothingIsHeld("Nothing is held or awaited here any more: there is nothing to extend.")
    rules.extend(book, ExtendWish(order_id, order.warehouse_id, until))
    await finish(tx, book)


async def put_back(
    tx: AsyncConnection,
    order_id: UUID,
    line_id: UUID | None,
    now: datetime,
    new_id: Callable[[], UUID],
) -> None:
    """An employee returns the goods of the order, or of one of its lines, to where they sell."""
    book = await _open_order(tx, order_id, now, new_id)
    order = book.orders[order_id]
    lines = [line for line in order.lines.values() if line_id is None or line.line_id == line_id]
    rules.put_back(book, order, lines)
    await finish(tx, book)


async def _open_order(
    tx: AsyncConnection, order_id: UUID, now: datetime, new_id: Callable[[], UUID]
) -> Book:
    def rises(orders: Mapping[UUID, OrderHold]) -> Mapping[Spot, Decimal]:
        found: dict[Spot, Decimal] = defaultdict(Decimal)
        for order in orders.values():
            for line in order.lines.values():
                if line.held + line.to_put_back > ZERO:
                    found[order.warehouse_id, line.sku] += line.held + line.to_put_back
        return found

    return await open_book(tx, Scope((), [order_id], (), rises), now, new_id)


async def remind(tx: AsyncConnection, now: datetime) -> int:
    """Say each hold that ends within a day, and each that has ended, once; how many were due.

    Nothing moves by itself.
    """
    due = await questions.lock_due_reminders(tx, now, REMINDERS_MAX)
    said: list[Said] = []
    for one in due:
        ended = one.until <= now
        one.remind_at = None if ended else one.until
        if one.has_goods:
            one.version += 1
            fact = HoldEnding(
                order_id=one.order_id, store_id=one.store_id, until=one.until, ended=ended, at=now
            )
            said.append(Said(fact, one.version))
    await questions.write_reminders(tx, due)
    await outbox.say(tx, said)
    return len(due)
