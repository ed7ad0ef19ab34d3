"""The service on a database of the test's own, and facts as the other services say them."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from chassis.database import Database
from chassis.ids import uuid7
from chassis.testing import Bench, bench, migrated_template, scratch_database
from contracts.inventory import HoldEnding, HoldsChanged, StoreState
from contracts.orders import (
    CustomerState,
    HoldTerms,
    LineProgress,
    OrderChanged,
    OrderLine,
    OrderPlaced,
    OrderProgressed,
)
from notifications.app import service

NOW = datetime(2026, 5, 7, 9, 30, tzinfo=UTC)
UNTIL = datetime(2026, 5, 10, 18, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    yield from migrated_template("notifications", Path(__file__).parents[1])


@pytest.fixture
async def db(template: str) -> AsyncIterator[Database]:
    async with scratch_database(template) as db:
        yield db


@pytest.fixture
async def desk(db: Database) -> AsyncIterator[Bench]:
    async with bench(service, db) as running:
        yield running


class Purchase:
    """One customer's order and what is said of it."""

    def __init__(
        self, number: str = "10045", card: bool = True, notify: bool = True, key: bool = True
    ) -> None:
        self.order_id, self.store_id, self.line_id = uuid7(), uuid7(), uuid7()
        self.number, self.notify = number, notify
        self.customer_id: UUID | None = uuid7() if card else None
        self.customer_key = str(self.customer_id or self.order_id) if key else None

    def head(self, changed: tuple[str, ...], **said: Any) -> dict[str, Any]:
        head = {
            "order_id": self.order_id,
            "store_id": self.store_id,
            "number": self.number,
            "status": "agreed",
            "financial_status": "unpaid",
            "currency": "EUR",
            "total": Decimal("1000.00"),
            "paid": Decimal("0.00"),
            "changed": changed,
            "at": NOW,
            "by": "test",
        }
        return head | said

    def lines(self, quantity: int = 5) -> tuple[OrderLine, ...]:
        return (
            OrderLine(
                line_id=self.line_id,
                position=1,
                sku="BEANS",
                description="Espresso beans",
                unit="piece",
                quantity=Decimal(quantity),
                unit_price=Decimal(200),
                amount=Decimal(200 * quantity),
                tax_rate=Decimal(20),
            ),
        )

    def placed(self, **said: Any) -> OrderPlaced:
        return OrderPlaced(
            **self.head(("placed",), **said),
            channel="counter",
            customer_id=self.customer_id,
            customer_key=self.customer_key,
            placed_at=NOW,
            prepayment_proposed=Decimal("500.00"),
            prepayment=Decimal("500.00"),
            terms=(),
            hold=HoldTerms(method="separate", warehouse_id=uuid7(), until=UNTIL),
            notify=self.notify,
            revision=1,
            lines=self.lines(),
        )

    def lines_changed(self, quantity: int = 4, **said: Any) -> OrderChanged:
        said = {"total": Decimal(200 * quantity)} | said
        return OrderChanged(
            **self.head(("lines",), **said),
            prepayment=Decimal("500.00"),
            revision=2,
            lines=self.lines(quantity),
        )

    def progressed(
        self, changed: tuple[str, ...] = ("status",), shipped: int = 0, **said: Any
    ) -> OrderProgressed:
        progress = LineProgress(
            line_id=self.line_id,
            held=Decimal(5 - shipped),
            awaiting=Decimal(0),
            shipped=Decimal(shipped),
        )
        return OrderProgressed(**self.head(changed, **said), lines=(progress,))

    def card(self, email: str | None = "aino@home.example", language: str = "en") -> CustomerState:
        assert self.customer_key is not None
        return CustomerState(
            customer_key=self.customer_key,
            customer_id=self.customer_id,
            name="Aino Virtanen",
            phone=None,
            email=email,
            language=language,
        )

    def store(self, name: str = "Riverside") -> StoreState:
        return StoreState(
            store_id=self.store_id,
            code="S01",
            name=name,
            hold_method="separate",
            held_goods_sale="warn",
            hold_days=3,
            warehouses=(),
        )

    def hold_ending(self, ended: bool = False) -> HoldEnding:
        return HoldEnding(
            order_id=self.order_id, store_id=self.store_id, until=UNTIL, ended=ended, at=NOW
        )

    def extended(self, until: datetime) -> HoldsChanged:
        return HoldsChanged(
            order_id=self.order_id,
            revision=1,
            warehouse_id=uuid7(),
            method="separate",
            until=until,
            released=False,
            lines=(),
            at=NOW,
            cause="extended",
        )


async def told(desk: Bench, order_id: UUID) -> list[dict[str, Any]]:
    """What the order's customer was told, as staff read it."""
    answer = await desk.http.get("/messages", params={"order_id": str(order_id)})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def subjects(messages: list[dict[str, Any]], channel: str) -> list[str]:
    """The subjects of one channel, in order."""
    return [one["subject"] for one in messages if one["channel"] == channel]
