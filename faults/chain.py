"""A small chain, opened through the public API: stores of both hold methods, real baskets."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from chassis.ids import uuid7
from demo.client import Refused
from demo.days import TYPICAL_DAY, Basket, Days, read_days
from demo.money import CURRENCY
from demo.plan import Plan, Settings, hold_method, plan_orders
from demo.run_file import RunFile
from demo.setup import Places, open_stores, read_settings

from faults.till import Till

STORES_OF_EACH_METHOD = 2
BASKETS_OF_A_STORE = 12
LINES_OF_A_BASKET_MAX = 6
ROUNDS_OF_GOODS = 300  # How often each basket can be sold before its goods are gone.
SPARE_PIECES = "100000"
SETTING_UP_S = 60.0

T = TypeVar("T")


class CannotSetUp(Exception):
    """The chain could not be opened; the text names the requests and what they were answered."""


@dataclass(frozen=True)
class Corner:
    """A store that the load does not use, with one item in plenty, for faults of their own."""

    code: str
    store_id: str
    warehouse_id: str
    customer_id: str
    sku: str


@dataclass(frozen=True)
class Chain:
    """Everything that was opened."""

    settings: Settings
    plans: Sequence[Plan]
    places: Places
    corner: Corner


async def open_chain(till: Till, folder: Path) -> Chain:
    """Open the chain; every call is repeated under its key until it is answered."""
    days = small(await asyncio.to_thread(read_days, TYPICAL_DAY, 1))
    settings = await read_settings(till)
    run = new_round(folder, settings)
    plans = plan_orders(days, settings)
    places = await _patiently(
        lambda: open_stores(till, run, days, plans * ROUNDS_OF_GOODS, lambda _: None)
    )
    customer_id = next(iter(places.customers.values()))
    corner = await _patiently(lambda: open_corner(till, customer_id))
    return Chain(settings, plans, places, corner)


def new_round(folder: Path, settings: Settings) -> RunFile:
    """Keys and ids of their own for one more sale of the same baskets."""
    run = RunFile(folder / f"{uuid7()}.jsonl", uuid7)
    run.begin(settings, datetime.now(UTC))
    return run


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """A refusal while everything is new may be a service that has not heard yet: try again.

    What is there already is found again; a corner begun is left, and another one opened.
    """
    deadline = time.monotonic() + SETTING_UP_S
    while True:
        try:
            return await work()
        except* Refused as group:
            refused = group
        if time.monotonic() > deadline:
            raise CannotSetUp("; ".join(map(str, refused.exceptions)))
        await asyncio.sleep(1)


async def open_corner(till: Till, customer_id: str) -> Corner:
    """The store of the faults themselves."""
    code = f"F{uuid7().hex[-6:].upper()}"
    store = await till.do("/stores", {"code": code, "name": f"Store {code}"})
    warehouse = await till.do(
        "/warehouses", {"store_id": store["id"], "name": f"Main {code}", "kind": "main"}
    )
    corner = Corner(code, store["id"], warehouse["id"], customer_id, f"SPARE-{code}")
    await add_item(till, corner, corner.sku, SPARE_PIECES)
    return corner


async def add_item(till: Till, corner: Corner, sku: str, pieces: str) -> None:
    """A new item of the corner, and so many pieces of it received."""
    body = {
        "sku": sku,
        "name": f"Spare {sku[-6:]}",
        "unit": "piece",
        "barcodes": [],
        "tax_rate": "0",
        "price": "10.00",
        "currency": CURRENCY,
    }
    await till.do("/items", body)
    line = {"sku": sku, "quantity": pieces}
    await till.do("/receipts", {"warehouse_id": corner.warehouse_id, "lines": [line]})


def small(days: Days) -> Days:
    """The busiest stores of each hold method, their baskets of few lines, and what these need."""
    baskets = [basket for basket in days.baskets if len(basket.lines) <= LINES_OF_A_BASKET_MAX]
    of_store: dict[int, list[Basket]] = {}
    for basket in baskets:
        of_store.setdefault(basket.store, []).append(basket)
    busiest = sorted(of_store, key=lambda store: (-len(of_store[store]), store))
    kept: list[Basket] = []
    for method in ("separate", "nominal"):
        stores = [store for store in busiest if hold_method(store, days.every_store) == method]
        for store in stores[:STORES_OF_EACH_METHOD]:
            kept += of_store[store][:BASKETS_OF_A_STORE]
    wanted = {line.product for basket in kept for line in basket.lines}
    products = {number: days.products[number] for number in sorted(wanted)}
    return dataclasses.replace(days, baskets=tuple(kept), products=products)
