"""The JSON edge of stores and warehouses."""

from typing import Annotated, Any
from uuid import UUID

from chassis.http.auth import Principal, allow
from chassis.http.etags import IfMatch, require_version, set_etag
from chassis.http.fields import Body, Code, Text
from chassis.http.idempotency import Keyed, KeyedIfSent, claim, done_before
from chassis.http.pages import Cursor, Limit, Page, after, page_of, text
from chassis.http.problems import NotFound
from chassis.ids import uuid7
from chassis.runtime import Here
from contracts.identity import Right
from contracts.inventory import HeldGoodsSale, WarehouseKind
from contracts.orders import HoldMethod
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.stores import domain, handlers, store
from inventory.stores.handlers import NewWarehouse

router = APIRouter(tags=["stores"])
Reader = Annotated[Principal, allow(Right.STORES_READ)]
Writer = Annotated[Principal, allow(Right.STORES_WRITE)]
HoldDays = Annotated[int, Field(ge=1, le=90, description="Days that goods are held unless given.")]


class NewStoreBody(Body):
    id: UUID | None = None
    code: Code
    name: Text
    hold_method: HoldMethod = "nominal"
    held_goods_sale: HeldGoodsSale = "warn"
    hold_days: HoldDays = 3


class StoreChanges(Body):
    """Settings count for orders taken from now on; earlier ones keep theirs."""

    name: Text | None = None
    hold_method: HoldMethod | None = None
    held_goods_sale: HeldGoodsSale | None = None
    hold_days: HoldDays | None = None


class StoreAnswer(BaseModel):
    id: UUID
    code: str
    name: str
    hold_method: str
    held_goods_sale: str
    hold_days: int


class NewWarehouseBody(Body):
    id: UUID | None = None
    store_id: UUID
    code: Code | None = None
    name: Text | None = None
    kind: WarehouseKind = "main"
    parent_id: UUID | None = None


class WarehouseAnswer(BaseModel):
    id: UUID
    store_id: UUID
    parent_id: UUID | None
    code: str
    name: str
    kind: str


def show_store(one: domain.Store) -> StoreAnswer:
    return StoreAnswer(
        id=one.store_id,
        code=one.code,
        name=one.name,
        hold_method=one.hold_method,
        held_goods_sale=one.held_goods_sale,
        hold_days=one.hold_days,
    )


def show_warehouse(one: domain.Warehouse) -> WarehouseAnswer:
    return WarehouseAnswer(
        id=one.warehouse_id,
        store_id=one.store_id,
        parent_id=one.parent_id,
        code=one.code,
        name=one.name,
        kind=one.kind,
    )


@router.get("/stores")
async def list_stores(
    who: Reader, here: Here, limit: Limit = 50, cursor: Cursor = None
) -> Page[StoreAnswer]:
    """The stores that the caller sees, in order of the code."""
    begin = after(cursor, text)
    async with here.db.reading() as tx:
        rows = await store.list_stores(tx, who.store_ids, begin, limit)
    return page_of(rows, limit, show_store, lambda one: [one.code])


@router.post("/stores", status_code=201)
async def open_store(
    body: NewStoreBody, who: Writer, here: Here, key: Keyed, response: Response
) -> StoreAnswer:
    """Opens a store. Its warehouses are added by POST /warehouses."""
    who.require_whole_chain()
    values = body.model_dump(exclude={"id"})
    new = domain.Store(store_id=body.id or uuid7(), **values)

    async def do(tx: AsyncConnection) -> domain.Store | None:
        kept = await claim(tx, key.of(who), 201, str(new.store_id))
        if kept is not None:
            return await store.read_store(tx, UUID(kept.subject))
        return await handlers.open_store(tx, new)

    opened = await here.db.run(do)
    assert opened is not None
    set_etag(response, opened.version)
    return show_store(opened)


@router.get("/stores/{store_id}")
async def read_store(store_id: UUID, who: Reader, here: Here, response: Response) -> StoreAnswer:
    """One store, with its ETag."""
    who.require_store(store_id, "The store")
    async with here.db.reading() as tx:
        known = await store.read_store(tx, store_id)
    if known is None:
        raise NotFound("The store was not found: check the id.")
    set_etag(response, known.version)
    return show_store(known)


@router.patch("/stores/{store_id}")
async def change_store(
    store_id: UUID,
    body: StoreChanges,
    who: Writer,
    here: Here,
    key: KeyedIfSent,
    if_match: IfMatch,
    response: Response,
) -> StoreAnswer:
    """Changes the store's name and how it holds goods."""
    who.require_store(store_id, "The store")
    changes: dict[str, Any] = body.model_dump(exclude_none=True)

    def check(version: int) -> None:
        require_version(if_match, version)

    async def do(tx: AsyncConnection) -> domain.Store:
        if await done_before(tx, key, who, 200, str(store_id)):
            changed = await store.read_store(tx, store_id)
        else:
            changed = await handlers.change_store(tx, store_id, changes, check)
        if changed is None:
            raise NotFound("The store was not found: check the id.")
        return changed

    changed = await here.db.run(do)
    set_etag(response, changed.version)
    return show_store(changed)


@router.get("/warehouses")
async def list_warehouses(
    who: Reader,
    here: Here,
    store_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WarehouseAnswer]:
    """Warehouses of the stores that the caller sees, temporary storage included."""
    begin = after(cursor, text, UUID)
    async with here.db.reading() as tx:
        rows = await store.list_warehouses(tx, who.store_ids, store_id, begin, limit)
    return page_of(rows, limit, show_warehouse, lambda one: [one.code, str(one.warehouse_id)])


@router.post("/warehouses", status_code=201)
async def add_warehouse(
    body: NewWarehouseBody, who: Writer, here: Here, key: Keyed
) -> WarehouseAnswer:
    """Adds a warehouse to a store; a code and a name are made when none is given."""
    who.require_store(body.store_id, "The store")
    new = NewWarehouse(
        body.id or uuid7(), body.store_id, body.kind, body.parent_id, body.code, body.name
    )

    async def do(tx: AsyncConnection) -> domain.Warehouse | None:
        kept = await claim(tx, key.of(who), 201, str(new.warehouse_id))
        if kept is not None:
            return await store.read_warehouse(tx, UUID(kept.subject))
        return await handlers.add_warehouse(tx, new)

    added = await here.db.run(do)
    assert added is not None
    return show_warehouse(added)
