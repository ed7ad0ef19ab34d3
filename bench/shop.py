"""A real trading day as the load: its stores, goods and customers, and orders of three lines.

The limit is measured with three lines an order, so each real basket is cut into orders of three
lines; what is left of it, one or two lines, is not used. Everything else is the demo's own rule.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import uuid_utils
from demo.days import TYPICAL_DAY, Basket, Days, Line, Product, read_days
from demo.money import CURRENCY
from demo.plan import Household, Plan, Settings, hold_method, plan_order
from demo.setup import Places

from bench.client import Api, Body

LINES = 3
AT_ONCE = 16
RECEIPT_LINES_MAX = 2_000
PIECES = "100000"  # Of each product in each store: no order of the load ever waits for goods.
SHORT_BASKETS = 12


@dataclass(frozen=True)
class Sale:
    """One order to be made again and again: what is sent, and what its plan says of its money."""

    plan: Plan
    body: Body


@dataclass(frozen=True)
class Shop:
    """What was opened, and the sales that go round."""

    sales: Sequence[Sale]
    places: Places

    def orders(self) -> Iterator[tuple[Sale, Body]]:
        """The sales in turn for ever, each time as an order with an id of its own."""
        for sale in itertools.cycle(self.sales):
            yield sale, {**sale.body, "id": new_id()}


def new_id() -> str:
    """A fresh UUIDv7, as a client mints it."""
    return str(uuid_utils.uuid7())


def cut(baskets: Iterable[Basket]) -> Iterator[Basket]:
    """Each basket in orders of three lines, in the order of the data."""
    for basket in baskets:
        for begin in range(0, len(basket.lines) - LINES + 1, LINES):
            yield replace(basket, lines=basket.lines[begin : begin + LINES])


def a_day(short: bool) -> Days:
    """The demo's typical day; of a short run its first baskets of three lines or more."""
    days = read_days(TYPICAL_DAY, 1)
    baskets = [basket for basket in days.baskets if len(basket.lines) >= LINES]
    return replace(days, baskets=tuple(baskets[:SHORT_BASKETS] if short else baskets))


async def open_shop(api: Api, days: Days) -> Shop:
    """Make all that the day's orders name, with goods in plenty."""
    told = await api.get("/order-settings")
    settings = Settings(Decimal(str(told["prepayment_percent"])), dict(told["first_status"]))
    parts = list(cut(days.baskets))
    places = await open_places(api, days)
    stores, warehouses, customers = places.stores, places.warehouses, places.customers
    wanted = {line.product for part in parts for line in part.lines}
    await _each(sorted(wanted), lambda product: _item(api, days.products[product]))
    await _each(days.stores, lambda store: _receive(api, warehouses[store], store, parts))
    sales = []
    for part in parts:
        plan = plan_order(part, hold_method(part.store, days.every_store), settings)
        body = order_body(
            plan, stores[part.store], warehouses[part.store], customers[part.household]
        )
        sales.append(Sale(plan, body))
    return Shop(sales, places)


async def open_places(api: Api, days: Days) -> Places:
    """The stores with a warehouse each, and the customers; what is there already stays as it is."""
    stores = await _each(days.stores, lambda store: _store(api, days, store))
    warehouses = await _each(days.stores, lambda store: _warehouse(api, stores[store]))
    customers = await _each(days.households, lambda number: _customer(api, Household(number)))
    return Places(stores, warehouses, customers)


def order_body(plan: Plan, store: str, warehouse: str, customer: str) -> Body:
    """The order of a basket as it is sent, without an id."""
    body: Body = {
        "store_id": store,
        "channel": plan.channel,
        "customer_id": customer,
        "currency": CURRENCY,
        "lines": [line_body(line) for line in plan.basket.lines],
        "hold": {"method": plan.hold_method, "warehouse_id": warehouse},
    }
    if plan.typed_prepayment is not None:
        body["prepayment"] = str(plan.typed_prepayment)
    return body


def line_body(line: Line) -> Body:
    """A basket's line as a line of an order."""
    return {
        "sku": str(line.product),
        "quantity": str(line.quantity),
        "unit_price": str(line.unit_price),
    }


def item_body(product: Product) -> Body:
    """A product of the data as an item of the catalogue."""
    return {
        "sku": str(product.id),
        "name": product.name,
        "unit": "piece",
        "barcodes": [],
        "tax_rate": "0",
        "price": str(product.list_price),
        "currency": CURRENCY,
    }


async def _each(numbers: Iterable[int], make: Callable[[int], Awaitable[Any]]) -> dict[int, str]:
    made: dict[int, str] = {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            made[number] = (await make(number)).get("id", "")

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(one(number))
    return made


async def _store(api: Api, days: Days, store: int) -> Body:
    method = hold_method(store, days.every_store)
    body = {"code": str(store), "name": f"Store {store}", "hold_method": method}
    return await api.post("/stores", body, f"bench-store-{store}")


async def _warehouse(api: Api, store_id: str) -> Body:
    body = {"store_id": store_id, "name": "Main", "kind": "main"}
    return await api.post("/warehouses", body, f"bench-warehouse-{store_id}")


async def _item(api: Api, product: Product) -> Body:
    return await api.post("/items", item_body(product), f"bench-item-{product.id}")


async def _customer(api: Api, household: Household) -> Body:
    body: Body = {
        "name": household.name,
        "phone": household.phone,
        "language": household.language,
    }
    if household.email:
        body["email"] = household.email
    return await api.post("/customers", body, f"bench-customer-{household.number}")


async def _receive(api: Api, warehouse: str, store: int, parts: Sequence[Basket]) -> Body:
    """Everything that the store sells, a paper of many lines at a time."""
    skus = sorted({line.product for part in parts if part.store == store for line in part.lines})
    for begin in range(0, len(skus), RECEIPT_LINES_MAX):
        lines = [
            {"sku": str(sku), "quantity": PIECES} for sku in skus[begin : begin + RECEIPT_LINES_MAX]
        ]
        body = {"warehouse_id": warehouse, "lines": lines}
        await api.post("/receipts", body, f"bench-receipt-{warehouse}-{begin}", unheard=True)
    return {}
