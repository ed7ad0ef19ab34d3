"""The billing service on a real database, and the facts that others would say."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import hypothesis
import pytest
from billing.app import service
from chassis.database import Database
from chassis.ids import uuid7
from chassis.testing import Bench, bench, migrated_template, scratch_database
from contracts.inventory import StoreState
from contracts.orders import (
    CustomerState,
    HoldTerms,
    OrderCancelled,
    OrderChanged,
    OrderFact,
    OrderLine,
    OrderPlaced,
    Term,
)
from contracts.shipping import ShipmentPosted

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FOLDER = Path(__file__).parents[1]

# The same examples every time, however busy the machine is.
hypothesis.settings.register_profile("holdfast", derandomize=True, deadline=None)
hypothesis.settings.load_profile("holdfast")


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    yield from migrated_template("billing", FOLDER)


@pytest.fixture
async def db(template: str) -> AsyncIterator[Database]:
    async with scratch_database(template) as db:
        yield db


@pytest.fixture
async def billing(db: Database) -> AsyncIterator[Bench]:
    async with bench(service, db) as running:
        yield running


@dataclass(frozen=True)
class Shop:
    """One store that billing knows, and what happens in it."""

    bench: Bench
    store_id: UUID

    async def order(
        self, total: str | Decimal = "1000", terms: tuple[tuple[str, str], ...] = (), **own: Any
    ) -> UUID:
        """An order of this store, as the orders service says it."""
        placed = order_placed(self.store_id, Decimal(total), terms, **own)
        await self.bench.deliver(placed)
        return placed.order_id

    async def change(self, order_id: UUID, total: str) -> None:
        """The order is worth this from now on."""
        await self.bench.deliver(order_changed(order_id, self.store_id, Decimal(total)))

    async def cancel_order(self, order_id: UUID) -> None:
        """The order is cancelled, as the orders service says it."""
        await self.bench.deliver(order_cancelled(order_id, self.store_id))

    async def pay(
        self, order_id: UUID, amount: str, document_id: str | None = None, **own: Any
    ) -> dict[str, Any]:
        """A payment that is taken; its answer."""
        answer = await self.post_payment(order_id, amount, document_id, **own)
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def post_payment(
        self, order_id: UUID, amount: str, document_id: str | None = None, **own: Any
    ) -> httpx.Response:
        body = {
            "order_id": str(order_id),
            "amount": amount,
            "method": "cash",
            "store_id": str(self.store_id),
            **own,
        }
        if document_id is not None:
            body["document_id"] = document_id
        return await self.bench.http.post("/payments", json=body)

    async def hand_over(self, order_id: UUID, value: str, left_before: str, **own: Any) -> None:
        """Goods worth `value` leave, of what was left to hand over before."""
        await self.bench.deliver(
            shipment_posted(order_id, self.store_id, value, left_before, **own)
        )

    async def refund(self, order_id: UUID, amount: str, **own: Any) -> httpx.Response:
        body = {
            "order_id": str(order_id),
            "amount": amount,
            "method": "cash",
            "store_id": str(self.store_id),
            **own,
        }
        return await self.bench.http.post("/refunds", json=body)

    async def cancel(self, payment: dict[str, Any], reason: str = "mistyped") -> httpx.Response:
        return await self.bench.http.post(
            f"/payments/{payment['id']}/cancel", json={"reason": reason}
        )

    async def document(self, order_id: UUID, kind: str, **own: Any) -> dict[str, Any]:
        """A document that is issued; its answer."""
        answer = await self.post_document(order_id, kind, **own)
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def post_document(self, order_id: UUID, kind: str, **own: Any) -> httpx.Response:
        body = {"order_id": str(order_id), "kind": kind, **own}
        return await self.bench.http.post("/documents", json=body)

    async def read_document(self, document: dict[str, Any]) -> dict[str, Any]:
        answer = await self.bench.http.get(f"/documents/{document['id']}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def figures(self, order_id: UUID) -> dict[str, Decimal]:
        """The order's balances, as the newest fact of its account says them."""
        said = [one for one in await self.bench.said() if getattr(one, "order_id", 0) == order_id]
        newest = [one for one in said if hasattr(one, "deposit_left")][-1]
        names = ("paid", "deposit_left", "due_now", "refunded")
        return {name: getattr(newest, name) for name in names}


