"""E15, E16: many want the same thing in the same moment."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from chassis.ids import uuid7
from demo.client import Body

from faults.chain import add_item
from faults.scene import Done, Scene
from faults.system import until

BUYERS, UNITS = 200, 5
HOLD_S, APART_S = 4.0, 0.4


async def sell_out(scene: Scene) -> Done:
    """E15: 200 buyers want 5 units; five get one each, and the others wait."""
    till, sku = scene.till, f"RARE-{uuid7().hex[-12:]}"
    await add_item(till, scene.chain.corner, sku, str(UNITS))
    orders = await till.do_all([("/orders", scene.order_body(sku))] * BUYERS)
    seen: list[Body] = []

    async def all_decided() -> bool:
        # Decided means that the order is no longer merely agreed: ready, or waiting for goods.
        nonlocal seen
        seen = await asyncio.gather(*(till.get(f"/orders/{one['id']}") for one in orders))
        return all(one["status"] != "agreed" for one in seen)

    await until(all_decided, "the holds of all buyers decided")
    held = sum(Decimal(line["held"]) for one in seen for line in one["lines"])
    ready = sum(one["status"] == "ready" for one in seen)
    wrong = []
    if (held, ready) != (UNITS, UNITS):
        wrong.append(f"{UNITS} units of {sku}: {held} are held, {ready} orders are ready")
    await till.do_all([(f"/orders/{one['id']}/cancel", {}) for one in orders])
    return Done(f"{BUYERS} buyers, {UNITS} units", time.monotonic(), tuple(wrong))


async def end_holds(scene: Scene) -> Done:
    """E16: deposits are paid around the very moment in which the holds end."""
    number = 10 if scene.short else 60
    ends_at = datetime.now(UTC) + timedelta(seconds=HOLD_S)
    corner = scene.chain.corner
    hold = {"method": "separate", "warehouse_id": corner.warehouse_id, "until": ends_at.isoformat()}
    body = scene.order_body(corner.sku, hold=hold)
    orders = await scene.till.do_all([("/orders", body)] * number)

    async def pay(order: Body, late_s: float) -> None:
        wait = (ends_at - datetime.now(UTC)).total_seconds() + late_s
        await asyncio.sleep(max(0.0, wait))
        payment = {
            "order_id": order["id"],
            "amount": "4.00",
            "method": "cash",
            "store_id": corner.store_id,
        }
        await scene.till.do("/payments", payment)

    offsets = [scene.chance.uniform(-APART_S, APART_S) for _ in orders]
    await asyncio.gather(*map(pay, orders, offsets))
    return Done(f"{number} holds ended as their deposits came", time.monotonic())
