"""Batches on a real database: what is decided in memory is what the database keeps."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa
from chassis.consumer import Consumer
from chassis.ids import uuid7
from chassis.records import Record
from chassis.testing import record_of, until_some_wait_for_a_lock
from contracts.inventory import HoldGoods, HoldsDecided, HoldsFact, ReleaseGoods, WantedLine
from inventory.app import service
from inventory.holds import handlers, messages
from inventory.holds.domain import rules
from inventory.holds.domain.book import Book
from inventory.holds.domain.orders import Place
from inventory.stock.domain import Shelf
from inventory.stores.store import lock_store
from sqlalchemy.ext.asyncio import AsyncConnection

from .conftest import PLACED, Line, Shop, check_explained, tea

SKUS = ("TEA", "CUP")


async def test_two_hundred_orders_of_one_for_five_units(shop: Shop) -> None:
    """200 orders of 1 for 5 units, in one batch: exactly 5 held, 195 awaiting (37)."""
    await shop.receive("5")
    wishes = [shop.wish(tea("1")) for _ in range(200)]
    consumer = commands_consumer(shop)
    await consumer.consume([record_of(wish, 0) for wish in wishes])
    decided = await shop.bench.said(HoldsDecided)
    assert [one.order_id for one in decided] == [wish.order_id for wish in wishes]
    held = [int(one.lines[0].held) for one in decided]
    assert held == [1] * 5 + [0] * 195
    assert (await shop.stock())["main"]["held"] == "5"
    await check_explained(shop.bench.db)


async def test_parallel_consumers_and_tills_do_not_oversell(shop: Shop) -> None:
    """Two consumers, receipts and hand-overs at once promise and hand out what is there."""
    await shop.settings(held_goods_sale="block")
    await shop.receive("20")
    wishes = [shop.wish(tea("1")) for _ in range(60)]
    takes = [
        shop.take_out_of(wish.order_id, Line(wish.lines[0].line_id, "TEA", "1")) for wish in wishes
    ]
    mixed = [record for pair in zip(wishes, takes, strict=True) for record in pair]

    async def consume(part: int) -> None:
        mine = mixed[part::4]
        records = [
            Record(r.topic, part, r.key, r.payload, r.headers)
            for r in (record_of(one, 0) for one in mine)
        ]
        for start in range(0, len(records), 7):
            await commands_consumer(shop).consume(records[start : start + 7])

    await asyncio.gather(*(consume(part) for part in range(4)), shop.receive("1"))
    main = (await shop.stock())["main"]
    facts = await shop.bench.said(HoldsFact)
    newest = {fact.order_id: fact for fact in facts}
    taken = sum(int(line.taken) for fact in newest.values() for line in fact.lines)
    assert int(main["on_hand"]) == 21 - taken
    assert int(main["held"]) <= int(main["on_hand"])
    assert main["broken"] == "0"
    assert await shop.bench.parked() == []
    await check_explained(shop.bench.db)


async def test_a_separate_hold_in_two_batches_at_once_makes_one_temporary_storage(
    shop: Shop,
) -> None:
    """Two consumers that both need the first temporary storage agree on one."""
    await shop.receive("10")
    records = [record_of(shop.wish(tea("2"), method="separate"), 0) for _ in range(4)]
    await asyncio.gather(
        *(
            commands_consumer(shop).consume([Record(r.topic, n, r.key, r.payload, r.headers)])
            for n, r in enumerate(records)
        )
    )
    warehouses = (await shop.bench.http.get("/warehouses")).json()["items"]
    assert [one["kind"] for one in warehouses].count("temporary_storage") == 1
    assert (await shop.stock())["temporary_storage"]["held"] == "8"
    assert await shop.bench.parked() == []


async def test_temporary_storage_added_by_hand_amid_the_first_separate_hold(shop: Shop) -> None:
    """A manager adds it in the moment in which a batch needs it: the batch uses it, and goes on."""
    await shop.receive("10")
    wish = shop.wish(tea("2"), method="separate")
    main = {"store_id": str(shop.store_id), "parent_id": str(shop.warehouse_id)}
    body = {**main, "kind": "temporary_storage"}
    async with shop.bench.db.engine.begin() as tx:
        await lock_store(tx, shop.store_id)  # So that both have begun before either ends.
        adding = asyncio.create_task(shop.bench.http.post("/warehouses", json=body))
        await until_some_wait_for_a_lock(shop.bench.db)
        holding = asyncio.create_task(commands_consumer(shop).consume([record_of(wish, 0)]))
        await until_some_wait_for_a_lock(shop.bench.db, 2)
    added, _ = await asyncio.gather(adding, holding)
    assert added.status_code == 201, added.text
    assert await shop.bench.parked() == []
    assert (await shop.stock())["temporary_storage"]["held"] == "2"
    await check_explained(shop.bench.db)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_batch_loads_all_that_it_must_know(shop: Shop, seed: int) -> None:
    """Random commands in random batches leave what they leave when everything is in memory."""
    chance = random.Random(seed)
    for sku in SKUS:
        await shop.receive("40", sku)
    orders = [(UUID(int=n), [UUID(int=n << 8 | k) for k in range(3)]) for n in range(1, 31)]
    commands = [
        some_command(shop, chance, chance.randint(n - 9, n + 1), *chance.choice(orders))
        for n in range(10, 190)
    ]
    memory = whole_memory(shop)
    left = list(commands)
    while left:
        size = chance.randint(1, 5)
        batch, left = left[:size], left[size:]
        await obey(shop, batch)
        for one in batch:
            rules.obey(memory, messages.wish_of(one))
        memory.tell_served()
    async with shop.bench.db.reading() as tx:
        found = await tx.execute(
            sa.text("SELECT order_id, line_id, wanted, held, taken, to_put_back FROM hold_line")
        )
        kept = {(row.order_id, row.line_id): tuple(row)[2:] for row in found}
    expected = {
        (order.order_id, line.line_id): (line.wanted, line.held, line.taken, line.to_put_back)
        for order in memory.orders.values()
        for line in order.lines.values()
    }
    assert kept == expected
    await check_explained(shop.bench.db)


async def obey(shop: Shop, batch: Sequence[messages.Command]) -> None:
    async def do(tx: AsyncConnection) -> None:
        commands = [(one, None) for one in batch]
        await handlers.obey_all(tx, commands, datetime.now(UTC), uuid7)

    await shop.bench.db.run(do)


def whole_memory(shop: Shop) -> Book:
    """A book that knows everything from the beginning."""
    place = Place(shop.warehouse_id, shop.store_id, "main", UUID(int=99), "nominal", "warn")
    shelves = [
        Shelf(warehouse, sku, Decimal(40) if warehouse == shop.warehouse_id else Decimal(0))
        for warehouse in (shop.warehouse_id, UUID(int=99))
        for sku in SKUS
    ]
    return Book(datetime.now(UTC), uuid7, {shop.warehouse_id: place}, shelves)


def some_command(
    shop: Shop, chance: random.Random, revision: int, order_id: UUID, line_ids: list[UUID]
) -> messages.Command:
    kind = chance.choice(["hold", "hold", "release", "take"])
    lines = [
        Line(line_id, SKUS[line_id.int % 2], str(chance.randint(1, 12)))
        for line_id in chance.sample(line_ids, chance.randint(1, 3))
    ]
    if kind == "hold":
        return HoldGoods(
            order_id=order_id,
            revision=revision,
            store_id=shop.store_id,
            warehouse_id=shop.warehouse_id,
            method="separate" if order_id.int % 2 else "nominal",
            until=datetime.now(UTC) + timedelta(days=3),
            placed_at=PLACED + timedelta(minutes=order_id.int % 7),
            lines=tuple(
                WantedLine(line_id=one.line_id, sku=one.sku, quantity=Decimal(one.quantity))
                for one in lines
            ),
        )
    if kind == "release":
        return ReleaseGoods(
            order_id=order_id,
            revision=revision,
            warehouse_id=shop.warehouse_id,
            reason="cancelled",
        )
    small = [Line(one.line_id, one.sku, str(chance.randint(1, 2))) for one in lines]
    return shop.take_out_of(order_id, *small)


def commands_consumer(shop: Shop) -> Consumer:
    (commands,) = (s for s in service.subscriptions if s.name == "hold_and_hand_out")
    return Consumer("inventory", commands, shop.bench.db)
