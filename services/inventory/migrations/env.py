"""Alembic's entry: everything is in the chassis."""

from chassis import migrations
from inventory.schema import metadata

migrations.run(metadata)
