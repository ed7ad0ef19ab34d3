"""A store with a warehouse to try holds in, and short words for what orders and shipping ask."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from chassis.database import Database
from chassis.ids import uuid7
from chassis.testing import Bench, bench, migrated_template, scratch_database
from contracts.inventory import (
    HoldGoods,
    HoldsFact,
    ReleaseGoods,
    TakeOut,
    TakeOutLine,
    WantedLine,
)
from contracts.orders import HoldMethod, ItemState
from inventory.app import service

PLACED = datetime(2026, 5, 1, 9, tzinfo=UTC)
ITEMS = {"TEA": "piece", "CUP": "piece", "RICE": "kg"}


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    yield from migrated_template("inventory", Path(__file__).parents[1])


@pytest.fixture
async def db(template: str) -> AsyncIterator[Database]:
    async with scratch_database(template) as db:
        yield db


@pytest.fixture
async def inventory(db: Database) -> AsyncIterator[Bench]:
    async with bench(service, db) as running:
        yield running


@dataclass(frozen=True)
class Line:
    line_id: UUID
    sku: str
    quantity: str


@dataclass
class Shop:
    """One store with one main warehouse that sells tea, cups and rice."""

    bench: Bench
    store_id: UUID
    warehouse_id: UUID
    placed: int = 0

    async def receive(self, quantity: str, sku: str = "TEA") -> None:
        body = {
            "warehouse_id": str(self.warehouse_id),
            "lines": [{"sku": sku, "quantity": quantity}],
        }
        answer = await self.bench.http.post("/receipts", json=body)
        assert answer.status_code == 201, answer.text

    def wish(
        self,
        *lines: Line,
        order_id: UUID | None = None,
        revision: int = 1,
        method: HoldMethod = "nominal",
        until: datetime | None = None,
        placed_at: datetime | None = None,
    ) -> HoldGoods:
        """What orders asks for; each call's order is placed a minute after the one before."""
        self.placed += 1
        return HoldGoods(
            order_id=order_id or uuid7(),
            revision=revision,
            store_id=self.store_id,
            warehouse_id=self.warehouse_id,
            method=method,
            until=until or datetime.now(UTC) + timedelta(days=3),
            placed_at=placed_at or PLACED + timedelta(minutes=self.placed),
            lines=tuple(
                WantedLine(line_id=one.line_id, sku=one.sku, quantity=Decimal(one.quantity))
                for one in lines
            ),
        )

    async def hold(self, *lines: Line, **terms: Any) -> UUID:
        wish = self.wish(*lines, **terms)
        await self.bench.deliver(wish)
        return wish.order_id

    async def release(self, order_id: UUID, revision: int = 2) -> None:
        await self.bench.deliver(
            ReleaseGoods(
                order_id=order_id,
                revision=revision,
                warehouse_id=self.warehouse_id,
                reason="cancelled",
            )
        )

    def take_out_of(
        self, order_id: UUID, *lines: Line, shipment_id: UUID | None = None, override: bool = False
    ) -> TakeOut:
        return TakeOut(
            shipment_id=shipment_id or uuid7(),
            order_id=order_id,
            store_id=self.store_id,
            warehouse_id=self.warehouse_id,
            lines=tuple(
                TakeOutLine(line_id=one.line_id, sku=one.sku, quantity=Decimal(one.quantity))
                for one in lines
            ),
            override=override,
            by="cashier",
        )

    async def take_out(self, order_id: UUID, *lines: Line, **more: Any) -> None:
        await self.bench.deliver(self.take_out_of(order_id, *lines, **more))

    async def settings(self, **changes: Any) -> None:
        answer = await self.bench.http.patch(
            f"/stores/{self.store_id}", json=changes, headers={"If-Match": "*"}
        )
        assert answer.status_code == 200, answer.text

    async def stock(self, sku: str = "TEA") -> dict[str, dict[str, str]]:
        """What GET /stock says, by kind of warehouse."""
        warehouses = (await self.bench.http.get("/warehouses")).json()["items"]
        kinds = {one["id"]: one["kind"] for one in warehouses}
        rows = (await self.bench.http.get("/stock", params={"sku": sku})).json()["items"]
        return {kinds[row["warehouse_id"]]: row for row in rows}

    async def last(self, order_id: UUID) -> HoldsFact:
        """The last thing said of the order's holds."""
        facts = [one for one in await self.bench.said(HoldsFact) if one.order_id == order_id]
        fact = facts[-1]
        assert isinstance(fact, HoldsFact)
        return fact

    async def held(self, order_id: UUID) -> list[str]:
        return [str(line.held) for line in (await self.last(order_id)).lines]


def tea(quantity: str, line_id: UUID | None = None) -> Line:
    return Line(line_id or uuid7(), "TEA", quantity)


@pytest.fixture
async def shop(inventory: Bench) -> Shop:
    await inventory.deliver(*(item(sku, unit) for sku, unit in ITEMS.items()))
    store = await inventory.http.post("/stores", json={"code": "S1", "name": "First"})
    body = {"store_id": store.json()["id"], "name": "Main"}
    warehouse = await inventory.http.post("/warehouses", json=body)
    assert warehouse.status_code == 201, warehouse.text
    return Shop(inventory, UUID(store.json()["id"]), UUID(warehouse.json()["id"]))


def item(sku: str, unit: str) -> ItemState:
    return ItemState(
        sku=sku,
        name=sku.title(),
        unit=unit,
        kind="listed",
        barcodes=(),
        tax_rate=Decimal(0),
        price=Decimal(1),
        currency="EUR",
    )


async def check_explained(db: Database) -> None:
    """Every unit of stock has its entry in the ledger, and held is the sum of open holds."""
    wrong = sa.text("""
    WITH moved AS (
      SELECT warehouse_id, sku, sum(quantity) AS quantity FROM stock_movement GROUP BY 1, 2),
    promised AS (
      SELECT CASE o.method WHEN 'nominal' THEN o.warehouse_id ELSE t.id END AS warehouse_id,
        l.sku, sum(l.held) AS held, sum(l.to_put_back) AS lying
      FROM hold_line l JOIN order_hold o USING (order_id)
      LEFT JOIN warehouses t ON t.parent_id = o.warehouse_id
      WHERE l.held > 0 OR l.to_put_back > 0 GROUP BY 1, 2)
    SELECT s.*, m.quantity, p.held AS promised FROM stock s
    LEFT JOIN moved m USING (warehouse_id, sku) LEFT JOIN promised p USING (warehouse_id, sku)
    JOIN warehouses w ON w.id = s.warehouse_id
    WHERE s.on_hand <> coalesce(m.quantity, 0) OR s.held <> coalesce(p.held, 0)
       OR (w.kind = 'temporary_storage' AND s.on_hand - s.held <> coalesce(p.lying, 0))""")
    async with db.reading() as tx:
        assert list(await tx.execute(wrong)) == []


def rows(answer: Any) -> Sequence[Any]:
    assert answer.status_code == 200, answer.text
    items: Sequence[Any] = answer.json()["items"]
    return items
