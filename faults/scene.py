"""What a fault is, and what it is given to do its work."""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from demo.client import Body, NotNow, Refused
from demo.orders import holds_decided
from local.topology import LOOPBACK

from faults.chain import Chain
from faults.load import Load
from faults.system import NeverHappened, System, until
from faults.till import Till

# Within this an order is accepted and its holds decided, or the system is not well yet. The short
# run must pass on any machine, so it only asks that orders are taken at all.
PROBE_S, PROBE_SHORT_S = 2.0, 15.0


class Skipped(Exception):
    """This machine does not allow the fault; the text says why."""


@dataclass(frozen=True)
class Done:
    """A fault that was injected and healed, and what it found wrong by its own looking."""

    text: str
    healed_at: float  # Monotonic; recovery is counted from here.
    wrong: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()  # Bars of time, memory or rate that were not met.
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """The system, the load on it, and this run's chance."""

    system: System
    till: Till
    prober: Till  # Gives up at once: an unanswered probe is an answer.
    chain: Chain
    load: Load
    chance: random.Random
    folder: Path
    short: bool

    @property
    def probe_s(self) -> float:
        """How long a well system may take for an order."""
        return PROBE_SHORT_S if self.short else PROBE_S

    def seconds(self, short: float, long: float) -> float:
        """How long a fault lasts: drawn from around the length of this kind of run."""
        return (short if self.short else long) * self.chance.uniform(0.8, 1.2)

    def order_body(self, sku: str, quantity: str = "1", **more: Any) -> Body:
        """An order of the faults' own store."""
        corner = self.chain.corner
        return {
            "store_id": corner.store_id,
            "channel": "counter",
            "customer_id": corner.customer_id,
            "currency": "USD",
            "lines": [{"sku": sku, "quantity": quantity}],
            "hold": {"method": "nominal", "warehouse_id": corner.warehouse_id},
            **more,
        }

    async def take_order(self, sku: str | None = None) -> bool:
        """Whether an order is accepted and its holds are decided within the probe's time."""
        body = self.order_body(sku or self.chain.corner.sku)
        try:
            async with asyncio.timeout(self.probe_s):
                order = await self.prober.do("/orders", body)
                while not holds_decided(order):
                    await asyncio.sleep(0.05)
                    order = await self.prober.get(f"/orders/{order['id']}")
        except (TimeoutError, NotNow, Refused, httpx.TransportError):
            return False
        return True

    async def ailment(self) -> str | None:
        """What is not well yet; None when all runs, is ready, is linked, and an order is taken."""
        system = self.system
        down = await system.down()
        if down:
            return f"{', '.join(down)} not running"
        if not await system.answers(f"{system.address}/readyz"):
            return "not ready"
        if not await asyncio.to_thread(_listens, system.instance.ports.smtp):
            return "no mail server"
        if not await self.agent_is_linked():
            return "the agent is not linked"
        if not await self.take_order():
            return f"no order was decided in {self.probe_s:.0f} s"
        return None

    async def agent_is_linked(self) -> bool:
        """Whether the hub has the device agent on its link."""
        try:
            async with asyncio.timeout(self.probe_s):
                found = await self.prober.get("/devices")
        except (TimeoutError, NotNow, Refused, httpx.TransportError):
            return False
        return any(device["state"] == "linked" for device in found["items"])

    async def recovery_s(self, healed_at: float) -> float:
        """Wait until the system is well again; how many seconds that took."""
        ailment: str | None = None

        async def is_well() -> bool:
            nonlocal ailment
            ailment = await self.ailment()
            return ailment is None

        try:
            await until(is_well, "recovery")
        except NeverHappened as never:
            raise NeverHappened(f"{never}: {ailment}") from None
        return time.monotonic() - healed_at


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


@dataclass(frozen=True)
class Fault:
    """One row of the quality page's table: what is done, and how soon the system must be well."""

    code: str
    what: str
    inject: Callable[[Scene], Awaitable[Done]]
    bar_s: float
