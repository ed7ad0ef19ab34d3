"""E6, E10, E17: what Kafka brings comes again, is poison, or is sent by two relays."""

import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from aiokafka import AIOKafkaProducer
from chassis.ids import uuid7
from contracts import topics
from contracts.inventory import HoldGoods, WantedLine
from contracts.shipping import ShipmentRefused
from local.topology import SERVICES

from faults.scene import Done, Scene
from faults.system import System, free_port, until

ROWS_AGAIN_MAX = 2_000
TIMES_AGAIN = 2  # Once as it was, twice more: three times in all.
OWNERS = tuple(service.name for service in SERVICES if service.owns_database)

AGAIN = """
UPDATE outbox SET published_at = NULL WHERE published_at IS NOT NULL
AND position > (SELECT coalesce(max(position), 0) FROM outbox) - $1"""
PLANT = """
INSERT INTO outbox(event_id, topic, key, version, type, payload, headers)
VALUES ($1, $2, $3, $4, $5, $6, '{}')"""


async def deliver_again(scene: Scene) -> Done:
    """E6: the newest facts and commands of every service are sent twice more."""
    rows = 0
    for _ in range(TIMES_AGAIN):
        for service in OWNERS:
            async with scene.system.database(service) as database:
                rows += int((await database.execute(AGAIN, ROWS_AGAIN_MAX)).split()[-1])
        await until(lambda: _all_sent(scene.system), "every record sent again")
    return Done(f"{rows:,} records again", time.monotonic(), figures={"records": float(rows)})


async def _all_sent(system: System) -> bool:
    for service in OWNERS:
        async with system.database(service) as database:
            # New ones come while load runs: none may be older than a moment.
            late = await database.fetchval(
                "SELECT count(*) FROM outbox WHERE published_at IS NULL "
                "AND created_at < now() - interval '5 seconds'"
            )
        if late:
            return False
    return True


async def poison(scene: Scene) -> Done:
    """E10: bytes, a body that breaks its schema, and a command that breaks a rule."""
    seconds = scene.seconds(5, 20)
    before = await _median_answer_s(scene, seconds)
    dead_before = await _dead_letters(scene.system)
    keys = [str(uuid7()) for _ in range(3)]
    await _send_garbage(scene.system)
    await _plant(scene.system, "shipping", ShipmentRefused.TOPIC, keys[0], 1, ShipmentRefused.TYPE)
    await _plant(scene.system, "shipping", ShipmentRefused.TOPIC, keys[1], 1, "shipment_lost.v1")
    await _plant(
        scene.system, "orders", HoldGoods.TOPIC, keys[2], 0, HoldGoods.TYPE, _impossible(keys[2])
    )
    # Orders and billing follow shipments; billing does not look into refused ones. Inventory obeys.
    expected = {("orders", keys[0]), ("orders", keys[1]), ("billing", keys[1])}
    expected.add(("inventory", keys[2]))
    await until(lambda: _are_parked(scene, expected), "the poison parked")

    async def is_buried() -> bool:
        return await _dead_letters(scene.system) > dead_before

    await until(is_buried, "the garbage on the dead-letter topic")
    during = await _median_answer_s(scene, seconds)
    await _discard(scene, {key for _, key in expected})
    missed = []
    if during > 2 * before:
        missed.append(f"E10: an order took {during:.2f} s beside poison, {before:.2f} s before it")
    figures = {"before_s": round(before, 3), "during_s": round(during, 3)}
    return Done("poison on three topics", time.monotonic(), (), tuple(missed), figures)


async def _median_answer_s(scene: Scene, seconds: float) -> float:
    """How long an order takes now, by orders one after another."""
    times: list[float] = []
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at or not times:
        started = time.monotonic()
        await scene.till.do("/orders", scene.order_body(scene.chain.corner.sku))
        times.append(time.monotonic() - started)
        await asyncio.sleep(0.1)
    return statistics.median(times)


async def _send_garbage(system: System) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=system.instance.kafka,
        acks="all",
        enable_idempotence=True,
    )
    await producer.start()
    try:
        for topic in (topics.ORDERS, topics.ACCOUNTS):
            await producer.send_and_wait(topic, b"\xff\x00 not ours", key=b"garbage")
    finally:
        await producer.stop()


async def _plant(
    system: System, service: str, topic: str, key: str, version: int, type: str, body: bytes = b"{}"
) -> None:
    """As if the service had said it, so that versions are counted as for any other aggregate."""
    async with system.database(service) as database:
        await database.execute(PLANT, uuid7(), topic, key, version, type, body)


def _impossible(warehouse_id: str) -> bytes:
    """A command that fits its contract, for a warehouse that nobody has opened."""
    now = datetime.now(UTC)
    wanted = WantedLine(line_id=uuid7(), sku="NONE", quantity=Decimal(1))
    command = HoldGoods(
        order_id=uuid7(),
        revision=1,
        store_id=uuid7(),
        warehouse_id=UUID(warehouse_id),
        method="nominal",
        until=now + timedelta(days=1),
        placed_at=now,
        lines=(wanted,),
    )
    return command.model_dump_json().encode()


async def _parked(scene: Scene, service: str) -> list[tuple[int, str]]:
    found = await scene.till.get(f"/system/{service}/parked")
    return [(int(row["id"]), str(row["key"])) for row in found["items"]]


async def _are_parked(scene: Scene, expected: set[tuple[str, str]]) -> bool:
    services = {service for service, _ in expected}
    found = {(name, key) for name in services for _, key in await _parked(scene, name)}
    return expected <= found


async def _discard(scene: Scene, keys: set[str]) -> None:
    """As an operator does, who looked at them: each by its number."""
    for service in OWNERS:
        for id, key in await _parked(scene, service):
            if key in keys:
                path = f"/system/{service}/parked/{id}/discard"
                await scene.till.do(path, {"reason": "poison, put there on purpose"})


async def _dead_letters(system: System) -> int:
    count = 0
    for service in OWNERS:
        async with system.database(service) as database:
            count += await database.fetchval(
                "SELECT count(*) FROM outbox WHERE topic = $1", topics.DEAD_LETTERS
            )
    return count


async def two_relays(scene: Scene) -> Done:
    """E17: a second worker of a service runs beside the first, and outlives it for a while."""
    service = scene.chance.choice(("orders", "inventory", "billing"))
    seconds = scene.seconds(8, 20)
    with scene.system.second(service, ROLES="worker", HTTP_PORT=str(free_port()), REPLICA="7"):
        await asyncio.sleep(seconds / 2)
        # The leader dies, so the second relay takes over, and the first one is back as second.
        await scene.system.kill(service)
        await asyncio.sleep(seconds / 2)
    return Done(f"two workers of {service}, then one killed, then the other", time.monotonic())
