"""Use cases of the catalogue."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from chassis import outbox
from chassis.outbox import Said
from contracts.orders import ItemState
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.catalogue import store
from orders.catalogue.domain import Item, ItemExists, changed, new_item


async def add_item(tx: AsyncConnection, item: Item) -> Item:
    """Keep a new item and tell of it; the same item again is no news."""
    item = new_item(item)
    if not await store.insert(tx, item):
        known = await store.find(tx, item.sku)
        assert known is not None
        if replace(known, version=item.version) == item:
            return known
        raise ItemExists(f"{item.sku} is another item already: change it, or choose another SKU.")
    await outbox.say(tx, [Said(state_of(item), item.version)])
    return item


async def change_item(
    tx: AsyncConnection,
    sku: str,
    check: Callable[[Item], None],
    name: str | None,
    barcodes: tuple[str, ...] | None,
    tax_rate: Decimal | None,
    price: Decimal | None,
) -> Item | None:
    """Change what is given; `check` sees the item under its lock. None: no such item."""
    item = await store.find(tx, sku, lock=True)
    if item is None:
        return None
    check(item)
    new = changed(item, name, barcodes, tax_rate, price)
    if new.version != item.version:
        await store.update(tx, new)
        await outbox.say(tx, [Said(state_of(new), new.version)])
    return new


def state_of(item: Item) -> ItemState:
    """The item as the other services keep it."""
    return ItemState(
        sku=item.sku,
        name=item.name,
        unit=item.unit,
        kind="special" if item.kind == "special" else "listed",
        barcodes=item.barcodes,
        tax_rate=item.tax_rate,
        price=item.price,
        currency=item.currency,
    )
