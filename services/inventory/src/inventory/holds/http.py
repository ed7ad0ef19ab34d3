"""The JSON edge of holds: who waits for what, until when, and what lies where it should not."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from chassis.http.auth import Principal, allow
from chassis.http.fields import Body, Figure, Moment
from chassis.http.idempotency import Keyed, claim
from chassis.http.pages import Cursor, Limit, Page, after, page_of, text
from chassis.http.problems import NotFound
from chassis.ids import uuid7
from chassis.runtime import Here
from contracts.identity import Right
from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.holds import handlers
from inventory.holds.store import questions
from inventory.stock.domain import Shelf, plain
from inventory.stock.store import list_stock

router = APIRouter(tags=["holds"])
Reader = Annotated[Principal, allow(Right.STOCK_READ)]
Keeper = Annotated[Principal, allow(Right.HOLDS_WRITE)]
LINES_SHOWN_MAX = 10_000


class Extension(Body):
    until: Moment


class Nothing(Body):
    """An empty body."""


class HoldLineAnswer(BaseModel):
    line_id: UUID
    sku: str
    wanted: Figure
    held: Figure
    taken: Figure
    awaiting: Figure
    to_put_back: Figure


class HoldAnswer(BaseModel):
    """The hold of an order's line, or with an order's id those of all its lines.

    state: held, awaiting, done (all handed over), released, or put_back.
    """

    id: UUID
    order_id: UUID
    store_id: UUID
    warehouse_id: UUID
    method: str
    until: datetime | None
    state: str
    overdue: bool
    sku: str | None
    quantity: Figure
    awaiting: Figure
    lines: list[HoldLineAnswer]


class PutBackAnswer(BaseModel):
    """Goods that lie free in temporary storage until somebody carries them back."""

    hold_id: UUID
    order_id: UUID
    line_id: UUID
    store_id: UUID
    warehouse_id: UUID
    sku: str
    quantity: Figure


class TransferLineAnswer(BaseModel):
    line_id: UUID
    sku: str
    quantity: Figure


class TransferAnswer(BaseModel):
    id: UUID
    order_id: UUID
    kind: str
    source: UUID = Field(serialization_alias="from")
    target: UUID = Field(serialization_alias="to")
    state: str
    at: datetime
    lines: list[TransferLineAnswer]


class HolderAnswer(BaseModel):
    order_id: UUID
    line_id: UUID
    held: Figure


class BrokenAnswer(BaseModel):
    """More is promised than there is: `broken` is what is missing, `holds` who was promised."""

    warehouse_id: UUID
    sku: str
    on_hand: Figure
    held: Figure
    broken: Figure
    holds: list[HolderAnswer]


def show_hold(id: UUID, rows: list[sa.Row[Any]], now: datetime) -> HoldAnswer:
    """One answer from the lines that it is about; all are of one order."""
    first = rows[0]
    held = sum((row.held for row in rows), start=first.held * 0)
    awaiting = sum((row.awaiting for row in rows), start=first.held * 0)
    return HoldAnswer(
        id=id,
        order_id=first.order_id,
        store_id=first.store_id,
        warehouse_id=first.warehouse_id,
        method=first.method,
        until=first.until,
        state=_state(rows, held > 0, awaiting > 0),
        overdue=held > 0 and first.until is not None and first.until < now,
        sku=first.sku if len(rows) == 1 else None,
        quantity=plain(held),
        awaiting=plain(awaiting),
        lines=[
            HoldLineAnswer(
                line_id=row.line_id,
                sku=row.sku,
                wanted=plain(row.wanted),
                held=plain(row.held),
                taken=plain(row.taken),
                awaiting=plain(row.awaiting),
                to_put_back=plain(row.to_put_back),
            )
            for row in rows
        ],
    )


def _state(rows: list[sa.Row[Any]], holds: bool, waits: bool) -> str:
    if rows[0].released:
        return "released"
    if holds:
        return "held"
    if waits:
        return "awaiting"
    return "put_back" if any(row.given_up for row in rows) else "done"


@router.get("/holds")
async def list_holds(
    who: Reader,
    here: Here,
    order_id: UUID | None = None,
    overdue: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[HoldAnswer]:
    """The holds of order lines; with `overdue`, goods that are kept beyond their end."""
    begin, now = after(cursor, UUID, UUID), datetime.now(UTC)
    async with here.db.reading() as tx:
        rows = await questions.list_holds(
            tx, who.store_ids, order_id, now if overdue else None, False, begin, limit
        )
    return page_of(
        rows,
        limit,
        lambda row: show_hold(row.line_id, [row], now),
        lambda row: [str(row.order_id), str(row.line_id)],
    )


@router.get("/holds/put-backs")
async def list_put_backs(
    who: Reader, here: Here, limit: Limit = 50, cursor: Cursor = None
) -> Page[PutBackAnswer]:
    """The task list of the store: POST /holds/{hold_id}/put-back when it is done."""
    begin = after(cursor, UUID, UUID)
    async with here.db.reading() as tx:
        rows = await questions.list_holds(tx, who.store_ids, None, None, True, begin, limit)
    return page_of(rows, limit, _show_put_back, lambda row: [str(row.order_id), str(row.line_id)])


def _show_put_back(row: sa.Row[Any]) -> PutBackAnswer:
    return PutBackAnswer(
        hold_id=row.line_id,
        order_id=row.order_id,
        line_id=row.line_id,
        store_id=row.store_id,
        warehouse_id=row.warehouse_id,
        sku=row.sku,
        quantity=plain(row.to_put_back),
    )


@router.get("/holds/broken")
async def list_broken(
    who: Reader, here: Here, limit: Limit = 50, cursor: Cursor = None
) -> Page[BrokenAnswer]:
    """The ordered-goods report: what is promised and not there, and to whom."""
    begin = after(cursor, UUID, text)
    holders: dict[tuple[UUID, str], list[HolderAnswer]] = defaultdict(list)
    async with here.db.reading() as tx:
        shelves = await list_stock(tx, who.store_ids, None, None, begin, limit, broken_only=True)
        for row in await questions.holders_of(tx, [(s.warehouse_id, s.sku) for s in shelves]):
            holders[row.warehouse_id, row.sku].append(
                HolderAnswer(order_id=row.order_id, line_id=row.line_id, held=plain(row.held))
            )

    def show(shelf: Shelf) -> BrokenAnswer:
        return BrokenAnswer(
            warehouse_id=shelf.warehouse_id,
            sku=shelf.sku,
            on_hand=plain(shelf.on_hand),
            held=plain(shelf.held),
            broken=plain(shelf.broken),
            holds=holders[shelf.warehouse_id, shelf.sku],
        )

    return page_of(shelves, limit, show, lambda one: [str(one.warehouse_id), one.sku])


@router.post("/holds/{hold_id}/extend")
async def extend(hold_id: UUID, body: Extension, who: Keeper, here: Here, key: Keyed) -> HoldAnswer:
    """Keeps the order's goods longer, 90 days from now at most. The id is the order's or a line's;
    an order's goods have one end."""

    async def do(tx: AsyncConnection) -> None:
        found = await _find(tx, hold_id, who)
        if await claim(tx, key.of(who), 200, str(hold_id)) is None:
            now = datetime.now(UTC)
            await handlers.extend(tx, found.order_id, body.until, now, new_id=uuid7)

    await here.db.run(do)
    return await _read(here, hold_id, who)


