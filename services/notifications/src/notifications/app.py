"""Notifications put together."""

import asyncio
from datetime import UTC, datetime
from functools import partial

from chassis.runtime import Runtime
from chassis.service import Service

from notifications import domain, handlers, http, sender, subscribers
from notifications.settings import Settings

LOOK_AGAIN_S = 2.0


async def tell_what_waited(runtime: Runtime) -> None:
    """An order and its customer's card may arrive at the same moment and miss one another."""
    press = subscribers.press()
    while True:
        work = partial(handlers.tell_what_waited, press=press, now=datetime.now(UTC))
        await runtime.db.run(work)
        await asyncio.sleep(LOOK_AGAIN_S)


service = Service(
    "notifications",
    Settings,
    routers=(http.router,),
    subscriptions=subscribers.subscriptions.all,
    refusals={domain.MessageNotFound: 404},
    linger_s=0.2,  # A message may follow the order at a distance.
    timers=(sender.send_for_ever, tell_what_waited),
)


def main() -> None:
    service.run()


if __name__ == "__main__":
    main()
