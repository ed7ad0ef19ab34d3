"""Overload: three times what the system can take arrives, and it says so instead of drowning."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
from chassis.ids import uuid7
from local.topology import API, DEMO_PASSWORD

from faults.scene import Done, Scene
from faults.system import PATIENCE_S
from faults.till import OWNER

TIMES_THE_PEAK = 3
AT_ONCE = 48  # Enough to keep every part of the way busy while the peak is measured.
UNDER_WAY_MAX = 600
DURING, AFTERWARDS = 1.25, 1.15  # Of the memory before.


@dataclass
class Answers:
    """What came back: how many of each kind, and the orders that were taken."""

    counts: Counter[str] = field(default_factory=Counter)
    taken: list[str] = field(default_factory=list)


async def overload(scene: Scene) -> Done:
    """Measure the peak, offer three times as much, and see what was shed and what was kept."""
    # Not the till's own client: it would be full before the system is.
    async with aiohttp.ClientSession(
        scene.system.address,
        connector=aiohttp.TCPConnector(limit=UNDER_WAY_MAX),
        timeout=aiohttp.ClientTimeout(60),
    ) as client:
        await _sign_in(client)
        peak = await _peak(scene, client, 3 if scene.short else 8)
        # At the peak every buffer and cache is in use: beyond it nothing may grow.
        by_process = await scene.system.memory_mib()
        before = sum(by_process.values())
        answers = Answers()
        flood = asyncio.create_task(
            _flood(scene, client, answers, TIMES_THE_PEAK * peak, 5 if scene.short else 20)
        )
        during = before
        while not flood.done():
            during = max(during, sum((await scene.system.memory_mib()).values()))
            await asyncio.sleep(1)
        offered = flood.result()
    ended_at = time.monotonic()
    wrong = await _undecided(scene, answers.taken)
    recovery_s = await scene.recovery_s(ended_at)
    now = await scene.system.memory_mib()
    after = sum(now.values())
    most = max(now, key=lambda name: now[name] - by_process.get(name, 0.0))
    figures = {
        "peak_a_second": round(peak, 1),
        "offered_a_second": round(offered, 1),
        **{name: float(number) for name, number in sorted(answers.counts.items())},
        "memory_mib": round(before),
        "memory_during": round(during / before, 2),
        "memory_after": round(after / before, 2),
        f"memory_of_{most}_grew_mib": round(now[most] - by_process.get(most, 0.0)),
    }
    missed = []
    if not answers.counts["shed"]:
        missed.append("overload: nothing was answered 429 with Retry-After")
    if during > DURING * before or after > AFTERWARDS * before:
        missed.append(
            f"overload: memory {during / before:.2f} of before, then {after / before:.2f}"
        )
    healed_at = time.monotonic() - recovery_s
    return Done(f"{TIMES_THE_PEAK} times the peak", healed_at, wrong, tuple(missed), figures)


async def _sign_in(client: aiohttp.ClientSession) -> None:
    login = {"username": OWNER, "password": DEMO_PASSWORD}
    async with client.post(f"{API}/tokens", json=login, raise_for_status=True) as answer:
        client.headers["Authorization"] = f"Bearer {(await answer.json())['access_token']}"


async def _take_one(scene: Scene, client: aiohttp.ClientSession, answers: Answers) -> None:
    """Offer one order once: a refusal is counted, not answered with a second try."""
    body = scene.order_body(scene.chain.corner.sku, notify=False)
    headers = {"Idempotency-Key": f"faults-flood-{uuid7()}"}
    try:
        async with client.post(f"{API}/orders", json=body, headers=headers) as answer:
            if answer.ok:
                answers.counts["taken"] += 1
                answers.taken.append((await answer.json())["id"])
            elif answer.status == 429 and "retry-after" in answer.headers:
                answers.counts["shed"] += 1
            else:
                answers.counts[f"answered {answer.status}"] += 1
    except (aiohttp.ClientError, TimeoutError):
        answers.counts["lost"] += 1


async def _peak(scene: Scene, client: aiohttp.ClientSession, seconds: float) -> float:
    """Orders a second when each caller sends its next as soon as it is answered."""
    answers = Answers()
    ends_at = time.monotonic() + seconds

    async def keep_on() -> None:
        while time.monotonic() < ends_at:
            await _take_one(scene, client, answers)

    started = time.monotonic()
    await asyncio.gather(*(keep_on() for _ in range(AT_ONCE)))
    return max(1.0, answers.counts["taken"] / (time.monotonic() - started))


async def _flood(
    scene: Scene, client: aiohttp.ClientSession, answers: Answers, rate: float, seconds: float
) -> float:
    """Offer orders by the clock; how many a second really left."""
    started = time.monotonic()
    due, sent = started, 0
    under_way: set[asyncio.Task[None]] = set()
    while due < started + seconds:
        due += 1 / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if len(under_way) >= UNDER_WAY_MAX:
            answers.counts["not offered"] += 1
            continue
        sent += 1
        task = asyncio.create_task(_take_one(scene, client, answers))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    rate = sent / (time.monotonic() - started)
    if under_way:
        await asyncio.wait(under_way)
    return rate


async def _undecided(scene: Scene, taken: list[str]) -> tuple[str, ...]:
    """Orders that were taken and whose holds were never decided."""
    left = set(taken)
    deadline = time.monotonic() + PATIENCE_S
    async with scene.system.database("orders") as database:
        while left and time.monotonic() < deadline:
            rows = await database.fetch(
                "SELECT id::text FROM orders WHERE id = ANY($1::uuid[]) AND status <> 'agreed'",
                sorted(left),
            )
            left -= {row["id"] for row in rows}
            await asyncio.sleep(0.5)
    return (f"{len(left)} orders were taken and never decided",) if left else ()
