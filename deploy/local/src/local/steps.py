"""The start of an instance, step by step; every step may be repeated."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import httpx
import psycopg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from local import agent, gateway, kafka, migrations, owner, postgres
from local.instance import Instance
from local.processes import write_supervisor_file
from local.refusals import CannotStart, NotReadyInTime
from local.supervision import Supervisor
from local.topics import COPIES_MAX, make_topics
from local.topology import AGENT, BY_NAME, GATEWAY, INFRASTRUCTURE, KAFKA, LOOPBACK, POSTGRES

INFRASTRUCTURE_SECONDS = 60.0
SERVICES_SECONDS = 180.0  # As many times for each as there are processes of it.

Say = Callable[[str], None]


async def bring_up(instance: Instance, kinds: Sequence[str], say: Say) -> None:
    """Start all of these kinds and what they need first; return when all of them are ready."""
    supervisor = Supervisor(instance)
    await prepare(instance, kinds, say)
    changed = write_supervisor_file(instance)
    if not supervisor.is_running():
        supervisor.launch()
    elif changed:
        supervisor.reload()
    supervisor.start(instance.scale.names(set(INFRASTRUCTURE) & set(kinds)))
    services = [kind for kind in kinds if kind in BY_NAME]
    chains: list[Awaitable[None]] = []
    if POSTGRES in kinds:
        chains.append(_databases(instance, services, say))
    if KAFKA in kinds:
        chains.append(_topics(instance, say))
    await _all(chains)
    supervisor.start(instance.scale.names(services))
    await _ready(instance, kinds, say)
    if GATEWAY in kinds and {"identity", "orders"} <= set(services):
        await asyncio.to_thread(owner.make_demo_customer, address(instance))
    if AGENT in kinds:
        await _agent(instance, supervisor, say)


def address(instance: Instance) -> str:
    """Where people and programs find the system."""
    return f"http://{LOOPBACK}:{instance.ports.gateway}"


async def _all(chains: Sequence[Awaitable[None]]) -> None:
    """Run side by side; when one fails, the others end and its reason is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for chain in chains:
                group.create_task(_as_task(chain))
    except* CannotStart as refusals:
        raise refusals.exceptions[0] from None


async def _as_task(chain: Awaitable[None]) -> None:
    await chain


async def prepare(instance: Instance, kinds: Sequence[str], say: Say) -> None:
    """Make the files that the processes start from; only the first time takes long."""
    if KAFKA in kinds and not kafka.jars_folder().is_dir():
        say("Downloading Apache Kafka")
    if POSTGRES in kinds and not (postgres.data_folder(instance) / "holdfast-ready").exists():
        say("Making the databases' folder")
    chains: list[Awaitable[None]] = []
    if KAFKA in kinds:
        chains.append(asyncio.to_thread(kafka.prepare, instance))
    if POSTGRES in kinds:
        chains.append(asyncio.to_thread(postgres.prepare, instance))
    if GATEWAY in kinds:
        gateway.prepare(instance)
    await _all(chains)


async def _databases(instance: Instance, services: Sequence[str], say: Say) -> None:
    await _until(
        lambda: asyncio.to_thread(postgres_answers, instance), instance, POSTGRES, "PostgreSQL"
    )
    await asyncio.to_thread(postgres.make_roles, instance)
    if services:
        say("Migrating the databases")
    await migrations.migrate(instance, services)


def postgres_answers(instance: Instance) -> bool:
    try:
        with psycopg.connect(postgres.superuser_url(instance), connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


async def _topics(instance: Instance, say: Say) -> None:
    brokers = instance.scale.of(KAFKA)
    await _until(lambda: kafka_answers(instance.kafka), instance, brokers[0].name, "Kafka")
    made = await make_topics(instance.kafka, copies=min(COPIES_MAX, len(brokers)))
    if made:
        say(f"Made {made} topics")


async def kafka_answers(servers: str) -> bool:
    """Whether every broker answers, and knows of all the others."""
    # Bare connections first: the client library logs an error for each attempt of its own.
    addresses = servers.split(",")
    try:
        for address in addresses:
            host, port = address.split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
        admin = AIOKafkaAdminClient(bootstrap_servers=servers)
        await admin.start()
    except (OSError, KafkaError):
        return False
    try:
        return len((await admin.describe_cluster())["brokers"]) == len(addresses)
    finally:
        await admin.close()


async def _until(
    ready: Callable[[], Awaitable[bool]], instance: Instance, process: str, what: str
) -> None:
    seconds = INFRASTRUCTURE_SECONDS * instance.scale.brokers
    deadline = monotonic() + seconds
    while not await ready():
        if monotonic() > deadline:
            log = str(instance.log_of(process))
            raise NotReadyInTime(what, seconds, log)
        await asyncio.sleep(0.2)


def readiness(instance: Instance, kinds: Sequence[str]) -> dict[str, str]:
    """The address that says of each process whether it is ready, and of the whole at the end.

    Web is ready when all services are; when only some are asked for, it need only live.
    Servers that are not ours have no such address but for the gateway, on the last of its ports.
    """
    whole = set(kinds) >= set(BY_NAME)
    probes = {**dict.fromkeys(BY_NAME, "/readyz"), GATEWAY: "/ping"}
    if not whole:
        probes["web"] = "/healthz"
    urls = {}
    for process in instance.scale.processes([kind for kind in kinds if kind in probes]):
        *_, port = instance.ports.of_process(process)
        urls[process.name] = f"http://{LOOPBACK}:{port}{probes[process.kind]}"
    if whole:
        urls[GATEWAY] = address(instance) + "/readyz"
    return urls


async def _ready(instance: Instance, kinds: Sequence[str], say: Say) -> None:
    """Wait until each process says that it is ready, and then the whole through the gateway."""
    urls = readiness(instance, kinds)
    waiting = list(urls)
    seconds = SERVICES_SECONDS * instance.scale.replicas
    deadline = monotonic() + seconds
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        while waiting:
            say(f"Waiting for {', '.join(waiting)}")
            waiting = [name for name in waiting if not await is_ready(client, urls[name])]
            if waiting and monotonic() > deadline:
                log = str(instance.log_of(waiting[0]))
                raise NotReadyInTime(waiting[0], seconds, log)
            if waiting:
                await asyncio.sleep(0.3)


async def _agent(instance: Instance, supervisor: Supervisor, say: Say) -> None:
    """Start the device agent; the first time, with a code that the hub accepts once."""
    if await asyncio.to_thread(agent.is_enrolled, instance):
        supervisor.start([AGENT])
        return
    say("Enrolling the device agent")
    await asyncio.to_thread(agent.enrol, instance, address(instance))
    supervisor.start([AGENT])
    await _until(
        lambda: asyncio.to_thread(agent.is_enrolled, instance), instance, AGENT, "The device agent"
    )


async def is_ready(client: httpx.AsyncClient, url: str) -> bool:
    """Whether a readiness address answers 200."""
    try:
        return (await client.get(url)).status_code == 200
    except httpx.HTTPError:
        return False
