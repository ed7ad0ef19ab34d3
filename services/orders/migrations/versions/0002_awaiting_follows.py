"""What a line awaits follows from its quantity and its holds: it is kept no more."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE order_lines DROP COLUMN awaiting")
