"""Use cases of orders. On the path of every order they are plural."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from chassis import outbox
from chassis.database import Database
from chassis.http.idempotency import Call, Kept, answer_kept
from chassis.ids import uuid7
from chassis.outbox import Said
from chassis.transient import is_transient
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.catalogue.handlers import state_of
from orders.customers.store import forget_what_was_said
from orders.orders import messages, place_store, process, store
from orders.orders.domain import Happening, Order, What
from orders.orders.facts import ShipmentTold, Told, hear
from orders.orders.placing import Known, Taken, Wish, take_order
from orders.orders.refusals import OrderExists, Refused

PLACED_STATUS = 201
REPEATED_MAX = 500  # Of commands at one time.
REPEAT_PAUSE_MAX = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """A wish, and the call that asks for it once."""

    wish: Wish
    call: Call


@dataclass(frozen=True, slots=True)
class Placed:
    """A new order, and the name on the customer's card."""

    order: Order
    happening: Happening
    card_name: str | None


Answer = Placed | Kept | Exception


async def place_orders(db: Database, commands: Sequence[PlaceOrder], currency: str) -> list[Answer]:
    """Take the orders: for each the new order, what its key did before, or its refusal.

    One question and one statement for all of them, in one transaction. What fails otherwise is cut
    in half until the order at fault stands alone: its answer is its error, and the others are
    placed. `currency` is for orders without a priced item.
    """
    try:
        return await _placed(db, commands, currency)
    except Exception as error:
        if is_transient(error):
            return [error] * len(commands)  # The server is away for all of them alike.
        if len(commands) == 1:
            return [error]
    middle = len(commands) // 2
    return [
        *await place_orders(db, commands[:middle], currency),
        *await place_orders(db, commands[middle:], currency),
    ]


async def _placed(db: Database, commands: Sequence[PlaceOrder], currency: str) -> list[Answer]:
    try:
        return await db.run(lambda tx: _place(tx, commands, currency))
    except sa.exc.IntegrityError:
        if len(commands) > 1:
            raise
        # Another chose the same id or SKU at once: now it is there to be seen.
        return await db.run(lambda tx: _place(tx, commands, currency))


async def _place(
    tx: AsyncConnection, commands: Sequence[PlaceOrder], currency: str
) -> list[Answer]:
    wishes = [command.wish for command in commands]
    known, numbers = await place_store.references(tx, wishes, currency)
    tried = [_try(wish, known, number) for wish, number in zip(wishes, numbers, strict=True)]
    new = _first_of_each_key(commands, tried)
    written = await place_store.place(tx, list(new.values()), PLACED_STATUS) if new else set()
    done = {n for n, one in new.items() if one.order.id in written}
    again = [(c.call.principal, c.call.key) for n, c in enumerate(commands) if n not in done]
    kept = await place_store.kept(tx, again)
    answers: list[Answer] = []
    for n, (command, taken) in enumerate(zip(commands, tried, strict=True)):
        call = command.call
        row = kept.get((call.principal, call.key))
        if n in done:
            order, card = new[n].order, new[n].order.customer_id
            name = known.customer_names[card] if card else None
            answers.append(Placed(order, new[n].happening, name))
        elif row is not None:
            answers.append(answer_kept(call, row.fingerprint, row.status, row.subject))
        elif isinstance(taken, Refused):
            answers.append(taken)
        else:
            answers.append(await _existing(tx, command, known))
    return answers


def _first_of_each_key(
    commands: Sequence[PlaceOrder], tried: Sequence[Taken | Refused | None]
) -> dict[int, place_store.NewOrder]:
    """What is to be written, by its place among the commands: a key that comes twice, once."""
    new: dict[int, place_store.NewOrder] = {}
    keys: set[tuple[str, str]] = set()
    for n, (command, taken) in enumerate(zip(commands, tried, strict=True)):
        key = (command.call.principal, command.call.key)
        if isinstance(taken, Taken) and key not in keys:
            keys.add(key)
            new[n] = _new_order(command.call, taken)
    return new


def _try(wish: Wish, known: Known, number: str) -> Taken | Refused | None:
    """The order, its refusal, or None when the id is an order already."""
    if wish.id in known.requests:
        return None
    try:
        return take_order(wish, known, number, uuid7)
    except Refused as refusal:
        return refusal


