"""The orders service put together."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog
from chassis.runtime import Runtime
from chassis.service import Service

from orders.catalogue import domain as catalogue
from orders.catalogue import http as catalogue_http
from orders.customers import domain as customers
from orders.customers import http as customers_http
from orders.order_settings import http as settings_http
from orders.orders import handlers, lists_http, refusals, subscribers
from orders.orders import http as orders_http
from orders.orders.handlers import Answer, PlaceOrder
from orders.settings import Settings
from orders.stores import subscribers as stores_subscribers

log = structlog.get_logger()
LOOK_EVERY_S = 5.0


@asynccontextmanager
async def start(runtime: Runtime) -> AsyncIterator[orders_http.Parts]:
    """Requests that arrive together are answered together."""
    settings = runtime.settings
    assert isinstance(settings, Settings)

    async def use_case(commands: Sequence[PlaceOrder]) -> Sequence[Answer]:
        return await handlers.place_orders(runtime.db, commands, settings.currency)

    yield orders_http.parts_on(runtime.db, use_case)


async def repeat_commands(runtime: Runtime) -> None:
    """A hold or release without an answer is asked for again; it is idempotent."""
    settings = runtime.settings
    assert isinstance(settings, Settings)
    after = timedelta(seconds=settings.hold_repeat_s)
    while True:
        count = await runtime.db.run(
            lambda tx: handlers.repeat_commands(tx, datetime.now(UTC), after)
        )
        if count:
            log.warning("hold commands given again", orders=count)
        await asyncio.sleep(LOOK_EVERY_S)


service = Service(
    "orders",
    Settings,
    routers=(
        orders_http.router,
        lists_http.router,
        catalogue_http.router,
        customers_http.router,
        settings_http.router,
    ),
    subscriptions=[*stores_subscribers.subscriptions.all, *subscribers.subscriptions.all],
    refusals={
        **refusals.STATUSES,
        catalogue.ItemExists: 409,
        catalogue.BarcodeTaken: 409,
        catalogue.SkuIsReserved: 422,
        customers.CardNumberTaken: 409,
        customers.CustomerExists: 409,
    },
    timers=(repeat_commands,),
    start=start,
    title="Holdfast orders",
)


def main() -> None:
    """Run the service."""
    service.run()


if __name__ == "__main__":
    main()
