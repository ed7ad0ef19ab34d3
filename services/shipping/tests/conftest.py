"""Shipping on a scratch database, and the facts of the services around it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.ids import uuid7
from chassis.testing import Bench, bench, migrated_template, record_of, scratch_database
from contracts.billing import HandOverSettled
from contracts.inventory import GoodsTaken, StoreState, TakeOut, TakeOutRefused, Warehouse
from contracts.message import Message
from contracts.money import line_amount
from contracts.orders import (
    HoldTerms,
    MainStatus,
    OrderAgreed,
    OrderCancelled,
    OrderChanged,
    OrderClosed,
    OrderLine,
    OrderMarked,
    OrderPlaced,
    OrderRestored,
)
from shipping.app import service

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    yield from migrated_template("shipping", Path(__file__).parents[1])


@pytest.fixture
async def db(template: str) -> AsyncIterator[Database]:
    async with scratch_database(template) as db:
        yield db


@pytest.fixture
async def shipping(db: Database) -> AsyncIterator[Bench]:
    async with bench(service, db) as running:
        yield running


def line(
    quantity: str = "5", unit_price: str = "200", unit: str = "piece", line_id: UUID | None = None
) -> OrderLine:
    amount = line_amount(Decimal(quantity), Decimal(unit_price), "EUR")
    return OrderLine(
        line_id=line_id or uuid7(),
        position=1,
        sku="SKU-1",
        description="A thing",
        unit=unit,
        quantity=Decimal(quantity),
        unit_price=Decimal(unit_price),
        amount=amount,
        tax_rate=Decimal("20"),
    )


@dataclass
class Placed:
    """An order as the orders service speaks of it."""

    lines: Sequence[OrderLine] = field(default_factory=lambda: [line()])
    status: MainStatus = "agreed"
    store_id: UUID = field(default_factory=uuid7)
    warehouse_id: UUID = field(default_factory=uuid7)
    order_id: UUID = field(default_factory=uuid7)

    def head(self) -> dict[str, Any]:
        return {
            "order_id": self.order_id,
            "store_id": self.store_id,
            "number": "1",
            "status": self.status,
            "financial_status": "unpaid",
            "currency": "EUR",
            "total": sum((one.amount for one in self.lines), Decimal(0)),
            "paid": Decimal(0),
            "changed": (),
            "at": NOW,
            "by": "test",
        }

    def placed(self) -> OrderPlaced:
        return OrderPlaced(
            **self.head(),
            channel="counter",
            customer_id=None,
            customer_key=None,
            placed_at=NOW,
            prepayment_proposed=Decimal(0),
            prepayment=Decimal(0),
            terms=(),
            hold=HoldTerms(method="nominal", warehouse_id=self.warehouse_id, until=NOW),
            notify=False,
            revision=1,
            lines=tuple(self.lines),
        )

    def agreed(self) -> OrderAgreed:
        self.status = "agreed"
        return OrderAgreed(**self.head())

    def cancelled(self) -> OrderCancelled:
        self.status = "cancelled"
        return OrderCancelled(**self.head(), reason="changed their mind")

    def changed(self, lines: Sequence[OrderLine]) -> OrderChanged:
        self.lines = lines
        return OrderChanged(
            **self.head(), prepayment=Decimal(0), revision=2, lines=tuple(self.lines)
        )

    def closed(self, lines: Sequence[OrderLine]) -> OrderClosed:
        self.lines, self.status = lines, "closed"
        return OrderClosed(**self.head(), reason="rest not wanted", revision=3, lines=tuple(lines))

    def marked(self) -> OrderMarked:
        return OrderMarked(**self.head(), reason="typed twice")

    def restored(self) -> OrderRestored:
        return OrderRestored(**self.head(), revision=3)


def store_state(store_id: UUID, *warehouse_ids: UUID) -> StoreState:
    return StoreState(
        store_id=store_id,
        code="S1",
        name="Store",
        hold_method="nominal",
        held_goods_sale="warn",
        hold_days=3,
        warehouses=tuple(
            Warehouse(warehouse_id=id, name="Main", kind="main", parent_id=None)
            for id in warehouse_ids
        ),
    )


def wish(order: Placed, *quantities: str, **more: Any) -> dict[str, Any]:
    """The body of a shipment of the order's lines, in their order."""
    return {
        "order_id": str(order.order_id),
        "kind": "hand_over",
        "lines": [
            {"line_id": str(one.line_id), "quantity": quantity}
            for one, quantity in zip(order.lines, quantities, strict=False)
        ],
        **more,
    }


