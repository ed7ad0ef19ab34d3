"""Each hand-over counts once, however often it is said; what is the same for every new order is
the table's to know, so that placing writes fewer values."""

from alembic import op

revision = "0003"
down_revision = "0002"

FIRST = {
    "orders": {
        **dict.fromkeys(("cancelled", "closed", "marked", "released"), "false"),
        **dict.fromkeys(("shipped_unpaid", "paid_unshipped"), "false"),
        **dict.fromkeys(("decided_revision", "paid", "refunded", "shipped_amount"), "0"),
        **dict.fromkeys(("version", "edition"), "1"),
    },
    "order_lines": dict.fromkeys(("held", "taken", "shipped", "shipped_amount"), "0"),
}


def upgrade() -> None:
    op.execute("""
    CREATE TABLE order_hand_overs (
      order_id UUID NOT NULL,
      shipment_id UUID NOT NULL,
      PRIMARY KEY (order_id, shipment_id)
    )""")
    for table, columns in FIRST.items():
        defaults = ", ".join(f"ALTER {name} SET DEFAULT {first}" for name, first in columns.items())
        op.execute(f"ALTER TABLE {table} {defaults}")
