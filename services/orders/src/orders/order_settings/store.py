"""The one row of settings."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.metadata import metadata
from orders.order_settings.domain import OrderSettings

order_settings = sa.Table(
    "order_settings",
    metadata,
    sa.Column("only", sa.Boolean, sa.CheckConstraint('"only"'), primary_key=True),
    sa.Column("prepayment_percent", sa.Numeric, nullable=False),
    sa.Column("first_status", JSONB, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)


async def read(tx: AsyncConnection, lock: bool = False) -> OrderSettings:
    """The settings as they are."""
    columns = [c for c in order_settings.c if c.name != "only"]
    question = sa.select(*columns)
    row = (await tx.execute(question.with_for_update() if lock else question)).one()
    return OrderSettings(**row._asdict())


async def update(tx: AsyncConnection, settings: OrderSettings) -> None:
    """Keep what changed; the caller holds the lock."""
    await tx.execute(
        sa.update(order_settings).values(
            prepayment_percent=settings.prepayment_percent,
            first_status=dict(settings.first_status),
            version=settings.version,
        )
    )
