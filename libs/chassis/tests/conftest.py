"""A tiny service to try the chassis on: it follows shipments and writes them down."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from chassis.database import Database
from chassis.ids import uuid7
from chassis.records import Received
from chassis.service import Service
from chassis.settings import DatabaseSettings
from chassis.subscriptions import Subscriptions
from chassis.testing import Bench, bench, migrated_template, scratch_database
from contracts import topics
from contracts.shipping import ShipmentPosted, ShipmentPosting, ShipmentRefused
from sqlalchemy.ext.asyncio import AsyncConnection

from .kafka import scratch_topic

FORBIDDEN_ORDER = UUID("01900000-0000-7000-8000-0000000000ff")
subscriptions = Subscriptions()


class ForbiddenOrder(Exception):
    """A rule of the tiny service: it refuses one order."""


@subscriptions.follow(
    topics.SHIPMENTS, handles=(ShipmentPosting, ShipmentPosted), ignores=(ShipmentRefused,)
)
async def write_down(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    for one in received:
        if one.message.order_id == FORBIDDEN_ORDER:
            raise ForbiddenOrder(str(FORBIDDEN_ORDER))
        await tx.execute(
            sa.text("INSERT INTO pings(order_id, shipment_id) VALUES (:o, :s)"),
            {"o": one.message.order_id, "s": one.message.shipment_id},
        )


pinger = Service("pinger", DatabaseSettings, routers=(), subscriptions=subscriptions.all)


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    yield from migrated_template("pinger", Path(__file__).parent / "pinger")


@pytest.fixture
async def db(template: str) -> AsyncIterator[Database]:
    async with scratch_database(template) as db:
        yield db


@pytest.fixture
async def pinging(db: Database) -> AsyncIterator[Bench]:
    async with bench(pinger, db) as running:
        yield running


def posting(order_id: UUID | None = None, shipment_id: UUID | None = None) -> ShipmentPosting:
    return ShipmentPosting(
        shipment_id=shipment_id or uuid7(),
        order_id=order_id or uuid7(),
        store_id=uuid7(),
        kind="hand_over",
        at=datetime.now(UTC),
        by="test",
    )


async def pings(db: Database) -> int:
    async with db.reading() as tx:
        return int((await tx.execute(sa.text("SELECT count(*) FROM pings"))).scalar_one())


@pytest.fixture
async def topic() -> AsyncIterator[str]:
    async with scratch_topic() as name:
        yield name


@pytest.fixture
async def name() -> AsyncIterator[str]:
    """A service's name that nobody else uses, with its commands topic."""
    own = f"pinger-{uuid4().hex[:6]}"
    async with scratch_topic(f"{own}.commands"):
        yield own
