"""The JSON edge of stock: receipts, what there is, and the ledger that explains it."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from chassis.http.auth import Principal, allow
from chassis.http.fields import Body, Figure, Quantity, Text, UnitPrice
from chassis.http.idempotency import Keyed, claim
from chassis.http.pages import Cursor, Limit, Page, after, number, page_of, text
from chassis.http.problems import NotFound
from chassis.http.waiting import Wait, once_known
from chassis.ids import uuid7
from chassis.runtime import Here
from contracts.identity import Right
from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.stock import domain, handlers, store
from inventory.stock.domain import Receipt, Shelf, plain
from inventory.stores.store import read_warehouse

router = APIRouter(tags=["stock"])
Reader = Annotated[Principal, allow(Right.STOCK_READ)]
Writer = Annotated[Principal, allow(Right.STOCK_WRITE)]
LINES_MAX = 5_000


class ReceivedLine(Body):
    sku: Text
    quantity: Quantity
    unit_cost: UnitPrice | None = None


class NewReceipt(Body):
    """Goods that came in."""

    id: UUID | None = None
    warehouse_id: UUID
    lines: Annotated[list[ReceivedLine], Field(min_length=1, max_length=LINES_MAX)]


class ReceiptLineAnswer(BaseModel):
    sku: str
    quantity: Figure
    unit_cost: Figure | None


class ReceiptAnswer(BaseModel):
    id: UUID
    warehouse_id: UUID
    at: datetime
    by: str
    lines: list[ReceiptLineAnswer]


class StockAnswer(BaseModel):
    """`expected` is what suppliers were asked for: 0, for no supply orders are kept here."""

    warehouse_id: UUID
    sku: str
    on_hand: Figure
    held: Figure
    available: Figure
    broken: Figure
    expected: Figure


class MovementAnswer(BaseModel):
    """`reference` is the receipt, transfer or shipment that explains it."""

    id: int
    warehouse_id: UUID
    sku: str
    kind: str
    reference: UUID
    quantity: Figure
    at: datetime


def show_receipt(one: Receipt) -> ReceiptAnswer:
    return ReceiptAnswer(
        id=one.receipt_id,
        warehouse_id=one.warehouse_id,
        at=one.at,
        by=one.by,
        lines=[
            ReceiptLineAnswer(sku=line.sku, quantity=plain(line.quantity), unit_cost=line.unit_cost)
            for line in one.lines
        ],
    )


def show_stock(one: Shelf) -> StockAnswer:
    return StockAnswer(
        warehouse_id=one.warehouse_id,
        sku=one.sku,
        on_hand=plain(one.on_hand),
        held=plain(one.held),
        available=plain(one.available),
        broken=plain(one.broken),
        expected=plain(one.expected),
    )


def show_movement(row: sa.Row[Any]) -> MovementAnswer:
    return MovementAnswer(
        id=row.id,
        warehouse_id=row.warehouse_id,
        sku=row.sku,
        kind=row.kind,
        reference=row.reference,
        quantity=plain(row.quantity),
        at=row.at,
    )


def _receipt(body: NewReceipt, who: Principal) -> Receipt:
    lines = tuple(
        domain.ReceiptLine(line.sku, line.quantity, line.unit_cost) for line in body.lines
    )
    at = datetime.now(UTC)
    return Receipt(body.id or uuid7(), body.warehouse_id, lines, who.name, at)


@router.post("/receipts", status_code=201)
async def receive(
    body: NewReceipt, who: Writer, here: Here, key: Keyed, wait: Wait
) -> ReceiptAnswer:
    """Goods come in. Orders that wait for them are served at once, in the order of the queue."""
    receipt = _receipt(body, who)

    async def do(tx: AsyncConnection) -> Receipt | None:
        warehouse = await read_warehouse(tx, body.warehouse_id)
        if warehouse is not None:
            who.require_store(warehouse.store_id, "The warehouse")
        kept = await claim(tx, key.of(who), 201, str(receipt.receipt_id))
        if kept is not None:
            return await store.read_receipt(tx, UUID(kept.subject))
        return await handlers.receive(tx, receipt, new_id=uuid7)

    received = await once_known(here.db, lambda: here.db.run(do), domain.UnknownItem, wait)
    assert received is not None
    return show_receipt(received)


@router.get("/receipts/{receipt_id}")
async def read_receipt(receipt_id: UUID, who: Reader, here: Here) -> ReceiptAnswer:
    """One receipt."""
    async with here.db.reading() as tx:
        known = await store.read_receipt(tx, receipt_id)
        warehouse = None if known is None else await read_warehouse(tx, known.warehouse_id)
    if known is None or warehouse is None:
        raise NotFound("The receipt was not found: check the id.")
    who.require_store(warehouse.store_id, "The receipt")
    return show_receipt(known)


@router.get("/stock")
async def list_stock(
    who: Reader,
    here: Here,
    sku: Text | None = None,
    warehouse_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StockAnswer]:
    """What lies where: on hand, held, and what may still be promised."""
    begin = after(cursor, UUID, text)
    async with here.db.reading() as tx:
        rows = await store.list_stock(tx, who.store_ids, sku, warehouse_id, begin, limit)
    return page_of(rows, limit, show_stock, lambda one: [str(one.warehouse_id), one.sku])


@router.get("/stock/movements")
async def list_movements(
    who: Reader,
    here: Here,
    sku: Text | None = None,
    warehouse_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MovementAnswer]:
    """The stock ledger, oldest first: the sum of its entries is what is on hand."""
    begin = after(cursor, number)
    async with here.db.reading() as tx:
        rows = await store.list_movements(tx, who.store_ids, sku, warehouse_id, begin, limit)
    return page_of(rows, limit, show_movement, lambda row: [str(row.id)])
