"""A hand-over says what was handed over before it, so that billing may hear of it in any order."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE shipments ADD COLUMN handed_over_before numeric")
    op.execute("""
    UPDATE shipments s SET handed_over_before = b.worth FROM (
      SELECT id, coalesce(sum(value) OVER (PARTITION BY order_id ORDER BY decided_at, id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS worth
      FROM shipments WHERE state = 'posted') AS b WHERE b.id = s.id""")


def downgrade() -> None:
    op.execute("ALTER TABLE shipments DROP COLUMN handed_over_before")
