"""The plumbing, and a table to write into."""

from alembic import op
from chassis import plumbing

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(plumbing.CREATE)
    op.execute("CREATE TABLE pings(order_id uuid, shipment_id uuid)")
