"""What moves money or says what it is for: orders, and goods handed over."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chassis.records import Received
from chassis.subscriptions import Subscriptions
from contracts import orders, shipping, topics
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts import handlers
from billing.accounts.orders import keep_orders

subscriptions = Subscriptions()


@subscriptions.follow(topics.ORDERS, handles=orders.FACTS)
async def follow_orders(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    await keep_orders(tx, [one.message for one in received], datetime.now(UTC))


@subscriptions.follow(
    topics.SHIPMENTS,
    handles=(shipping.ShipmentPosted,),
    ignores=(shipping.ShipmentPosting, shipping.ShipmentRefused),
)
async def settle_hand_overs(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    shipped = [(one.message, one.trace) for one in received]
    await handlers.settle_hand_overs(tx, shipped, datetime.now(UTC))
