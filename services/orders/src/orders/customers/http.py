"""Customers' cards over HTTP."""

from typing import Annotated, Any, Literal
from uuid import UUID

from chassis.http.auth import Principal, allow
from chassis.http.etags import IfMatch, require_version, set_etag
from chassis.http.fields import Body, Code, LongText, Text
from chassis.http.idempotency import Keyed, KeyedIfSent, claim, done_before
from chassis.http.pages import Cursor, Limit, Page, after, page_of
from chassis.http.problems import NotFound
from chassis.ids import uuid7
from chassis.runtime import Here
from contracts.identity import Right
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.customers import handlers, store
from orders.customers.domain import Customer

router = APIRouter(tags=["customers"])
Phone = Annotated[str, StringConstraints(pattern=r"^[0-9+() ./-]{4,32}$")]
Email = Annotated[Text, StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]{1,135}$")]
Language = Literal["en", "ru", "bg", "fi", "kk"]
NOT_FOUND = "The customer was not found: check the id."


class NewCustomer(Body):
    id: UUID | None = None
    name: Text
    phone: Phone | None = None
    email: Email | None = None
    language: Language = "en"
    card_number: Code | None = None
    category: Text | None = None


class CustomerChange(Body):
    """What is given changes; null takes a telephone, e-mail, card number or category away."""

    name: Text = ""
    phone: Phone | None = None
    email: Email | None = None
    language: Language = "en"
    card_number: Code | None = None
    category: Text | None = None


class CustomerAnswer(BaseModel):
    id: UUID
    name: str
    phone: str | None
    email: str | None
    language: str
    card_number: str | None
    category: str | None
    version: int


def show(customer: Customer) -> CustomerAnswer:
    return CustomerAnswer.model_validate(customer, from_attributes=True)


def _checked(expected: str) -> Any:
    return lambda customer: require_version(expected, customer.version)


@router.post("/customers", status_code=201)
async def add_customer(
    body: NewCustomer,
    who: Annotated[Principal, allow(Right.CUSTOMERS_WRITE)],
    here: Here,
    key: Keyed,
    response: Response,
) -> CustomerAnswer:
    """Make a customer's card."""
    id = body.id or uuid7()

    async def work(tx: AsyncConnection) -> Customer:
        kept = await claim(tx, key.of(who), 201, str(id))
        if kept is None:
            values = body.model_dump(exclude={"id"})
            return await handlers.add_customer(tx, Customer(id=id, **values))
        known = await store.find(tx, UUID(kept.subject))
        assert known is not None
        return known

    customer = await here.db.run(work)
    set_etag(response, customer.version)
    return show(customer)


@router.get("/customers")
async def list_customers(
    who: Annotated[Principal, allow(Right.CUSTOMERS_READ)],
    here: Here,
    q: Annotated[
        LongText | None, Query(description="Last telephone digits, card number, or a name.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CustomerAnswer]:
    """Find customers by the end of their telephone, by name or by card."""
    [begin] = after(cursor, UUID) or (None,)
    async with here.db.reading() as tx:
        rows = await store.search(tx, q or None, begin, limit + 1)
    return page_of(rows, limit, show, lambda customer: [str(customer.id)])


@router.get("/customers/{id}")
async def get_customer(
    id: UUID,
    who: Annotated[Principal, allow(Right.CUSTOMERS_READ)],
    here: Here,
    response: Response,
) -> CustomerAnswer:
    """One customer."""
    async with here.db.reading() as tx:
        customer = await store.find(tx, id)
    if customer is None or customer.erased:
        raise NotFound(NOT_FOUND)
    set_etag(response, customer.version)
    return show(customer)


@router.patch("/customers/{id}")
async def change_customer(
    id: UUID,
    body: CustomerChange,
    who: Annotated[Principal, allow(Right.CUSTOMERS_WRITE)],
    here: Here,
    key: KeyedIfSent,
    expected: IfMatch,
    response: Response,
) -> CustomerAnswer:
    """Change a customer's card."""
    changes = body.model_dump(exclude_unset=True)

    async def work(tx: AsyncConnection) -> Customer:
        if await done_before(tx, key, who, 200, str(id)):
            customer = await store.find(tx, id)
        else:
            customer = await handlers.change_customer(tx, id, _checked(expected), changes)
        if customer is None or customer.erased:
            raise NotFound(NOT_FOUND)  # Inside, so that the key is not kept.
        return customer

    customer = await here.db.run(work)
    set_etag(response, customer.version)
    return show(customer)


@router.delete("/customers/{id}", status_code=204)
async def erase_customer(
    id: UUID,
    who: Annotated[Principal, allow(Right.CUSTOMERS_ERASE)],
    here: Here,
    key: KeyedIfSent,
    expected: IfMatch,
) -> None:
    """Erase who the customer was, everywhere. The orders stay, without a name."""

    async def work(tx: AsyncConnection) -> None:
        if await done_before(tx, key, who, 204, str(id)):
            return
        if not await handlers.erase_customer(tx, id, _checked(expected)):
            raise NotFound(NOT_FOUND)

    await here.db.run(work)
