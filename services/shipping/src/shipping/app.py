"""Shipping put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.runtime import Runtime
from chassis.service import Service

from shipping import http, subscribers
from shipping.settings import Settings


@asynccontextmanager
async def start(runtime: Runtime) -> AsyncIterator[http.Parts]:
    """Single requests that arrive together share a transaction."""
    yield http.parts_on(runtime.db)


service = Service(
    "shipping",
    Settings,
    routers=(http.router,),
    subscriptions=subscribers.subscriptions.all,
    refusals=http.REFUSALS,
    start=start,
)


def main() -> None:
    """Serve."""
    service.run()


if __name__ == "__main__":
    main()
