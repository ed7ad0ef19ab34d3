"""Tables of holds, transfers and take-outs."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from inventory.stock.store import QUANTITY
from inventory.stores.store import metadata

order_hold = sa.Table(
    "order_hold",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("store_id", sa.Uuid, nullable=False),
    sa.Column("warehouse_id", sa.Uuid, sa.ForeignKey("warehouses.id"), nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("until", sa.DateTime(timezone=True)),
    sa.Column("placed_at", sa.DateTime(timezone=True)),
    sa.Column("released", sa.Boolean, nullable=False),
    sa.Column("remind_at", sa.DateTime(timezone=True)),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Index(
        "order_hold_remind_at", "remind_at", postgresql_where=sa.text("remind_at IS NOT NULL")
    ),
)
# warehouse_id, placed_at and awaiting are kept here too: the queue of a spot is one index scan.
hold_line = sa.Table(
    "hold_line",
    metadata,
    sa.Column("order_id", sa.Uuid, sa.ForeignKey("order_hold.order_id"), primary_key=True),
    sa.Column("line_id", sa.Uuid, primary_key=True),
    sa.Column("warehouse_id", sa.Uuid, nullable=False),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("placed_at", sa.DateTime(timezone=True)),
    sa.Column("wanted", QUANTITY, nullable=False),
    sa.Column("held", QUANTITY, nullable=False),
    sa.Column("taken", QUANTITY, nullable=False),
    sa.Column("to_put_back", QUANTITY, nullable=False),
    sa.Column("given_up", sa.Boolean, nullable=False),
    sa.Column("awaiting", QUANTITY, nullable=False),
    sa.Index("hold_line_line", "line_id"),
    sa.Index("hold_line_held", "warehouse_id", "sku", postgresql_where=sa.text("held > 0")),
    sa.Index(
        "hold_line_awaiting",
        "warehouse_id",
        "sku",
        "placed_at",
        "order_id",
        "position",
        postgresql_where=sa.text("awaiting > 0"),
    ),
    sa.Index(
        "hold_line_to_put_back",
        "order_id",
        "line_id",
        postgresql_where=sa.text("to_put_back > 0"),
    ),
)
transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("from_warehouse_id", sa.Uuid, sa.ForeignKey("warehouses.id"), nullable=False),
    sa.Column("to_warehouse_id", sa.Uuid, sa.ForeignKey("warehouses.id"), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("transfers_order", "order_id", "id"),
)
transfer_lines = sa.Table(
    "transfer_lines",
    metadata,
    sa.Column("transfer_id", sa.Uuid, sa.ForeignKey("transfers.id"), primary_key=True),
    sa.Column("line_id", sa.Uuid, primary_key=True),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("quantity", QUANTITY, nullable=False),
)
# What each shipment was answered: asked again, it gets the same answer.
take_outs = sa.Table(
    "take_outs",
    metadata,
    sa.Column("shipment_id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("refused", sa.Text),
    sa.Column("lines", JSONB, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)
