"""Alembic's entry: everything is in the chassis."""

from chassis import migrations
from shipping.store import metadata

migrations.run(metadata)
