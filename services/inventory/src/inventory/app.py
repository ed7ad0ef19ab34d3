"""Inventory put together: its routes, what it listens to, and its reminders."""

import asyncio
from datetime import UTC, datetime
from typing import cast

from chassis.runtime import Runtime
from chassis.service import Service

from inventory.holds import handlers as holds_handlers
from inventory.holds import http as holds_http
from inventory.holds import subscribers as holds_subscribers
from inventory.holds.domain import orders as holds
from inventory.settings import Settings
from inventory.stock import domain as stock
from inventory.stock import http as stock_http
from inventory.stock import subscribers as stock_subscribers
from inventory.stores import domain as stores
from inventory.stores import http as stores_http


async def remind_of_ends(runtime: Runtime) -> None:
    """Tell of holds that end, a batch at a time, for ever."""
    poll_s = cast(Settings, runtime.settings).reminder_poll_s
    while True:
        due = await runtime.db.run(lambda tx: holds_handlers.remind(tx, now=datetime.now(UTC)))
        if due < holds_handlers.REMINDERS_MAX:
            await asyncio.sleep(poll_s)


service = Service(
    "inventory",
    Settings,
    routers=(stores_http.router, stock_http.router, holds_http.router),
    subscriptions=[*holds_subscribers.subscriptions.all, *stock_subscribers.subscriptions.all],
    refusals={
        stores.CodeTaken: 409,
        stores.IdTaken: 409,
        stores.TemporaryStorageExists: 409,
        stores.UnknownStore: 422,
        stores.UnknownParent: 422,
        stock.UnknownItem: 422,
        stock.UnknownWarehouse: 422,
        stock.NotAMainWarehouse: 422,
        stock.TooPreciseForItsUnit: 422,
        stock.ReceiptIdTaken: 409,
        holds.HoldTooLong: 422,
        holds.HoldEndsInThePast: 422,
        holds.NothingIsHeld: 409,
    },
    timers=(remind_of_ends,),
)


def main() -> None:
    """Serve until told to stop."""
    service.run()


if __name__ == "__main__":
    main()
