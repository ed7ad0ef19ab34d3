"""A store, its warehouse, items and customers to take orders with."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from chassis.database import Database
from chassis.ids import uuid7
from chassis.testing import (
    Bench,
    bench,
    migrated_template,
    postgres_url,
    scratch_database,
)
from contracts.billing import PaymentPosted, RefundPosted
from contracts.inventory import HoldLine, HoldsDecided, StoreState, Warehouse
from contracts.shipping import ShipmentPosted, ShipmentPosting, ShippedLine
from orders.app import service
from sqlalchemy.engine import make_url

STORE = UUID("01900000-0000-7000-8000-00000000a001")
OTHER_STORE = UUID("01900000-0000-7000-8000-00000000a002")
MAIN = UUID("01900000-0000-7000-8000-00000000b001")
TEMPORARY = UUID("01900000-0000-7000-8000-00000000b002")
OTHER_MAIN = UUID("01900000-0000-7000-8000-00000000b003")
UNKNOWN = UUID("7a1d2c3e-0000-4000-8000-000000000001")  # Not fresh: nobody waits for it.


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    yield from migrated_template("orders", Path(__file__).parents[1])


@pytest.fixture(scope="session")
def shop_template(template: str) -> Iterator[str]:
    """A database that knows two stores and two items, to copy for each test."""
    name = f"{template}_shop"
    asyncio.run(_execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        asyncio.run(_stock(name))
        yield name
    finally:
        asyncio.run(_execute(f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(statement: str) -> None:
    connection = await asyncpg.connect(postgres_url())
    await connection.execute(statement)
    await connection.close()


async def _stock(name: str) -> None:
    url = make_url(postgres_url()).set(database=name, drivername="postgresql+asyncpg")
    db = Database(url.render_as_string(hide_password=False), "test")
    async with bench(service, db) as running:
        await running.deliver(store_state(STORE, "S1", MAIN, TEMPORARY), store_state())
        for sku, unit, price in (("TEA", "piece", "200"), ("RICE", "kg", "1.2345")):
            await add_item(running, sku, unit, price)
    await db.close()


@pytest.fixture
async def shop(shop_template: str) -> AsyncIterator[Bench]:
    """The service, knowing two stores and two items."""
    async with scratch_database(shop_template) as db, bench(service, db) as running:
        yield running


def store_state(
    id: UUID = OTHER_STORE,
    code: str = "S2",
    main: UUID = OTHER_MAIN,
    temporary: UUID | None = None,
    **changes: Any,
) -> StoreState:
    warehouses = [Warehouse(warehouse_id=main, name="Main", kind="main", parent_id=None)]
    if temporary is not None:
        warehouses.append(
            Warehouse(warehouse_id=temporary, name="Held", kind="temporary_storage", parent_id=main)
        )
    values: dict[str, Any] = {
        "store_id": id,
        "code": code,
        "name": code,
        "hold_method": "nominal",
        "held_goods_sale": "warn",
        "hold_days": 3,
        "warehouses": tuple(warehouses),
    }
    return StoreState(**{**values, **changes})


async def add_item(shop: Bench, sku: str, unit: str = "piece", price: str = "10.00") -> Any:
    body = {"sku": sku, "name": f"{sku} of the best", "unit": unit, "price": price}
    answer = await shop.http.post("/items", json={**body, "currency": "EUR"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def order_body(*lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An order of 5 TEA at 200, total 1,000, unless said otherwise."""
    body: dict[str, Any] = {
        "store_id": str(STORE),
        "channel": "counter",
        "lines": list(lines) or [{"sku": "TEA", "quantity": "5"}],
        "hold": {"method": "nominal", "warehouse_id": str(MAIN)},
    }
    return {**body, **changes}


async def take(shop: Bench, *lines: dict[str, Any], **changes: Any) -> Any:
    """Place an order at the counter; the answer's body."""
    answer = await shop.http.post("/orders", json=order_body(*lines, **changes))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def see(shop: Bench, order: Any) -> Any:
    answer = await shop.http.get(f"/orders/{order['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def decided(
    order: Any, *held: str, revision: int = 1, released: bool = False, taken: str = "0"
) -> HoldsDecided:
    """Inventory holds this much of each line; all of it when nothing is said."""
    lines = []
    for n, line in enumerate(order["lines"]):
        wanted = Decimal(0) if released else Decimal(line["quantity"])
        much = Decimal(held[n]) if held else wanted
        lines.append(
            HoldLine(
                line_id=line["id"], sku=line["sku"], wanted=wanted, held=much, taken=Decimal(taken)
            )
        )
    return HoldsDecided(
        order_id=order["id"],
        revision=revision,
        warehouse_id=MAIN,
        method="nominal",
        until=datetime.now(UTC) + timedelta(days=3),
        released=released,
        lines=tuple(lines),
        at=datetime.now(UTC),
    )


def money(order: Any, paid: str, amount: str = "", refunded: str = "0") -> dict[str, Any]:
    return {
        "order_id": order["id"],
        "currency": "EUR",
        "paid": paid,
        "deposit_left": "0",
        "due_now": "0",
        "refunded": refunded,
        "at": datetime.now(UTC),
        "by": "cashier",
        "amount": amount or paid,
        "method": "cash",
        "store_id": STORE,
    }


def paid(order: Any, paid: str, amount: str = "", deposit_left: str = "0") -> PaymentPosted:
    """Billing posted a payment; `paid` is all that is paid by now, some of it perhaps deposit."""
    figures = {**money(order, paid, amount), "deposit_left": deposit_left}
    return PaymentPosted(**figures, payment_id=uuid7(), document_id=None)


def refunded(order: Any, left: str, amount: str) -> RefundPosted:
    return RefundPosted(**money(order, left, amount, amount), refund_id=uuid7())


def shipment(order: Any, **more: Any) -> dict[str, Any]:
    return {
        "shipment_id": uuid7(),
        "order_id": order["id"],
        "store_id": STORE,
        "kind": "hand_over",
        "at": datetime.now(UTC),
        "by": "cashier",
        **more,
    }


def posting(order: Any, shipment_id: UUID) -> ShipmentPosting:
    return ShipmentPosting(**shipment(order, shipment_id=shipment_id))


def shipped(
    order: Any, quantity: str, amount: str, line: int = 0, shipment_id: UUID | None = None
) -> ShipmentPosted:
    """Shipping posted a hand-over of a part of a line."""
    part = ShippedLine(
        line_id=order["lines"][line]["id"], quantity=Decimal(quantity), amount=Decimal(amount)
    )
    return ShipmentPosted(
        **shipment(order, shipment_id=shipment_id or uuid7()),
        currency="EUR",
        lines=(part,),
        value=Decimal(amount),
        left_before=Decimal(order["total"]),
    )
