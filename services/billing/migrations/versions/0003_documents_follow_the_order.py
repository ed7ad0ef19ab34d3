"""A document asks for no more than its order is worth."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE document ADD COLUMN credited numeric NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE document DROP COLUMN credited")
