"""Steady load from real baskets: orders, deposits, hand-overs, invoices, cancels and refunds.

Flows arrive by the clock, whether or not those before them are answered; only when very many are
under way is an arrival put off, and counted.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

from demo.client import NeverCame, NotNow, Refused
from demo.orders import GoodsRefused, Trade, holds_decided, pay, place, shows, take_through
from demo.plan import Plan

from faults.chain import Chain, new_round
from faults.till import Till

UNDER_WAY_MAX = 40
DRAIN_S = 600.0
WAYS = ("through",) * 7 + ("cancelled",) * 2 + ("left",)


class Load:
    """Offers flows at a rate until it is stopped; what went wrong with one is kept, not raised."""

    def __init__(
        self, till: Till, chain: Chain, folder: Path, rate: float, chance: random.Random
    ) -> None:
        self._till, self._chain, self._folder = till, chain, folder
        self._rate, self._chance = rate, chance
        self._under_way: set[asyncio.Task[None]] = set()
        self._arrivals: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def start(self) -> None:
        """Let flows arrive."""
        self._arrivals = asyncio.create_task(self._arrive(), name="arrivals")

    async def stop(self) -> None:
        """Let nothing more arrive, and let everything under way come to its end."""
        assert self._arrivals is not None, "it was started"
        self._arrivals.cancel()
        await asyncio.wait([self._arrivals])
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=DRAIN_S)
            self.wrong += [f"{task.get_name()} did not end in {DRAIN_S:.0f} s" for task in late]

    async def _arrive(self) -> None:
        due = time.monotonic()
        while True:
            # Every basket once a round, each round under keys and ids of its own.
            run = new_round(self._folder, self._chain.settings)
            trade = Trade(self._till, run, self._chain.places)
            for plan in self._chance.sample(self._chain.plans, len(self._chain.plans)):
                due += self._chance.expovariate(self._rate)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if len(self._under_way) >= UNDER_WAY_MAX:
                    self.counts["put off"] += 1
                    continue
                self._begin(trade, plan, self._chance.choice(WAYS))

    def _begin(self, trade: Trade, plan: Plan, way: str) -> None:
        self.counts["begun"] += 1
        name = f"{way} basket {plan.basket.id}"
        task = asyncio.create_task(self._carry_out(trade, plan, way), name=name)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _carry_out(self, trade: Trade, plan: Plan, way: str) -> None:
        try:
            await FLOWS[way](trade, plan)
        except (Refused, NeverCame, GoodsRefused, NotNow) as error:
            self.wrong.append(f"{way} basket {plan.basket.id}: {type(error).__name__}: {error}")
        except Exception as error:
            self.wrong.append(f"{way} basket {plan.basket.id}: {error!r}")
        else:
            self.counts[way] += 1


async def cancel(trade: Trade, plan: Plan) -> None:
    """Placed, its deposit paid, cancelled, and the deposit given back."""
    order = await place(trade, plan)
    order = await shows(trade, order, "holds decided", holds_decided)
    deposit = Decimal(order["prepayment"])
    if deposit:
        await pay(trade, plan, order, deposit, plan.deposit_method, None)
        await shows(trade, order, "deposit", lambda seen: Decimal(seen["paid"]) >= deposit)
    key = trade.run.key(plan.basket.id, "cancel")
    await trade.api.post(f"/orders/{order['id']}/cancel", {}, key, unheard=True)
    if deposit:
        body = {
            "order_id": order["id"],
            "amount": str(deposit),
            "method": plan.deposit_method,
            "store_id": trade.places.stores[plan.basket.store],
        }
        key = trade.run.key(plan.basket.id, "refund")
        await trade.api.post("/refunds", body, key, unheard=True)
        await shows(trade, order, "refund", lambda seen: not Decimal(seen["paid"]))


async def leave(trade: Trade, plan: Plan) -> None:
    """Placed and held, and nobody comes for it."""
    order = await place(trade, plan)
    await shows(trade, order, "holds decided", holds_decided)


FLOWS: dict[str, Callable[[Trade, Plan], Awaitable[object]]] = {
    "through": take_through,
    "cancelled": cancel,
    "left": leave,
}
