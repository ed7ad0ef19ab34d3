"""The commands `backup` and `restore`, step by step; what ran before runs afterwards."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from local import agent, backup, places, postgres, steps
from local.instance import Instance, write_private
from local.refusals import CannotStart
from local.supervision import Supervisor
from local.topology import BY_NAME, INFRASTRUCTURE, KAFKA, KINDS, POSTGRES

Say = Callable[[str], None]


@dataclass(frozen=True)
class Lost:
    """What a restored database did not know: it hears the one again, the other it said itself."""

    heard: list[places.Stretch]
    said: list[places.Stretch]


def back_up(instance: Instance, to: Path, say: Say) -> None:
    """Put everything aside; services and brokers stand still meanwhile and are started again."""
    folder = backup.new_folder(to)
    supervisor = Supervisor(instance)
    up = supervisor.running() if supervisor.is_running() else set()
    needed = set(instance.scale.names([POSTGRES, KAFKA]))
    if not needed <= up:
        raise CannotStart("A backup is made of what runs: start it by `make up` first.")
    say("The services stand still")
    supervisor.stop(up - set(instance.scale.names(INFRASTRUCTURE)))
    try:
        backup.save_databases(instance, folder / "databases")
        asyncio.run(backup.write_manifest(instance, folder))
        supervisor.stop(instance.scale.names([KAFKA]))
        backup.save_files(instance, folder)
    finally:
        _start(instance, up, say)


def bring_back(instance: Instance, folder: Path, say: Say) -> None:
    """Bring everything back into an instance that has nothing stored and does not run."""
    backup.read_manifest(folder)
    backup.bring_files_back(instance, folder)
    agent.settle(instance)
    say("Bringing the databases back")
    asyncio.run(steps.bring_up(instance, [POSTGRES], say))
    for name in backup.databases():
        backup.bring_database_back(instance, folder, name)
    asyncio.run(steps.bring_up(instance, list(KINDS), say))


def bring_one_back(instance: Instance, folder: Path, service: str, say: Say) -> Lost:
    """Bring one service's database back and let it hear again what came since.

    The service stays stopped, for a person must look at what it had said itself before it goes on.
    """
    manifest = backup.read_manifest(folder)
    if service not in backup.databases():
        raise CannotStart(f"{service} has no database: choose from {', '.join(BY_NAME)}.")
    supervisor = Supervisor(instance)
    up = supervisor.running() if supervisor.is_running() else set()
    if not set(instance.scale.names([POSTGRES, KAFKA])) <= up:
        raise CannotStart("The other services' facts are needed: start everything by `make up`.")
    supervisor.stop(instance.scale.names([service]))
    # The topics first: set back without need, it recognises what it knows; the other way round, a
    # start that was cut short would leave out what came since.
    now = asyncio.run(places.read_by(instance.kafka, service))
    read = places.as_then(now, manifest["read"][service])
    say("Setting it back in the topics")
    asyncio.run(places.set_back(instance.kafka, service, read))
    backup.bring_database_back(instance, folder, service)
    postgres.make_roles(instance)
    said = asyncio.run(places.since(instance.kafka, places.said_by(service, manifest["ends"])))
    return Lost(asyncio.run(places.since(instance.kafka, read)), said)


def write_down(instance: Instance, service: str, lost: Lost) -> Path:
    """Keep what was lost, with the bodies, for the person who decides; readable by them alone."""
    path = instance.state / f"lost-by-{service}.json"
    write_private(path, json.dumps(asdict(lost), indent=1))
    return path


def _start(instance: Instance, names: set[str], say: Say) -> None:
    kinds = [kind for kind in KINDS if set(instance.scale.names([kind])) & names]
    asyncio.run(steps.bring_up(instance, kinds, say))
