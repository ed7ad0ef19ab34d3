"""Tables of stores and warehouses, and one function per question or change."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.stores.domain import Store, Warehouse

metadata = sa.MetaData()

stores = sa.Table(
    "stores",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hold_method", sa.Text, nullable=False),
    sa.Column("held_goods_sale", sa.Text, nullable=False),
    sa.Column("hold_days", sa.SmallInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("code", name="stores_code"),
)
warehouses = sa.Table(
    "warehouses",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("store_id", sa.Uuid, sa.ForeignKey("stores.id"), nullable=False),
    sa.Column("parent_id", sa.Uuid, sa.ForeignKey("warehouses.id")),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.UniqueConstraint("store_id", "code", name="warehouses_code"),
    sa.Index(
        "one_temporary_storage",
        "parent_id",
        unique=True,
        postgresql_where=sa.text("kind = 'temporary_storage'"),
    ),
)
# Codes sort alike on every machine, whatever its language.
STORE_CODE = stores.c.code.collate("C")
WAREHOUSE_CODE = warehouses.c.code.collate("C")


def _store(row: sa.Row[Any]) -> Store:
    return Store(
        row.id, row.code, row.name, row.hold_method, row.held_goods_sale, row.hold_days, row.version
    )


def _warehouse(row: sa.Row[Any]) -> Warehouse:
    return Warehouse(row.id, row.store_id, row.parent_id, row.code, row.name, row.kind)


async def add_store(tx: AsyncConnection, store: Store) -> bool:
    """Whether it was added; False when its id or code is taken."""
    values = {
        "id": store.store_id,
        "code": store.code,
        "name": store.name,
        "hold_method": store.hold_method,
        "held_goods_sale": store.held_goods_sale,
        "hold_days": store.hold_days,
        "version": store.version,
    }
    done = await tx.execute(
        sa.text("""
        INSERT INTO stores(id, code, name, hold_method, held_goods_sale, hold_days, version)
        VALUES (:id, :code, :name, :hold_method, :held_goods_sale, :hold_days, :version)
        ON CONFLICT DO NOTHING"""),
        values,
    )
    return done.rowcount == 1


async def read_store(tx: AsyncConnection, store_id: UUID) -> Store | None:
    row = (await tx.execute(sa.select(stores).where(stores.c.id == store_id))).one_or_none()
    return None if row is None else _store(row)


async def lock_store(tx: AsyncConnection, store_id: UUID) -> Store | None:
    """The store, locked: nobody else changes it or its warehouses meanwhile."""
    query = sa.select(stores).where(stores.c.id == store_id).with_for_update(key_share=True)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _store(row)


async def write_store(tx: AsyncConnection, store: Store) -> None:
    await tx.execute(
        sa.update(stores)
        .where(stores.c.id == store.store_id)
        .values(
            name=store.name,
            hold_method=store.hold_method,
            held_goods_sale=store.held_goods_sale,
            hold_days=store.hold_days,
            version=store.version,
        )
    )


async def list_stores(
    tx: AsyncConnection,
    visible: Collection[UUID] | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Store]:
    """In order of the code, at most limit + 1."""
    query = sa.select(stores).order_by(STORE_CODE).limit(limit + 1)
    if visible is not None:
        query = query.where(stores.c.id.in_(visible))
    if after is not None:
        query = query.where(after[0] < STORE_CODE)
    return [_store(row) for row in await tx.execute(query)]


async def add_warehouse(tx: AsyncConnection, warehouse: Warehouse) -> None:
    await tx.execute(
        sa.insert(warehouses).values(
            id=warehouse.warehouse_id,
            store_id=warehouse.store_id,
            parent_id=warehouse.parent_id,
            code=warehouse.code,
            name=warehouse.name,
            kind=warehouse.kind,
        )
    )


async def read_warehouse(tx: AsyncConnection, warehouse_id: UUID) -> Warehouse | None:
    query = sa.select(warehouses).where(warehouses.c.id == warehouse_id)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _warehouse(row)


async def lock_warehouse(tx: AsyncConnection, warehouse_id: UUID) -> None:
    """Be its one writer: no batch holds goods in it, or makes storage below it, meanwhile."""
    row = sa.select(warehouses.c.id).where(warehouses.c.id == warehouse_id)
    await tx.execute(row.with_for_update(key_share=True))


async def warehouses_of(tx: AsyncConnection, store_id: UUID) -> list[Warehouse]:
    """All of one store, in order of the code."""
    query = sa.select(warehouses).where(warehouses.c.store_id == store_id).order_by(WAREHOUSE_CODE)
    return [_warehouse(row) for row in await tx.execute(query)]


async def list_warehouses(
    tx: AsyncConnection,
    visible: Collection[UUID] | None,
    store_id: UUID | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Warehouse]:
    """In order of the code, at most limit + 1."""
    query = sa.select(warehouses).order_by(WAREHOUSE_CODE, warehouses.c.id).limit(limit + 1)
    if visible is not None:
        query = query.where(warehouses.c.store_id.in_(visible))
    if store_id is not None:
        query = query.where(warehouses.c.store_id == store_id)
    if after is not None:
        place = sa.tuple_(WAREHOUSE_CODE, warehouses.c.id)
        query = query.where(place > sa.tuple_(after[0], after[1]))
    return [_warehouse(row) for row in await tx.execute(query)]
