"""A rolling restart of everything that there is more than one of, under a load that must not fail.

One of each kind is told to stop, comes back, and is waited for; then the next. The database and the
door itself are one each: they are not restarted.
"""

import asyncio
import time
from collections.abc import Callable

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


def turns(instance: Instance, running: set[str]) -> list[list[Process]]:
    """What is restarted, turn after turn, of those that others stand in for; never two of a kind.

    The first of every service side by side, the first broker, the first gateway; then the second.
    """
    together = ([*BY_NAME, AGENT, MAIL], [KAFKA], [GATEWAY])
    alone = {MAIL, AGENT}  # Those who use them wait and try again.
    found = []
    for number in range(1, max(instance.scale.replicas, instance.scale.brokers) + 1):
        for kinds in together:
            processes = [p for kind in kinds for p in instance.scale.of(kind) if p.name in running]
            found.append([p for p in processes if (1 if p.kind in alone else p.number) == number])
    return [turn for turn in found if turn]


async def rehearse(instance: Instance, rate: float, say: Say) -> SteadyLoad:
    """Restart all of it once, with so many requests a second; the load tells how they went."""
    supervisor = Supervisor(instance)
    planned = turns(instance, supervisor.running() if supervisor.is_running() else set())
    if not any(process.kind in BY_NAME for turn in planned for process in turn):
        raise CannotStart("Nothing runs twice here: start with `make up REPLICAS=2 BROKERS=3`.")
    load = SteadyLoad(steps.address(instance), rate)
    await asyncio.to_thread(load.prepare)
    stopped = asyncio.Event()
    sending = asyncio.create_task(load.run(stopped))
    try:
        for turn in planned:
            names = [process.name for process in turn]
            load.meanwhile = f"restart of {', '.join(names)}"
            began = time.monotonic()
            await asyncio.to_thread(supervisor.stop, names)
            await asyncio.to_thread(supervisor.start, names)
            await asyncio.gather(*(_back(instance, process) for process in turn))
            took, failed = time.monotonic() - began, len(failures(load.answers))
            say(f"{', '.join(names)}: back after {took:.0f} s; "
                f"{len(load.answers)} answers, {failed} failed")  # fmt: skip
            await asyncio.sleep(DRAIN_S)  # What the health checks may take to see it.
    finally:
        load.meanwhile = "the end"
        stopped.set()
        await sending
    return load


def failures(answers: list[Answer]) -> list[Answer]:
    """The requests that were not answered as they must be."""
    return [one for one in answers if not one.is_good]


async def _back(instance: Instance, process: Process) -> None:
    """Wait until the process does its work again."""
    if process.kind == AGENT:
        return  # It calls out; its hub notices by itself.
    deadline = time.monotonic() + BACK_SECONDS
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        while not (
            await _has_every_copy(instance)
            if process.kind == KAFKA
            else await steps.is_ready(client, _place(instance, process))
        ):
            if time.monotonic() > deadline:
                raise NotReadyInTime(process.name, BACK_SECONDS, str(instance.log_of(process.name)))
            await asyncio.sleep(0.2)


def _place(instance: Instance, process: Process) -> str:
    """Where a process answers 200 when it works."""
    # Web is ready when all are: alone it need only live.
    paths = {"web": "/healthz", GATEWAY: "/ping", MAIL: "/mails"}
    first, *_ = instance.ports.of_process(process)
    port = instance.ports.mail_list if process.kind == MAIL else first
    return f"http://{LOOPBACK}:{port}{paths.get(process.kind, '/readyz')}"


async def _has_every_copy(instance: Instance) -> bool:
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
