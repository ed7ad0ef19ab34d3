"""The Kafka edge: whom orders concern, what happens to them, whose holds end, stores' names."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from chassis.records import Received
from chassis.settings import ZonedSettings
from chassis.subscriptions import Subscriptions
from contracts import inventory, orders, topics
from contracts.inventory import HoldEnding, HoldsChanged, StoreState
from contracts.orders import CustomerErased, CustomerState
from sqlalchemy.ext.asyncio import AsyncConnection

from notifications import handlers, store
from notifications.domain import Customer, Reminder
from notifications.handlers import OrderTold
from notifications.rendering import SOURCE_LANGUAGE, Press

subscriptions = Subscriptions()
HOLDS_IGNORED = tuple(f for f in inventory.FACTS if f not in (HoldEnding, HoldsChanged))


@cache
def press() -> Press:
    """Reads templates, words and the chain's time zone when first needed, once for the process."""
    return Press(ZonedSettings().timezone)


@subscriptions.follow(topics.ORDERS, handles=orders.FACTS)
async def follow_orders(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    told = [OrderTold(one.event_id, one.message, one.trace) for one in received]
    await handlers.follow_orders(tx, told, press(), datetime.now(UTC))


@subscriptions.follow(topics.CUSTOMERS, handles=(CustomerState, CustomerErased))
async def follow_customers(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    newest = {one.message.customer_key: _customer(one.message) for one in received}
    await handlers.meet_customers(tx, list(newest.values()), press(), datetime.now(UTC))


def _customer(message: CustomerState | CustomerErased) -> Customer:
    if isinstance(message, CustomerErased):
        return Customer(message.customer_key, None, "", None, SOURCE_LANGUAGE, erased=True)
    return Customer(
        message.customer_key,
        message.customer_id,
        message.name,
        message.email,
        message.language,
    )


@subscriptions.follow(topics.HOLDS, handles=(HoldEnding, HoldsChanged), ignores=HOLDS_IGNORED)
async def follow_holds(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Remind of holds that end, and note the new end of those that were extended."""
    ends = {
        one.message.order_id: one.message.until
        for one in received
        if isinstance(one.message, HoldsChanged)
        and one.message.cause == "extended"
        and one.message.until is not None
    }
    if ends:
        await store.keep_hold_ends(tx, ends)
    reminders = [
        Reminder(
            one.event_id, one.message.order_id, one.message.until, one.message.ended, one.trace
        )
        for one in received
        if isinstance(one.message, HoldEnding)
    ]
    if reminders:
        await handlers.remind(tx, reminders, press(), datetime.now(UTC))


@subscriptions.follow(topics.STORES, handles=(StoreState,))
async def follow_stores(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    await store.keep_stores(tx, {one.message.store_id: one.message.name for one in received})
