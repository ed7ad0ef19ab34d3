"""Which stores and customer cards there are: accounts refer to them. Names are not kept."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chassis.records import Received
from chassis.subscriptions import Subscriptions
from contracts import topics
from contracts.inventory import StoreState
from contracts.orders import CustomerErased, CustomerState
from sqlalchemy.ext.asyncio import AsyncConnection

from identity import handlers, store

subscriptions = Subscriptions()


@subscriptions.follow(topics.STORES, handles=(StoreState,))
async def follow_stores(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    await store.know_stores(tx, {one.message.store_id for one in received})


@subscriptions.follow(topics.CUSTOMERS, handles=(CustomerState, CustomerErased))
async def follow_customers(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Cards by their ids; a key that is no card's belongs to a typed name."""
    newest = {one.message.customer_key: one.message for one in received}
    known = {
        message.customer_id
        for message in newest.values()
        if isinstance(message, CustomerState) and message.customer_id is not None
    }
    erased = [UUID(key) for key, message in newest.items() if isinstance(message, CustomerErased)]
    if known:
        await store.know_customers(tx, known)
    if erased:
        await handlers.erase_customers(tx, erased, datetime.now(UTC))