@router.post("/holds/{hold_id}/put-back")
async def put_back(
    hold_id: UUID, who: Keeper, here: Here, key: Keyed, body: Nothing | None = None
) -> HoldAnswer:
    """Ends the hold of an order or of one line, and returns what was set apart to the main
    warehouse. The lines wait for nothing more until the order asks for goods anew."""

    async def do(tx: AsyncConnection) -> None:
        found = await _find(tx, hold_id, who)
        if await claim(tx, key.of(who), 200, str(hold_id)) is None:
            now = datetime.now(UTC)
            await handlers.put_back(tx, found.order_id, found.line_id, now, new_id=uuid7)

    await here.db.run(do)
    return await _read(here, hold_id, who)


async def _find(tx: AsyncConnection, hold_id: UUID, who: Principal) -> questions.Found:
    found = await questions.find_hold(tx, hold_id)
    if found is None:
        raise NotFound("The hold was not found: give the id of an order or of its line.")
    who.require_store(found.store_id, "The hold")
    return found


async def _read(here: Here, hold_id: UUID, who: Principal) -> HoldAnswer:
    async with here.db.reading() as tx:
        found = await _find(tx, hold_id, who)
        rows = await questions.list_holds(
            tx, None, found.order_id, None, False, None, LINES_SHOWN_MAX
        )
    mine = [row for row in rows if found.line_id in (None, row.line_id)]
    if not mine:
        raise NotFound("The order never asked for goods here: there is no hold.")
    return show_hold(hold_id, mine, datetime.now(UTC))


@router.get("/transfers")
async def list_transfers(
    who: Reader,
    here: Here,
    order_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TransferAnswer]:
    """The documents of goods set apart for orders and put back."""
    begin = after(cursor, UUID)
    lines: dict[UUID, list[TransferLineAnswer]] = defaultdict(list)
    async with here.db.reading() as tx:
        rows = await questions.list_transfers(tx, who.store_ids, order_id, begin, limit)
        for line in await questions.lines_of_transfers(tx, [row.id for row in rows]):
            lines[line.transfer_id].append(
                TransferLineAnswer(
                    line_id=line.line_id, sku=line.sku, quantity=plain(line.quantity)
                )
            )

    def show(row: sa.Row[Any]) -> TransferAnswer:
        return TransferAnswer(
            id=row.id,
            order_id=row.order_id,
            kind=row.kind,
            source=row.from_warehouse_id,
            target=row.to_warehouse_id,
            state=row.state,
            at=row.at,
            lines=lines[row.id],
        )

    return page_of(rows, limit, show, lambda row: [str(row.id)])
