"""Use cases of notifications: facts come in, each with news makes its messages once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from chassis import outbox
from chassis.outbox import Said
from contracts.notifications import MessageFailed, MessageSent
from contracts.orders import (
    OrderChanged,
    OrderClosed,
    OrderFact,
    OrderLine,
    OrderPlaced,
    OrderProgressed,
)
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from notifications import messages, store
from notifications.domain import (
    ZERO,
    Channel,
    Customer,
    Line,
    Message,
    MessageNotFound,
    News,
    Order,
    Reminder,
    UnknownOrder,
    channels_for,
    message_id,
    news_of,
    reminder_news,
)
from notifications.rendering import Press, spoken

ERASED = "customer_erased"


@dataclass(frozen=True, slots=True)
class OrderTold:
    """A fact of an order as it was received."""

    event_id: UUID
    fact: OrderFact
    trace: str | None = None


# Orders.


async def follow_orders(
    tx: AsyncConnection, told: Sequence[OrderTold], press: Press, now: datetime
) -> None:
    """Keep the copies up to date, and tell the customers of each fact that changed something."""
    copies = await store.find_orders(tx, {one.fact.order_id for one in told})
    placed = [one.fact.order_id for one in told if isinstance(one.fact, OrderPlaced)]
    changed: dict[UUID, Order] = {}
    news: list[News] = []
    for one in told:
        before = copies.get(one.fact.order_id)
        after = _after(before, one.fact)
        if after != before:
            copies[after.id] = changed[after.id] = after
        if one.fact.changed and after.concerns_someone:
            by_hand = isinstance(one.fact, OrderClosed)
            news.append(news_of(one.event_id, before, after, one.fact.changed, by_hand, one.trace))
    await store.keep_orders(tx, list(changed.values()))
    if placed:
        early = await store.take_early_reminders(tx, placed)
        news += _reminders(early, copies)
    await tell(tx, news, press, now)


def _after(before: Order | None, fact: OrderFact) -> Order:
    """The copy after the fact. Of an order without a customer only its store is needed."""
    if isinstance(fact, OrderPlaced):
        return _placed(fact)
    if before is None:
        raise UnknownOrder(f"order {fact.order_id} was not placed yet")
    if not before.concerns_someone:
        return before
    return replace(
        before,
        status=fact.status,
        financial_status=fact.financial_status,
        total=fact.total,
        paid=fact.paid,
        prepayment=fact.prepayment if isinstance(fact, OrderChanged) else before.prepayment,
        lines=_lines(before, fact),
    )


def _placed(fact: OrderPlaced) -> Order:
    order = Order(
        id=fact.order_id,
        store_id=fact.store_id,
        number=fact.number,
        customer_id=fact.customer_id,
        customer_key=fact.customer_key,
        notify=fact.notify,
        status=fact.status,
        financial_status=fact.financial_status,
        currency=fact.currency,
        total=fact.total,
        paid=fact.paid,
        prepayment=fact.prepayment,
        until=fact.hold.until,
        lines=(),
    )
    if not order.concerns_someone:
        return order
    return replace(order, lines=_ordered(fact.lines, {}))


def _lines(before: Order, fact: OrderFact) -> tuple[Line, ...]:
    if isinstance(fact, OrderChanged | OrderClosed):
        return _ordered(fact.lines, {line.line_id: line for line in before.lines})
    if isinstance(fact, OrderProgressed):
        progress = {one.line_id: one for one in fact.lines}
        return tuple(
            replace(line, awaiting=found.awaiting, shipped=found.shipped)
            if (found := progress.get(line.line_id))
            else line
            for line in before.lines
        )
    return before.lines


def _ordered(lines: Sequence[OrderLine], before: Mapping[UUID, Line]) -> tuple[Line, ...]:
    """The lines by position; what went of them before is still gone."""
    return tuple(
        Line(
            line.line_id,
            line.description,
            line.unit,
            line.quantity,
            line.amount,
            shipped=before[line.line_id].shipped if line.line_id in before else ZERO,
        )
        for line in sorted(lines, key=lambda line: line.position)
    )


# Holds.


async def remind(
    tx: AsyncConnection, reminders: Sequence[Reminder], press: Press, now: datetime
) -> None:
    """Remind customers of goods that wait for them; an order not known yet is waited for."""
    copies = await store.find_orders(tx, {one.order_id for one in reminders})
    early = [one for one in reminders if one.order_id not in copies]
    if early:
        await store.keep_early_reminders(tx, early)
    await tell(tx, _reminders(reminders, copies), press, now)


def _reminders(reminders: Sequence[Reminder], copies: Mapping[UUID, Order]) -> list[News]:
    news = (
        reminder_news(one, copies[one.order_id])
        for one in reminders
        if one.order_id in copies and copies[one.order_id].concerns_someone
    )
    return [one for one in news if one is not None]


# Customers.


async def meet_customers(
    tx: AsyncConnection, known: Sequence[Customer], press: Press, now: datetime
) -> None:
    """Keep who they are now, forget the erased, and tell what waited for them."""
    await store.keep_customers(tx, known)
    erased = [one.key for one in known if one.erased]
    if erased:
        await forget(tx, erased, now)
    await tell_pending(tx, [one.key for one in known if not one.erased], press, now)


async def forget(tx: AsyncConnection, keys: Sequence[str], now: datetime) -> None:
    """Nobody can read any more what these customers were told, and nothing more is sent."""
    await store.take_pending(tx, keys)
    unsent = await messages.forget_texts(tx, keys)
    await outbox.say(tx, [_failed(row, now) for row in unsent])


def _failed(row: Row[tuple[UUID, UUID, UUID, str | None]], now: datetime) -> Said:
    fact = MessageFailed(
        message_id=row.id,
        order_id=row.order_id,
        channel="email",
        caused_by=row.event_id,
        at=now,
        reason=ERASED,
    )
    return Said(fact, version=1, trace=row.trace)


# Telling.


async def tell(tx: AsyncConnection, news: Sequence[News], press: Press, now: datetime) -> None:
    """Make the messages of this news; news of a customer not known yet waits for the card."""
    if not news:
        return
    keys = {one.order.customer_key for one in news if one.order.customer_key is not None}
    customers = await store.lock_customers(tx, keys)
    # What lost a race with the customer's card is older than this news: it goes first.
    late = await store.take_pending(tx, customers)
    waiting = [one for one in news if one.order.customer_key not in customers]
    if waiting:
        await store.wait_for_customers(tx, waiting, now)
    await _write(tx, [*late, *news], customers, press, now)


async def tell_pending(
    tx: AsyncConnection, keys: Sequence[str], press: Press, now: datetime
) -> int:
    """Tell what waited for these customers; how many pieces of news it was."""
    if not keys:
        return 0
    customers = await store.lock_customers(tx, keys)
    late = await store.take_pending(tx, customers)
    await _write(tx, late, customers, press, now)
    return len(late)


async def tell_what_waited(tx: AsyncConnection, press: Press, now: datetime) -> int:
    """Tell what order, card and reminder missed of one another by arriving at the same moment."""
    early = await store.take_early_reminders(tx)
    if early:
        await remind(tx, early, press, now)
    late = await tell_pending(tx, await store.met_keys(tx), press, now)
    return len(early) + late


async def _write(
    tx: AsyncConnection,
    news: Sequence[News],
    customers: Mapping[str, Customer],
    press: Press,
    now: datetime,
) -> None:
    names = await store.store_names(tx, {one.order.store_id for one in news}) if news else {}
    made = [
        _message(one, customer, channel, names.get(one.order.store_id), press)
        for one in news
        if (customer := customers.get(one.order.customer_key or "")) is not None
        for channel in channels_for(one, customer)
    ]
    added = await messages.add_messages(tx, made, now)
    arrived = [one for one in made if one.channel == "account" and one.id in added]
    await outbox.say(tx, [_sent(one, now) for one in arrived])


def _message(
    news: News, customer: Customer, channel: Channel, store_name: str | None, press: Press
) -> Message:
    language = spoken(customer.language)
    print_it = press.email if channel == "email" else press.account
    printed = print_it(news, language, customer.name, store_name)
    return Message(
        id=message_id(news.event_id, channel),
        news=news,
        channel=channel,
        language=language,
        address=customer.email if channel == "email" else None,
        subject=printed.subject,
        body=printed.text,
        html=printed.html,
    )


def _sent(message: Message, now: datetime) -> Said:
    fact = MessageSent(
        message_id=message.id,
        order_id=message.news.order.id,
        channel=message.channel,
        caused_by=message.news.event_id,
        at=now,
    )
    return Said(fact, version=1, trace=message.news.trace)


# Reading.


async def mark_read(
    tx: AsyncConnection, customer_id: UUID, id: UUID, now: datetime
) -> Row[tuple[object, ...]]:
    """The customer read one of the own account messages; the first time counts."""
    row = await messages.mark_read(tx, customer_id, id, now)
    if row is None:
        raise MessageNotFound("You have no such message: look at the list again.")
    return row
