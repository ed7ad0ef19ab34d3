"""Copies of stores and warehouses."""

from collections.abc import Sequence

import sqlalchemy as sa
from contracts.inventory import StoreState
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.metadata import metadata

stores = sa.Table(
    "stores",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hold_method", sa.Text, nullable=False),
    sa.Column("hold_days", sa.Integer, nullable=False),
)
warehouses = sa.Table(
    "warehouses",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("store_id", sa.Uuid, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
)
KEEP_STORES = sa.text("""
INSERT INTO stores(id, code, name, hold_method, hold_days)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[]), CAST(:names AS text[]),
                     CAST(:methods AS text[]), CAST(:days AS int[])) AS u(id) ORDER BY id
ON CONFLICT (id) DO UPDATE SET code = excluded.code, name = excluded.name,
  hold_method = excluded.hold_method, hold_days = excluded.hold_days""")
KEEP_WAREHOUSES = sa.text("""
INSERT INTO warehouses(id, store_id, name, kind)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:stores AS uuid[]), CAST(:names AS text[]),
                     CAST(:kinds AS text[])) AS u(id) ORDER BY id
ON CONFLICT (id) DO UPDATE SET store_id = excluded.store_id, name = excluded.name,
  kind = excluded.kind""")


async def keep(tx: AsyncConnection, states: Sequence[StoreState]) -> None:
    """Keep the newest state of each store, and its warehouses. One state a store."""
    await tx.execute(
        KEEP_STORES,
        {
            "ids": [state.store_id for state in states],
            "codes": [state.code for state in states],
            "names": [state.name for state in states],
            "methods": [state.hold_method for state in states],
            "days": [state.hold_days for state in states],
        },
    )
    found = {w.warehouse_id: (state, w) for state in states for w in state.warehouses}
    await tx.execute(
        KEEP_WAREHOUSES,
        {
            "ids": list(found),
            "stores": [state.store_id for state, _ in found.values()],
            "names": [warehouse.name for _, warehouse in found.values()],
            "kinds": [warehouse.kind for _, warehouse in found.values()],
        },
    )
