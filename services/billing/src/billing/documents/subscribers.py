"""What papers say of others: stores' names, customers' names and languages."""

from collections.abc import Sequence
from typing import Any

from chassis.records import Received
from chassis.subscriptions import Subscriptions
from contracts import topics
from contracts.inventory import StoreState
from contracts.orders import CustomerErased, CustomerState
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.documents import store

subscriptions = Subscriptions()


@subscriptions.follow(topics.STORES, handles=(StoreState,))
async def follow_stores(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    stores = [one.message for one in received]
    await store.keep_stores(tx, {one.store_id: (one.code, one.name) for one in stores})


@subscriptions.follow(topics.CUSTOMERS, handles=(CustomerState, CustomerErased))
async def follow_customers(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    newest = {one.message.customer_key: one.message for one in received}
    erased = [key for key, one in newest.items() if isinstance(one, CustomerErased)]
    known = {
        key: (one.name, one.language)
        for key, one in newest.items()
        if isinstance(one, CustomerState)
    }
    await store.forget_customers(tx, erased)
    await store.keep_customers(tx, known)
