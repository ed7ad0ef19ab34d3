"""Alembic's entry: everything is in the chassis."""

from chassis import migrations
from devices.store import metadata

migrations.run(metadata)
