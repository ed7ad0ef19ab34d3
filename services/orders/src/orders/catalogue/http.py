"""Items over HTTP."""

from decimal import Decimal
from typing import Annotated, Literal

from chassis.http.auth import Principal, allow
from chassis.http.etags import IfMatch, require_version, set_etag
from chassis.http.fields import Body, Code, Currency, Exact, Figure, LongText, Text, UnitPrice
from chassis.http.idempotency import Keyed, KeyedIfSent, claim, done_before
from chassis.http.pages import Cursor, Limit, Page, after, page_of, text
from chassis.http.problems import NotFound
from chassis.runtime import Here
from contracts.identity import Right
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.catalogue import handlers, store
from orders.catalogue.domain import Item

router = APIRouter(tags=["items"])
Barcode = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")]
Barcodes = Annotated[tuple[Barcode, ...], Field(max_length=20)]
TaxRate = Annotated[Exact, Field(ge=0, le=100, decimal_places=2)]
Unit = Literal["piece", "kg", "m"]
NOT_FOUND = "The item was not found: check the SKU."


class NewItem(Body):
    sku: Code
    name: Text
    unit: Unit = "piece"
    barcodes: Barcodes = ()
    tax_rate: TaxRate = Decimal(0)
    price: UnitPrice
    currency: Currency


class ItemChange(Body):
    name: Text | None = None
    barcodes: Barcodes | None = None
    tax_rate: TaxRate | None = None
    price: UnitPrice | None = None


class ItemAnswer(BaseModel):
    sku: str
    name: str
    unit: str
    kind: str
    barcodes: tuple[str, ...]
    tax_rate: Figure
    price: Figure
    currency: str
    version: int


def show(item: Item) -> ItemAnswer:
    return ItemAnswer.model_validate(item, from_attributes=True)


@router.post("/items", status_code=201)
async def add_item(
    body: NewItem,
    who: Annotated[Principal, allow(Right.ITEMS_WRITE)],
    here: Here,
    key: Keyed,
    response: Response,
) -> ItemAnswer:
    """Add an item to the catalogue of the whole chain."""
    who.require_whole_chain()

    async def work(tx: AsyncConnection) -> Item:
        kept = await claim(tx, key.of(who), 201, body.sku)
        if kept is not None:
            known = await store.find(tx, kept.subject)
            assert known is not None
            return known
        return await handlers.add_item(tx, Item(kind="listed", **dict(body)))

    item = await here.db.run(work)
    set_etag(response, item.version)
    return show(item)


@router.get("/items")
async def list_items(
    who: Annotated[Principal, allow(Right.ITEMS_READ)],
    here: Here,
    q: Annotated[LongText | None, Query(description="Beginnings of words.")] = None,
    barcode: Annotated[LongText | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ItemAnswer]:
    """Find items by SKU, name or barcode."""
    [begin] = after(cursor, text) or (None,)
    async with here.db.reading() as tx:
        rows = await store.search(tx, q or None, barcode or None, begin, limit + 1)
    return page_of(rows, limit, show, lambda item: [item.sku])


@router.get("/items/{sku}")
async def get_item(
    sku: Code, who: Annotated[Principal, allow(Right.ITEMS_READ)], here: Here, response: Response
) -> ItemAnswer:
    """One item."""
    async with here.db.reading() as tx:
        item = await store.find(tx, sku)
    if item is None:
        raise NotFound(NOT_FOUND)
    set_etag(response, item.version)
    return show(item)


@router.patch("/items/{sku}")
async def change_item(
    sku: Code,
    body: ItemChange,
    who: Annotated[Principal, allow(Right.ITEMS_WRITE)],
    here: Here,
    key: KeyedIfSent,
    expected: IfMatch,
    response: Response,
) -> ItemAnswer:
    """Change an item; orders taken before keep the price that they were agreed at."""
    who.require_whole_chain()

    def check(item: Item) -> None:
        require_version(expected, item.version)

    async def work(tx: AsyncConnection) -> Item:
        if await done_before(tx, key, who, 200, sku):
            item = await store.find(tx, sku)
        else:
            item = await handlers.change_item(
                tx, sku, check, body.name, body.barcodes, body.tax_rate, body.price
            )
        if item is None:
            raise NotFound(NOT_FOUND)  # Inside, so that the key is not kept.
        return item

    item = await here.db.run(work)
    set_etag(response, item.version)
    return show(item)
