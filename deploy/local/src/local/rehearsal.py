"""A rolling restart of everything that there is more than one of, under a load that must not fail.

One process after the other is told to stop, comes back, and is waited for. The database, the mail
catcher's list and the door itself are one each: they are not restarted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from local import steps
from local.instance import Instance
from local.refusals import CannotStart, NotReadyInTime
from local.steady_load import Answer, SteadyLoad
from local.supervision import Supervisor
from local.topology import AGENT, BY_NAME, DRAIN_S, GATEWAY, KAFKA, LOOPBACK, MAIL, Process

BACK_SECONDS = 180.0
Say = Callable[[str], None]


def restarted(instance: Instance, running: set[str]) -> list[Process]:
    """What is restarted, in this order: of the running ones, those that others stand in for."""
    kinds = [*BY_NAME, AGENT, MAIL, KAFKA, GATEWAY]
    alone = {MAIL, AGENT}  # Those who use them wait and try again.
    return [
        process
        for kind in kinds
        for process in instance.scale.of(kind)
        if process.name in running and (process.number or kind in alone)
    ]


async def rehearse(instance: Instance, rate: float, say: Say) -> SteadyLoad:
    """Restart all of it once, while orders come in; the load tells what became of them."""
    supervisor = Supervisor(instance)
    processes = restarted(instance, supervisor.running() if supervisor.is_running() else set())
    if not any(process.kind in BY_NAME for process in processes):
        raise CannotStart("Nothing runs twice here: start with `make up REPLICAS=2 BROKERS=3`.")
    load = SteadyLoad(steps.address(instance), rate)
    await asyncio.to_thread(load.prepare)
    stopped = asyncio.Event()
    sending = asyncio.create_task(load.run(stopped))
    try:
        for process in processes:
            load.meanwhile = f"restart of {process.name}"
            began = time.monotonic()
            await asyncio.to_thread(supervisor.stop, [process.name])
            await asyncio.to_thread(supervisor.start, [process.name])
            await _back(instance, process)
            failed = failures(load.answers)
            took = time.monotonic() - began
            say(f"{process.name}: back after {took:.0f} s; {len(load.answers)} answers, "
                f"{len(failed)} failed")  # fmt: skip
    finally:
        load.meanwhile = "the end"
        stopped.set()
        await sending
    return load


def failures(answers: list[Answer]) -> list[Answer]:
    """The requests that were not answered as they must be."""
    return [one for one in answers if one.order_id is None]


async def _back(instance: Instance, process: Process) -> None:
    """Wait until the process does its work again, and until those who ask it know that."""
    port = instance.ports.of_process(process)[0] if process.kind != AGENT else 0
    probe: Callable[[], Awaitable[bool]]
    if process.kind in BY_NAME:
        # Web is ready when all are: alone it need only live.
        path = "/healthz" if process.kind == "web" else "/readyz"
        probe = _answering(f"http://{LOOPBACK}:{port}{path}")
    elif process.kind == GATEWAY:
        probe = _answering(f"http://{LOOPBACK}:{port}/ping")
    elif process.kind == MAIL:
        probe = _answering(f"http://{LOOPBACK}:{instance.ports.mail_list}/mails")
    elif process.kind == KAFKA:
        probe = _every_copy(instance)
    else:
        return  # The agent calls out; its hub notices by itself.
    deadline = time.monotonic() + BACK_SECONDS
    while not await probe():
        if time.monotonic() > deadline:
            raise NotReadyInTime(process.name, BACK_SECONDS, str(instance.log_of(process.name)))
        await asyncio.sleep(0.2)
    if process.kind in BY_NAME or process.kind == GATEWAY:
        await asyncio.sleep(DRAIN_S)  # What the gateway's health check may take to see it.


def _answering(url: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            return await steps.is_ready(client, url)

    return ask


def _every_copy(instance: Instance) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        """Whether every broker is there and every partition has all its copies in sync."""
        try:
            if not await steps.kafka_answers(instance.kafka):
                return False
            admin = AIOKafkaAdminClient(bootstrap_servers=instance.kafka)
            await admin.start()
            try:
                topics = await admin.describe_topics()
            finally:
                await admin.close()
        except (OSError, KafkaError):
            return False
        partitions = [partition for topic in topics for partition in topic["partitions"]]
        return all(len(p["isr"]) == len(p["replicas"]) for p in partitions)

    return ask
