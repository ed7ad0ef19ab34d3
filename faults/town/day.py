"""A day of the town: shops are stocked, people come, their orders live, and it becomes quiet."""

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis.ids import uuid7

from faults.town import people
from faults.town.bugs import Bug
from faults.town.clients import Clients
from faults.town.people import Life, Shop
from faults.town.town import Town

ITEMS = {"TEA": ("piece", "3.33"), "CUP": ("piece", "19.99"), "RICE": ("kg", "1.2345")}
RARE, UNITS, BUYERS = "RARE", 5, 200
STEP = 0.25  # How often somebody does something, rather than the machinery.


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens on the day."""

    orders: int = 40
    buyers: int = BUYERS


@dataclass(slots=True)
class Day:
    """What is there, who came, and what they did."""

    town: Town
    clients: Clients
    shops: list[Shop] = field(default_factory=list)
    cards: list[UUID] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)


async def live(town: Town, size: Size, bug: Bug = nullcontext) -> Day:
    """A whole day, with this bug once the shops are open; at its end nothing is on its way."""
    day = Day(town, Clients(town))
    await _open_shops(day)
    await town.settle()
    with bug():
        await _trade(day, size)
    return day


async def _trade(day: Day, size: Size) -> None:
    town = day.town
    await _crowd(day, size.buyers)
    day.lives = [_life(day) for _ in range(size.orders)]
    await _pass(day)
    await town.settle()
    await _erase(day, day.cards[0])
    await town.remind(timedelta(days=2))  # A day before the end of every hold.
    await town.remind(timedelta(days=4))  # After it: an employee puts some back.
    for life in day.lives:
        if town.chance.random() < 0.2:
            life.steps = [people.put_back, people.pay_deposit]
    await _pass(day)
    await town.settle()


async def _open_shops(day: Day) -> None:
    post = day.clients.post
    for sku, (unit, price) in {**ITEMS, RARE: ("piece", "999")}.items():
        body = {"sku": sku, "name": sku.title(), "unit": unit, "price": price, "currency": "EUR"}
        await post("/items", body)
    for n, (method, sale) in enumerate(
        (("separate", "block"), ("nominal", "block"), ("nominal", "warn"))
    ):
        shop = Shop(uuid7(), uuid7())
        terms = {"hold_method": method, "held_goods_sale": sale, "hold_days": 3}
        await post(
            "/stores", {"id": str(shop.store_id), "code": f"S{n}", "name": f"Shop {n}", **terms}
        )
        await post("/warehouses", {"id": str(shop.warehouse_id), "store_id": str(shop.store_id)})
        day.shops.append(shop)
    for n in range(6):
        email = f"buyer{n}@home.example" if n % 3 else None
        card = await post("/customers", {"id": str(uuid7()), "name": f"Buyer {n}", "email": email})
        day.cards.append(UUID(card["id"]))
    await day.town.settle()  # Inventory must know the items first.
    for shop in day.shops:
        lines = [{"sku": sku, "quantity": "60"} for sku in ITEMS]
        lines += [{"sku": RARE, "quantity": str(UNITS)}] if shop is day.shops[0] else []
        await _receive(day, shop, lines)


async def _receive(day: Day, shop: Shop, lines: list[dict[str, str]]) -> None:
    body = {"id": str(uuid7()), "warehouse_id": str(shop.warehouse_id), "lines": lines}
    await day.clients.post("/receipts", body)


async def _erase(day: Day, card: UUID) -> None:
    """A customer wants to be forgotten; the orders stay."""
    known = await day.clients.get(f"/customers/{card}")
    await day.clients.delete(f"/customers/{card}", known["version"])


async def _crowd(day: Day, buyers: int) -> None:
    """E15: so many at once for the few units that there are."""
    shop = day.shops[0]
    body = {
        "store_id": str(shop.store_id),
        "channel": "counter",
        "lines": [{"sku": RARE, "quantity": "1"}],
        "hold": {"method": "nominal", "warehouse_id": str(shop.warehouse_id)},
        "notify": False,
    }
    crowd = [Life(day.clients, shop, shop, body, []) for _ in range(buyers)]
    await asyncio.gather(*(people.place(life) for life in crowd))


def _life(day: Day) -> Life:
    """An order of somebody, somewhere, with a story of its own."""
    chance = day.town.chance
    shop, till = chance.choice(day.shops), chance.choice(day.shops)
    body: dict[str, Any] = {
        "store_id": str(shop.store_id),
        "channel": chance.choice(("counter", "phone", "site")),
        "lines": [
            {"sku": chance.choice([*ITEMS]), "quantity": str(chance.randint(1, 6))}
            for _ in range(chance.randint(1, 3))
        ],
        "hold": {"warehouse_id": str(shop.warehouse_id)},
        "notify": chance.random() < 0.8,
        "draft": chance.random() < 0.05,
    }
    who = chance.random()
    if who < 0.6:
        body["customer_id"] = str(chance.choice(day.cards))
    elif who < 0.8:
        body["customer_name"] = "Somebody"
    steps = [people.place]
    if body["channel"] == "site" or body["draft"]:
        steps.append(people.agree)
    return Life(day.clients, shop, till, body, [*steps, *chance.choice(people.STORIES)])


async def _pass(day: Day) -> None:
    """Let everybody do what they came for, while the machinery turns."""
    chance = day.town.chance
    while busy := [life for life in day.lives if life.steps]:
        acts = chance.random() < STEP
        if acts or not await day.town.turn():
            await chance.choice(busy).go_on(idle=not acts)
        if chance.random() < 0.005:
            lines = [{"sku": chance.choice([*ITEMS]), "quantity": "20"}]
            await _receive(day, chance.choice(day.shops), lines)
