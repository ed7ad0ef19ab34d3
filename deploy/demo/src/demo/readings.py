"""Every figure of the table read through the public API, order by order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from demo import figures
from demo.client import Api, Body, Refused
from demo.figures import Tally, add
from demo.setup import Places

AT_ONCE = 16
PRINTING = ("queued", "printing")

Read = Callable[[Api, str], Awaitable[Tally]]


async def read_journal(
    api: Api, places: Places, started_at: datetime, finished_at: datetime
) -> dict[str, Body]:
    """All orders that the run's stores took in its time, by id; doubled ones would be here too."""
    stores = set(places.stores.values())
    period = {"from": _instant(started_at), "to": _instant(finished_at)}
    found: dict[str, Body] = {}
    async for order in _all(api, "/orders", **period):
        if order["store_id"] in stores:
            found[order["id"]] = order
    return found


def tally_meanwhile(journal: Mapping[str, Body]) -> Tally:
    """How many orders there are, the run's own or not."""
    return {figures.MEANWHILE: Decimal(len(journal))}


async def read_each(
    api: Api, order_ids: Iterable[str], read: Read, step: Callable[[], None]
) -> dict[str, Tally]:
    """A tally for each order, several at a time."""
    gate = asyncio.Semaphore(AT_ONCE)
    tallies: dict[str, Tally] = {}

    async def one(order_id: str) -> None:
        async with gate:
            tallies[order_id] = await read(api, order_id)
            step()

    async with asyncio.TaskGroup() as group:
        for order_id in order_ids:
            group.create_task(one(order_id))
    return tallies


async def read_order(api: Api, order_id: str) -> Tally:
    """What one order adds to the table, messages and papers left out."""
    tally: Tally = {}
    try:
        order = await api.get(f"/orders/{order_id}")
    except Refused as refused:
        if refused.status == 404:
            return tally
        raise
    _tally_head(tally, order)
    await _tally_money(tally, api, order_id)
    posted = [
        shipment
        async for shipment in _all(api, "/shipments", order_id=order_id)
        if shipment["state"] == "posted"
    ]
    add(tally, figures.SHIPMENTS, len(posted))
    if posted:
        add(tally, figures.DUE_AT_LAST, Decimal(_newest(posted)["due_now"]))
    async for transfer in _all(api, "/transfers", order_id=order_id):
        for line in transfer["lines"]:
            add(tally, figures.MOVED, Decimal(line["quantity"]))
    return tally


async def read_told(api: Api, order_id: str) -> Tally:
    """The messages and papers of one order that have gone out by now."""
    tally: Tally = {}
    async for message in _all(api, "/messages", order_id=order_id):
        if message["channel"] == "account":
            add(tally, figures.ACCOUNT_MESSAGES)
            add(tally, figures.told_in(message["language"]))
        elif message["state"] == "sent":
            add(tally, figures.EMAILS)
    async for job in _all(api, "/print-jobs", order_id=order_id):
        if job["state"] not in PRINTING:
            add(tally, figures.papers(job["kind"], job["state"]))
        if job["state"] == "unknown":
            add(tally, figures.UNKNOWN_PAPERS)
    return tally


async def read_stock(api: Api, places: Places) -> Tally:
    """Pieces over the run's warehouses and the temporary storage below them."""
    ours = set(places.warehouses.values())
    tally: Tally = {figures.stock(name): Decimal(0) for name in STOCK_FIELDS}

    async def one(store: int) -> None:
        async for warehouse in _all(api, "/warehouses", store_id=places.stores[store]):
            if warehouse["id"] not in ours and warehouse.get("parent_id") not in ours:
                continue
            async for row in _all(api, "/stock", warehouse_id=warehouse["id"]):
                for name, field in STOCK_FIELDS.items():
                    add(tally, figures.stock(name), Decimal(row[field]))

    await asyncio.gather(*(one(store) for store in places.stores))
    return tally


STOCK_FIELDS = {"on hand": "on_hand", "held": "held", "available": "available", "broken": "broken"}


def _tally_head(tally: Tally, order: Body) -> None:
    lines = order["lines"]
    add(tally, figures.TAKEN)
    add(tally, figures.main_status(order["status"]))
    add(tally, figures.financial_status(order["financial_status"]))
    add(tally, figures.channel(order["channel"]))
    add(tally, figures.hold(order["hold"]["method"]))
    add(tally, figures.WORTH, Decimal(order["total"]))
    add(tally, figures.PAID, Decimal(order["paid"]))
    add(tally, figures.DUE, Decimal(order["due"]))
    add(tally, figures.LINES, len(lines))
    add(tally, figures.PIECES, _sum(lines, "quantity"))
    add(tally, figures.PIECES_HANDED_OVER, _sum(lines, "shipped"))


async def _tally_money(tally: Tally, api: Api, order_id: str) -> None:
    async for document in _all(api, "/documents", order_id=order_id):
        kind = document["kind"]
        add(tally, figures.documents(kind, document["state"]))
        add(tally, figures.document_money(kind, "total"), Decimal(document["total"]))
        add(
            tally,
            figures.document_money(kind, "covered by deposits"),
            Decimal(document["advances"]),
        )
        add(tally, figures.document_money(kind, "paid"), Decimal(document["paid"]))
        add(tally, figures.document_money(kind, "left to pay"), Decimal(document["due"]))
    async for payment in _all(api, "/payments", order_id=order_id):
        if payment["state"] != "posted":
            continue
        amount = Decimal(payment["amount"])
        add(tally, figures.payments(payment["method"]))
        add(tally, figures.payment_money(payment["method"]), amount)
        named = _sum([part for part in payment["allocations"] if part.get("document_id")], "amount")
        add(tally, figures.purpose(True), named)
        add(tally, figures.purpose(False), amount - named)


def _sum(rows: Sequence[Body], field: str) -> Decimal:
    return sum((Decimal(row[field]) for row in rows), Decimal(0))


def _newest(shipments: Sequence[Body]) -> Body:
    """UUIDv7 ids sort by the time of their making."""
    return max(shipments, key=lambda shipment: str(shipment["id"]))


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _all(api: Api, path: str, **params: Any) -> AsyncIterator[Body]:
    return api.items(path, **params)
