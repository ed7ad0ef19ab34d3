"""The Kafka edge of stock: a copy of the catalogue's units."""

from collections.abc import Sequence
from typing import Any

from chassis.records import Received
from chassis.subscriptions import Subscriptions
from contracts import topics
from contracts.orders import ItemState
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.stock import store

subscriptions = Subscriptions()


@subscriptions.follow(topics.ITEMS, handles=(ItemState,))
async def follow_items(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Know each item's unit, to refuse half a piece."""
    await store.keep_items(tx, {one.message.sku: one.message.unit for one in received})
