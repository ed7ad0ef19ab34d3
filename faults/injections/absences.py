"""E11, E12: something is not there for a while, and what it missed waits for it."""

import asyncio
import signal
import time

import psutil
from local.topology import MAIL

from faults.scene import Done, Scene
from faults.system import until

CONSUMERS = ("inventory", "billing", "shipping", "notifications", "orders")


async def pause_consumer(scene: Scene) -> Done:
    """E11: a service stands still, its connections open, then has everything to catch up with."""
    name = scene.chance.choice(CONSUMERS)
    process = psutil.Process(await scene.system.pid(name))
    seconds = scene.seconds(10, 45)
    process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        process.send_signal(signal.SIGCONT)
    return Done(f"{name} stood still for {seconds:.0f} s", time.monotonic())


async def stop_mail(scene: Scene) -> Done:
    """E12: the mail server is away; orders do not notice."""
    seconds = scene.seconds(8, 60)
    await scene.system.stop(MAIL)
    try:
        gone_at = time.monotonic()
        # Orders go on: this waits for one, however slow the machine is.
        await until(scene.take_order, "an order while the mail server was away")
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - gone_at)))
    finally:
        await scene.system.start(MAIL)
    return Done(f"the mail server was away for {seconds:.0f} s", time.monotonic())
