"""What shipping listens to."""

from collections.abc import Sequence
from typing import Any

from chassis.records import Received
from chassis.subscriptions import Subscriptions
from contracts import orders, topics
from contracts.billing import (
    DepositConsumed,
    HandOverSettled,
    PaymentCancelled,
    PaymentPosted,
    RefundPosted,
)
from contracts.inventory import (
    GoodsTaken,
    HoldEnding,
    HoldsChanged,
    HoldsDecided,
    StoreState,
    TakeOutRefused,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from shipping import copies, handlers

subscriptions = Subscriptions()


@subscriptions.follow(topics.ORDERS, handles=orders.FACTS)
async def follow_orders(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    await handlers.follow_orders(tx, [one.message for one in received])


@subscriptions.follow(topics.STORES, handles=(StoreState,))
async def follow_stores(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    await copies.know_stores(tx, [one.message for one in received])


@subscriptions.follow(
    topics.HOLDS,
    handles=(GoodsTaken, TakeOutRefused),
    ignores=(HoldsDecided, HoldsChanged, HoldEnding),
)
async def decide_shipments(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    await handlers.decide_shipments(tx, received)


@subscriptions.follow(
    topics.ACCOUNTS,
    handles=(HandOverSettled,),
    ignores=(PaymentPosted, PaymentCancelled, RefundPosted, DepositConsumed),
)
async def settle_shipments(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    await handlers.settle_shipments(tx, received)
