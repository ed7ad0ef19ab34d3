"""Alembic's entry: everything is in the chassis."""

from billing.tables import metadata
from chassis import migrations

migrations.run(metadata)