async def _existing(tx: AsyncConnection, command: PlaceOrder, known: Known) -> Kept | Refused:
    """The order that has this id already, when it was asked for in the same words."""
    wish, call = command.wish, command.call
    if known.requests.get(wish.id) != wish.request:
        return OrderExists("This id is another order's: leave it out, or use a new one.", "/id")
    await place_store.keep_key(
        tx, call.principal, call.key, call.fingerprint, PLACED_STATUS, wish.id
    )
    return Kept(PLACED_STATUS, str(wish.id))


def _new_order(call: Call, taken: Taken) -> place_store.NewOrder:
    order, happening = taken.order, taken.happening
    order.version = 1
    named = messages.customer_state(order)
    return place_store.NewOrder(
        order,
        happening,
        taken.new_items,
        [
            *(Said(state_of(item), 1) for item in taken.new_items),
            *([] if named is None else [named]),
            Said(messages.fact_of(order, happening), 1),
            *(Said(command) for command in process.commands(order, happening)),
        ],
        call.principal,
        call.key,
        call.fingerprint,
    )


Action = Callable[[Order], Happening | None]


async def act(tx: AsyncConnection, id: UUID, action: Action) -> Order | None:
    """Do something to one order and say so; None when there is no such order."""
    order = (await store.lock(tx, [id])).get(id)
    if order is None:
        return None
    happening = action(order)
    if happening is not None:
        said, history = _report(order, [happening], None)
        await store.save(tx, [order], [(order, line) for line in order.lines], history, said)
    return order


async def erase_customer_name(
    tx: AsyncConnection, id: UUID, check: Callable[[Order], None]
) -> bool:
    """Forget the name that was typed into an order, here and, by a tombstone, everywhere.

    `check` sees the order under its lock. False: no such order, or no name in it.
    """
    order = (await store.lock(tx, [id])).get(id)
    if order is None:
        return False
    check(order)
    if order.customer_name is None:
        return False
    await store.forget_customer_name(tx, id)
    await forget_what_was_said(tx, id)
    await outbox.say(tx, [messages.customer_erased(order)])
    return True


async def hear_news(tx: AsyncConnection, news: Sequence[tuple[UUID, Told, str | None]]) -> None:
    """Take in what other services said of orders: (order, what, its trace), in their order."""
    shipments = {(id, told.shipment_id) for id, told, _ in news if isinstance(told, ShipmentTold)}
    orders = await store.lock(tx, {id for id, _, _ in news}, shipments=bool(shipments))
    said: list[Said] = []
    history: list[store.Entry] = []
    lines: set[UUID] = set()
    for id, told, trace in news:
        if id not in orders:
            raise UnknownOrder(f"{id} is no order of ours")
        more, rows = _report(orders[id], hear(orders[id], told), trace)
        said += more
        history += rows
        lines |= told.line_ids
    changed = {id for id, told, _ in news if not isinstance(told, ShipmentTold) or told.parts}
    kept = [order for id, order in orders.items() if id in changed]
    named = [(order, line) for order in kept for line in order.lines if line.id in lines]
    await store.save(tx, kept, named, history, said)
    await store.save_shipments(tx, orders, shipments)


class UnknownOrder(Exception):
    """Nobody but this service makes orders: the fact is wrong, or this database lost one."""


async def repeat_commands(tx: AsyncConnection, now: datetime, after: timedelta) -> int:
    """Give the commands again that inventory did not answer in time; how many.

    Each next time after twice as long: inventory that lags is not given ever more to do.
    """
    orders = await store.overdue(tx, now, after, REPEAT_PAUSE_MAX, REPEATED_MAX)
    reminder = Happening(What.ASKED_AGAIN, "orders", now, asks=True)
    commands = [process.repeat(order, reminder) for order in orders.values()]
    await outbox.say(tx, [Said(command) for command in commands if command is not None])
    await store.asked_again(tx, orders.keys(), now)
    return len(orders)


def _report(
    order: Order, happenings: Iterable[Happening], trace: str | None
) -> tuple[list[Said], list[store.Entry]]:
    """Each happening is one fact, one row of history, and the process's commands."""
    said: list[Said] = []
    history: list[store.Entry] = []
    for happening in happenings:
        order.version += 1
        history.append(store.entry_of(order, happening))
        said.append(Said(messages.fact_of(order, happening), order.version, trace=trace))
        said += [Said(command, trace=trace) for command in process.commands(order, happening)]
    return said, history