@pytest.fixture
async def shop(billing: Bench) -> Shop:
    return await open_shop(billing, "S1", "Corner Shop")


async def open_shop(billing: Bench, code: str, name: str) -> Shop:
    """Another store that billing hears of."""
    state = StoreState(
        store_id=uuid7(),
        code=code,
        name=name,
        hold_method="separate",
        held_goods_sale="warn",
        hold_days=3,
        warehouses=(),
    )
    await billing.deliver(state)
    return Shop(billing, state.store_id)


def order_placed(
    store_id: UUID,
    total: Decimal,
    terms: tuple[tuple[str, str], ...] = (),
    *,
    order_id: UUID | None = None,
    customer_id: UUID | None = None,
    customer_key: str | None = None,
    currency: str = "EUR",
    lines: tuple[OrderLine, ...] | None = None,
    number: str = "S1-000042",
) -> OrderPlaced:
    """An order as the orders service says it; terms are (date, amount)."""
    return OrderPlaced(
        order_id=order_id or uuid7(),
        store_id=store_id,
        number=number,
        status="agreed",
        financial_status="unpaid",
        currency=currency,
        total=total,
        paid=Decimal(0),
        changed=("placed",),
        at=NOW,
        by="clerk",
        channel="counter",
        customer_id=customer_id,
        customer_key=customer_key or (str(customer_id) if customer_id else None),
        placed_at=NOW,
        prepayment_proposed=total / 2,
        prepayment=total / 2,
        terms=tuple(
            Term(term_id=uuid7(), due_on=date.fromisoformat(due_on), amount=Decimal(amount))
            for due_on, amount in terms
        ),
        hold=HoldTerms(method="separate", warehouse_id=uuid7(), until=NOW),
        notify=True,
        revision=1,
        lines=(line(1, "Oak chair", "1", total),) if lines is None else lines,
    )


def line(
    position: int,
    description: str,
    quantity: str,
    unit_price: Decimal,
    tax_rate: str = "20",
    unit: str = "piece",
) -> OrderLine:
    amount = (Decimal(quantity) * unit_price).quantize(Decimal("0.01"))
    return OrderLine(
        line_id=uuid7(),
        position=position,
        sku=f"SKU-{position}",
        description=description,
        unit=unit,
        quantity=Decimal(quantity),
        unit_price=unit_price,
        amount=amount,
        tax_rate=Decimal(tax_rate),
    )


def order_fact(kind: type[OrderFact], order_id: UUID, store_id: UUID, **own: Any) -> OrderFact:
    """What the orders service says of an order of which nothing is paid."""
    return kind(
        order_id=order_id,
        store_id=store_id,
        number="S1-000042",
        financial_status="unpaid",
        currency="EUR",
        paid=Decimal(0),
        at=NOW,
        by="clerk",
        **own,
    )


def order_cancelled(order_id: UUID, store_id: UUID) -> OrderFact:
    own: dict[str, Any] = {"status": "cancelled", "changed": ("status",), "reason": "changed mind"}
    return order_fact(OrderCancelled, order_id, store_id, total=Decimal(0), **own)


def order_changed(order_id: UUID, store_id: UUID, total: Decimal) -> OrderFact:
    own: dict[str, Any] = {"status": "agreed", "changed": ("lines",), "prepayment": Decimal(0)}
    lines = (line(1, "Chair", "1", total),)
    return order_fact(OrderChanged, order_id, store_id, total=total, revision=2, lines=lines, **own)


def shipment_posted(
    order_id: UUID,
    store_id: UUID,
    value: str,
    left_before: str,
    currency: str = "EUR",
    handed_over_before: str | None = None,
) -> ShipmentPosted:
    return ShipmentPosted(
        shipment_id=uuid7(),
        order_id=order_id,
        store_id=store_id,
        kind="hand_over",
        at=NOW,
        by="clerk",
        currency=currency,
        lines=(),
        value=Decimal(value),
        left_before=Decimal(left_before),
        handed_over_before=None if handed_over_before is None else Decimal(handed_over_before),
    )


def customer_state(key: str, name: str, language: str) -> CustomerState:
    return CustomerState(
        customer_key=key, customer_id=None, name=name, phone=None, email=None, language=language
    )
