"""Use cases of stores and warehouses. Each runs in the transaction that its caller opened."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.outbox import Said
from contracts import inventory as contract
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.stores import domain, store
from inventory.stores.domain import Store, Warehouse


@dataclass(frozen=True, slots=True)
class NewWarehouse:
    """A warehouse as it was asked for; code and name may be left to us."""

    warehouse_id: UUID
    store_id: UUID
    kind: str
    parent_id: UUID | None
    code: str | None
    name: str | None


async def open_store(tx: AsyncConnection, new: Store) -> Store:
    """Open the store; the same one under its id again is the one that is there."""
    if await store.add_store(tx, new):
        await say_store(tx, new)
        return new
    known = await store.read_store(tx, new.store_id)
    if known is None:
        raise domain.CodeTaken(f"Another store has the code {new.code}: choose another one.")
    if not known.same_as(new):
        raise domain.IdTaken("Another store has this id: mint a new one.")
    return known


async def change_store(
    tx: AsyncConnection,
    store_id: UUID,
    changes: Mapping[str, Any],
    require: Callable[[int], None],
) -> Store | None:
    """Change the store's settings, if nobody changed it meanwhile; None when it is not there."""
    known = await store.lock_store(tx, store_id)
    if known is None:
        return None
    require(known.version)
    changed = replace(known, **changes)
    if changed.same_as(known):
        return known
    changed = replace(changed, version=known.version + 1)
    await store.write_store(tx, changed)
    await say_store(tx, changed)
    return changed


async def add_warehouse(tx: AsyncConnection, new: NewWarehouse) -> Warehouse:
    """Add the warehouse; the same one under its id again is the one that is there."""
    if new.kind == domain.TEMPORARY_STORAGE and new.parent_id is not None:
        # Before the store, as a batch does, whose first separate hold would make another one.
        await store.lock_warehouse(tx, new.parent_id)
    owner = await store.lock_store(tx, new.store_id)
    if owner is None:
        raise domain.UnknownStore("There is no such store: check the id.")
    known = await store.read_warehouse(tx, new.warehouse_id)
    if known is not None:
        return _same(known, new)
    siblings = await store.warehouses_of(tx, new.store_id)
    domain.check_place(new.kind, new.parent_id, siblings)
    codes = {one.code for one in siblings}
    if new.code is not None and new.code in codes:
        raise domain.CodeTaken(f"Another warehouse of the store has the code {new.code}.")
    code = new.code or domain.free_code(owner.code, codes)
    warehouse = Warehouse(
        new.warehouse_id, new.store_id, new.parent_id, code, new.name or code, new.kind
    )
    await store.add_warehouse(tx, warehouse)
    await touch_store(tx, owner)
    return warehouse


def _same(known: Warehouse, new: NewWarehouse) -> Warehouse:
    asked = replace(
        known,
        store_id=new.store_id,
        parent_id=new.parent_id,
        kind=new.kind,
        code=new.code or known.code,
        name=new.name or known.name,
    )
    if asked != known:
        raise domain.IdTaken("Another warehouse has this id: mint a new one.")
    return known


async def add_temporary_storage(
    tx: AsyncConnection, created: Iterable[tuple[UUID, UUID, UUID]]
) -> None:
    """Add what the first separate holds need: (id, below which warehouse, of which store)."""
    for warehouse_id, parent_id, store_id in sorted(created, key=lambda one: (one[2], one[1])):
        owner = await store.lock_store(tx, store_id)
        assert owner is not None
        siblings = await store.warehouses_of(tx, store_id)
        parent = next(one for one in siblings if one.warehouse_id == parent_id)
        code = domain.temporary_code(parent.code, {one.code for one in siblings})
        name = f"{parent.name}: temporary storage"
        kind = domain.TEMPORARY_STORAGE
        await store.add_warehouse(
            tx, Warehouse(warehouse_id, store_id, parent_id, code, name, kind)
        )
        await touch_store(tx, owner)


async def touch_store(tx: AsyncConnection, owner: Store) -> None:
    """Its warehouses changed: say the store anew."""
    changed = replace(owner, version=owner.version + 1)
    await store.write_store(tx, changed)
    await say_store(tx, changed)


async def say_store(tx: AsyncConnection, known: Store) -> None:
    """Tell everyone how the store is now, its warehouses included."""
    state = contract.StoreState.model_validate(
        {
            "store_id": known.store_id,
            "code": known.code,
            "name": known.name,
            "hold_method": known.hold_method,
            "held_goods_sale": known.held_goods_sale,
            "hold_days": known.hold_days,
            "warehouses": [
                {
                    "warehouse_id": one.warehouse_id,
                    "name": one.name,
                    "kind": one.kind,
                    "parent_id": one.parent_id,
                }
                for one in await store.warehouses_of(tx, known.store_id)
            ],
        }
    )
    await outbox.say(tx, [Said(state, known.version)])
