"""Alembic's entry: everything is in the chassis."""

import sqlalchemy as sa
from chassis import migrations

metadata = sa.MetaData()
sa.Table("pings", metadata, sa.Column("order_id", sa.Uuid), sa.Column("shipment_id", sa.Uuid))
migrations.run(metadata)
