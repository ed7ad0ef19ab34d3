"""Composition root of the devices service."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chassis.background import in_background
from chassis.runtime import Runtime
from chassis.service import Service

from devices import domain, handlers, http, link, registry, subscribers
from devices.handlers import NEWS
from devices.link import POLL_S, Hub
from devices.seals import HubKey
from devices.settings import Settings

SWEEP_S = 5.0


@dataclass(frozen=True)
class Parts:
    key: HubKey
    hub: Hub


@asynccontextmanager
async def start(runtime: Runtime) -> AsyncIterator[Parts]:
    """The hub's key in every role; the links where HTTP is served."""
    settings = _settings(runtime)
    key = HubKey.read(settings.signing_key_file)
    hub = Hub(runtime.db, key, settings)
    works = {"hand out": hub.hand_out, "pulse": hub.pulse} if settings.plays("http") else {}
    async with in_background(works):
        yield Parts(key, hub)


async def end_late_jobs(runtime: Runtime) -> None:
    """Fail jobs whose time is over, doubt those of which nothing is heard."""
    unheard = timedelta(hours=_settings(runtime).unheard_h)
    while True:
        await runtime.db.run(lambda tx: handlers.end_late_jobs(tx, datetime.now(UTC), unheard))
        await asyncio.sleep(SWEEP_S)


async def serve_agents_on_kafka(runtime: Runtime) -> None:
    """Hand queued jobs to agents that listen on Kafka; costs a glance where there are none."""
    with runtime.db.changes.watch([NEWS]) as changed:
        while True:
            changed.clear()
            while await _hand_over_on_kafka(runtime):
                pass
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await changed.wait()


async def _hand_over_on_kafka(runtime: Runtime) -> int:
    async with runtime.db.reading() as tx:
        if not await registry.any_on_kafka(tx):
            return 0
    settings, key = _settings(runtime), runtime.parts.key
    language, patience = settings.language_default, timedelta(seconds=settings.name_wait_s)
    return await runtime.db.run(
        lambda tx: handlers.hand_over_on_kafka(tx, key, language, datetime.now(UTC), patience)
    )


def _settings(runtime: Runtime) -> Settings:
    assert isinstance(runtime.settings, Settings)
    return runtime.settings


service = Service(
    "devices",
    Settings,
    routers=(http.router, link.router),
    subscriptions=subscribers.subscriptions.all,
    refusals={
        domain.UnknownStore: 422,
        domain.UnknownPaper: 422,
        domain.StillPrinting: 409,
        domain.TooManyCopies: 409,
    },
    timers=(end_late_jobs, serve_agents_on_kafka),
    start=start,
)


def main() -> None:
    service.run()


if __name__ == "__main__":
    main()