async def drafted(shipping: Bench, order: Placed, *quantities: str, **more: Any) -> dict[str, Any]:
    answer = await shipping.http.post("/shipments", json=wish(order, *quantities, **more))
    assert answer.status_code == 201, answer.text
    shipment: dict[str, Any] = answer.json()
    return shipment


async def post(
    shipping: Bench, shipment: dict[str, Any], wait: int | None = None, **more: Any
) -> httpx.Response:
    headers = {} if wait is None else {"Prefer": f"wait={wait}"}
    return await shipping.http.post(f"/shipments/{shipment['id']}/post", headers=headers, **more)


async def read(shipping: Bench, shipment: dict[str, Any]) -> dict[str, Any]:
    answer = await shipping.http.get(f"/shipments/{shipment['id']}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def taken(wanted: TakeOut) -> GoodsTaken:
    """Inventory's answer when the goods were there."""
    return GoodsTaken(
        order_id=wanted.order_id,
        revision=1,
        warehouse_id=wanted.warehouse_id,
        method="nominal",
        until=None,
        released=False,
        lines=(),
        at=NOW,
        shipment_id=wanted.shipment_id,
        taken=wanted.lines,
    )


def refused(wanted: TakeOut, available: str = "1") -> TakeOutRefused:
    """Inventory's answer when they were not."""
    return TakeOutRefused(
        order_id=wanted.order_id,
        shipment_id=wanted.shipment_id,
        reason="goods_missing",
        shortages=tuple(
            {
                "line_id": one.line_id,
                "sku": one.sku,
                "wanted": one.quantity,
                "available": Decimal(available),
            }
            for one in wanted.lines
        ),
        at=NOW,
    )


def settlement(shipment_id: UUID, order_id: UUID, due_now: str, consumed: str) -> HandOverSettled:
    return HandOverSettled(
        order_id=order_id,
        currency="EUR",
        paid=Decimal(0),
        deposit_left=Decimal(0),
        due_now=Decimal(due_now),
        refunded=Decimal(0),
        at=NOW,
        by="billing",
        shipment_id=shipment_id,
        value=Decimal(0),
        consumed=Decimal(consumed),
    )


async def deliver_together(shipping: Bench, messages: Sequence[Message]) -> None:
    """One batch for each subscriber of the topic, as Kafka gives it when much has piled up."""
    numbers: dict[str, int] = {}
    records = []
    for message in messages:
        seen = numbers.get(message.subject)
        number = await shipping._next_version(message) if seen is None else seen + 1
        numbers[message.subject] = number
        records.append(record_of(message, number))
    for subscription in service.subscriptions:
        mine = [record for record in records if record.topic == subscription.topic]
        if mine:
            await Consumer("shipping", subscription, shipping.db).consume(mine)


async def until_somebody_waits(shipping: Bench) -> None:
    """Until a request has found that it is early, and waits for news."""
    async with asyncio.timeout(10):
        while True:
            if shipping.db.changes._watchers:
                return
            await asyncio.sleep(0.01)


async def asked_for(shipping: Bench, count: int = 1) -> TakeOut:
    """The newest take-out, once as many were asked for."""
    async with asyncio.timeout(10):
        while True:
            wanted: list[TakeOut] = await shipping.said(TakeOut)
            if len(wanted) >= count:
                return wanted[-1]
            await asyncio.sleep(0.02)
