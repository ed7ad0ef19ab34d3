"""Use cases of stock. Each runs in the transaction that its caller opened."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.holds import handlers as holds
from inventory.holds.domain import rules
from inventory.holds.store.opening import Scope, open_book
from inventory.stock import domain, store
from inventory.stock.domain import Receipt
from inventory.stores.store import read_warehouse


async def receive(tx: AsyncConnection, receipt: Receipt, new_id: Callable[[], UUID]) -> Receipt:
    """Goods come in: stock and its ledger rise, and those who wait are served, all at once.

    The same receipt under its id again is the one that is there.
    """
    place = await read_warehouse(tx, receipt.warehouse_id)
    if place is None:
        raise domain.UnknownWarehouse(receipt.warehouse_id)
    if place.kind != "main":
        raise domain.NotAMainWarehouse(
            "Temporary storage gets its goods by transfers: receive into a main warehouse."
        )
    units = await store.units_of(tx, {line.sku for line in receipt.lines})
    domain.check_lines(receipt.lines, units)
    if not await store.add_receipt(tx, receipt):
        return await _known(tx, receipt)
    goods: dict[str, Decimal] = defaultdict(Decimal)
    for line in receipt.lines:
        goods[line.sku] += line.quantity
    risen = {(receipt.warehouse_id, sku): quantity for sku, quantity in goods.items()}
    scope = Scope([receipt.warehouse_id], (), risen, lambda _: risen)
    book = await open_book(tx, scope, receipt.at, new_id)
    rules.receive(book, receipt.warehouse_id, receipt.receipt_id, goods)
    await holds.finish(tx, book)
    return receipt


async def _known(tx: AsyncConnection, receipt: Receipt) -> Receipt:
    known = await store.read_receipt(tx, receipt.receipt_id)
    same = known is not None and (known.warehouse_id, known.lines) == (
        receipt.warehouse_id,
        receipt.lines,
    )
    if known is None or not same:
        raise domain.ReceiptIdTaken("Another receipt has this id: mint a new one.")
    return known
