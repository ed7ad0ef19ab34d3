"""Opens the stores: what must be in the system before the first basket can be an order.

Stores, items and customers belong to the chain and are shared by all runs, so their keys do not
name the run; the warehouse that a run receives its goods in is the run's own, so that its stock is
explained by the run alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from demo import expectations
from demo.client import Api, Body, Refused
from demo.days import Days, Product
from demo.money import CURRENCY
from demo.plan import Household, Plan, Settings, hold_method
from demo.run_file import RunFile

AT_ONCE = 12
RECEIPT_LINES_MAX = 200

Step = Callable[[str], None]


@dataclass(frozen=True)
class Places:
    """The ids that the system gave to what the data names by number."""

    stores: Mapping[int, str]
    warehouses: Mapping[int, str]  # By store.
    customers: Mapping[int, str]  # By household.


async def read_settings(api: Api) -> Settings:
    """The order settings in force."""
    told = await api.get("/order-settings")
    return Settings(Decimal(str(told["prepayment_percent"])), dict(told["first_status"]))


async def knows_run(api: Api, run: RunFile) -> bool:
    """Whether this system is the one that the run was begun in: its first store is there."""
    known = [run.known_id(name) for name in run.names_of("store")[:1]]
    listed = {item["id"] async for item in api.items("/stores")}
    return listed.issuperset(known)


async def open_stores(api: Api, run: RunFile, days: Days, plans: list[Plan], step: Step) -> Places:
    """Create what occurs and receive the goods; `step` is told of each thing done."""
    stores = await _make_each(days.stores, lambda store: _store(api, run, days, store), step)
    warehouses = await _make_each(
        days.stores, lambda store: _warehouse(api, run, store, stores[store]), step
    )
    await _make_each(days.products, lambda number: _item(api, run, days.products[number]), step)
    customers = await _make_each(
        days.households, lambda number: _customer(api, run, Household(number)), step
    )
    goods = expectations.receipts(plans)
    await _make_each(
        days.stores, lambda store: _receive(api, run, store, warehouses[store], goods[store]), step
    )
    return Places(stores, warehouses, customers)


def things_to_make(days: Days) -> int:
    """How many steps `open_stores` will tell of."""
    return 3 * len(days.stores) + len(days.products) + len(days.households)


async def _make_each(
    numbers: Iterable[int], make: Callable[[int], Awaitable[str]], step: Step
) -> dict[int, str]:
    """Make things several at a time; the first refusal stops all."""
    made: dict[int, str] = {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            made[number] = await make(number)
            step(made[number])

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(one(number))
    return made


async def _once(run: RunFile, name: str, make: Callable[[], Awaitable[str]]) -> str:
    """What this run has made before is not made again."""
    if run.is_done(name):
        return str(run.known_id(name))
    made = await make()
    run.note(name, made)
    run.mark_done(name)
    return made


async def _store(api: Api, run: RunFile, days: Days, store: int) -> str:
    async def make() -> str:
        body: Body = {
            "code": str(store),
            "name": f"Store {store}",
            "hold_method": hold_method(store, days.every_store),
        }
        return await _make_or_find(
            api,
            "/stores",
            body,
            f"demo-store-{store}",
            same=lambda item: item["code"] == str(store),
        )

    return await _once(run, f"store:{store}", make)


async def _warehouse(api: Api, run: RunFile, store: int, store_id: str) -> str:
    async def make() -> str:
        body: Body = {"store_id": store_id, "name": f"Main {run.short}", "kind": "main"}
        key = run.key("warehouse", store)
        return str((await api.post("/warehouses", body, key, unheard=True))["id"])

    return await _once(run, f"warehouse:{store}", make)


async def _item(api: Api, run: RunFile, product: Product) -> str:
    async def make() -> str:
        sku = str(product.id)
        body: Body = {
            "sku": sku,
            "name": product.name,
            "unit": "piece",
            "barcodes": [],
            "tax_rate": "0",
            "price": str(product.list_price),
            "currency": CURRENCY,
        }
        return await _make_or_find(
            api,
            "/items",
            body,
            f"demo-item-{sku}",
            same=lambda item: item["sku"] == sku,
            name="sku",
            q=sku,
        )

    return await _once(run, f"item:{product.id}", make)


async def _customer(api: Api, run: RunFile, household: Household) -> str:
    async def make() -> str:
        body: Body = {
            "name": household.name,
            "phone": household.phone,
            "language": household.language,
        }
        if household.email:
            body["email"] = household.email
        return await _make_or_find(
            api,
            "/customers",
            body,
            f"demo-customer-{household.number}",
            same=lambda item: item.get("phone") == household.phone,
            q=household.phone,
        )

    return await _once(run, f"customer:{household.number}", make)


async def _make_or_find(
    api: Api,
    path: str,
    body: Body,
    key: str,
    *,
    same: Callable[[Body], bool],
    name: str = "id",
    **query: str,
) -> str:
    """Create it; if the chain has it already, take the one it has."""
    try:
        return str((await api.post(path, body, key))[name])
    except Refused as refused:
        if refused.status not in (409, 422):
            raise
        async for item in api.items(path, **query):
            if same(item):
                return str(item[name])
        raise


async def _receive(
    api: Api, run: RunFile, store: int, warehouse_id: str, goods: Mapping[int, int]
) -> str:
    """The day's goods come in, a paper of at most 200 lines at a time."""

    async def make() -> str:
        entries: Sequence[tuple[int, int]] = sorted(goods.items())
        for start in range(0, len(entries), RECEIPT_LINES_MAX):
            lines = [
                {"sku": str(product), "quantity": str(pieces)}
                for product, pieces in entries[start : start + RECEIPT_LINES_MAX]
            ]
            body: Body = {"warehouse_id": warehouse_id, "lines": lines}
            await api.post("/receipts", body, run.key("receipt", store, start), unheard=True)
        return warehouse_id

    return await _once(run, f"received:{store}", make)
