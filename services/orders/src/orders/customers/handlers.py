"""Use cases of customers' cards."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.outbox import Said
from contracts.orders import CustomerErased, CustomerState
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.customers import store
from orders.customers.domain import (
    Customer,
    CustomerExists,
    card_number_taken,
    changed,
    erased,
)

Check = Callable[[Customer], None]


async def add_customer(tx: AsyncConnection, customer: Customer) -> Customer:
    """Keep a new card and tell of it; the same card again is no news."""
    if not await store.insert(tx, customer):
        known = await store.find(tx, customer.id)
        if known == customer:
            return known
        if known is not None:
            raise CustomerExists("This id is another customer's: leave it out, or use a new one.")
        raise card_number_taken(customer)
    await outbox.say(tx, [Said(state_of(customer), customer.version)])
    return customer


async def change_customer(
    tx: AsyncConnection, id: UUID, check: Check, changes: dict[str, Any]
) -> Customer | None:
    """Change what is given; `check` sees the card under its lock. None: no such card."""
    customer = await store.find(tx, id, lock=True)
    if customer is None or customer.erased:
        return None
    check(customer)
    new = changed(customer, changes)
    if new.version != customer.version:
        await store.update(tx, new)
        await outbox.say(tx, [Said(state_of(new), new.version)])
    return new


async def erase_customer(tx: AsyncConnection, id: UUID, check: Check) -> bool:
    """Forget who the customer was, here and, by a tombstone, everywhere. False: no such card."""
    customer = await store.find(tx, id, lock=True)
    if customer is None or customer.erased:
        return False
    check(customer)
    gone = erased(customer)
    await store.update(tx, gone)
    await store.forget_what_was_said(tx, id)
    await outbox.say(tx, [Said(CustomerErased(customer_key=str(id)), gone.version)])
    return True


def state_of(customer: Customer) -> CustomerState:
    """The card as the other services keep it."""
    return CustomerState(
        customer_key=str(customer.id),
        customer_id=customer.id,
        name=customer.name,
        phone=customer.phone,
        email=customer.email,
        language=customer.language,
    )
