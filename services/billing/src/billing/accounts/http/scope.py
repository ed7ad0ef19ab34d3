"""What the money routes share: rights, refusals, and whose rows a caller may see."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from chassis.http.auth import Principal, allow
from chassis.http.fields import Moment
from chassis.http.pages import LIMIT_DEFAULT, Cursor, Limit, after, moment
from chassis.runtime import Runtime
from contracts.identity import Right
from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts import domain, store
from billing.accounts.store import Filter

REFUSALS: dict[type[Exception], int] = {
    domain.UnknownOrder: 422,
    domain.UnknownStore: 422,
    domain.UnknownDocument: 422,
    domain.DocumentIsCancelled: 409,
    domain.TooManyDecimals: 422,
    domain.MoreThanRefundable: 422,
    domain.RefundedAlready: 409,
    domain.IdTaken: 409,
}
UNKNOWN = (domain.UnknownOrder, domain.UnknownStore)

Reader = Annotated[Principal, allow(Right.MONEY_READ)]
Taker = Annotated[Principal, allow(Right.MONEY_TAKE)]
Returner = Annotated[Principal, allow(Right.MONEY_RETURN)]


def readable(wanted: Filter, who: Principal, order_store: UUID | None) -> Filter:
    """An order of the caller's stores is seen whole; else only what the own stores took."""
    if who.store_ids is None or (order_store is not None and who.sees(order_store)):
        return wanted
    if wanted.stores is not None:
        for store_id in wanted.stores:
            who.require_store(store_id, "The store")
        return wanted
    return replace(wanted, stores=sorted(who.store_ids))


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of payments or refunds that is asked for."""

    wanted: Filter
    begin: tuple[datetime, UUID] | None
    limit: int


async def _listing(
    order_id: UUID | None = None,
    store_id: UUID | None = None,
    begin: Annotated[Moment | None, Query(alias="from")] = None,
    end: Annotated[Moment | None, Query(alias="to")] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> Listing:
    stores = None if store_id is None else [store_id]
    wanted = Filter(order_id, stores, begin, end)
    return Listing(wanted, after(cursor, moment, UUID), limit)


Listed = Annotated[Listing, Depends(_listing)]
T = TypeVar("T")
Ask = Callable[[AsyncConnection, Filter, tuple[datetime, UUID] | None, int], Awaitable[Sequence[T]]]


async def scoped(here: Runtime, listing: Listing, who: Principal, ask: Ask[T]) -> Sequence[T]:
    """The rows that the caller may see; 404 for an order of stores that are not the caller's."""
    wanted, order_store = listing.wanted, None
    async with here.db.reading() as tx:
        if wanted.order_id is not None:
            account = await store.find_account(tx, wanted.order_id)
            if account is None or account.store_id is None:
                return []
            order_store = account.store_id
        rows = await ask(tx, readable(wanted, who, order_store), listing.begin, listing.limit)
    if not rows and order_store is not None:
        who.require_store(order_store, "The order")
    return rows
