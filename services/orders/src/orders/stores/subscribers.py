"""What inventory says of its stores."""

from collections.abc import Sequence

from chassis.records import Received
from chassis.subscriptions import Subscriptions
from contracts import topics
from contracts.inventory import StoreState
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.stores import store

subscriptions = Subscriptions()


@subscriptions.follow(topics.STORES, handles=(StoreState,))
async def follow_stores(tx: AsyncConnection, received: Sequence[Received[StoreState]]) -> None:
    """Keep a copy of stores and warehouses, for checking what orders name."""
    newest = {one.message.store_id: one.message for one in received}
    await store.keep(tx, list(newest.values()))
