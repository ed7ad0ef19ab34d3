"""All that an instance has stored, put aside in a folder and brought back from it.

The services stand still while it is done, so that databases, topics and the services' places in
them are of one moment.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from local import places, postgres
from local.instance import Instance
from local.refusals import CannotStart
from local.topology import KAFKA, SERVICES, owner_role

Say = Callable[[str], None]
FORMAT = 1
# How the server's own tools are told where to go.
VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
}
MANIFEST = "manifest.json"
# Beside databases and topics: without these nobody could open, sign or unseal what is in them.
FOLDERS = (KAFKA, "keys", "agent", "mail")
FILES = ("secrets.json", "scale.json")


def databases() -> list[str]:
    """Every service that owns a database, which has its name."""
    return [service.name for service in SERVICES if service.owns_database]


def save_databases(instance: Instance, folder: Path) -> None:
    """Dump every database, by the tool of the server's own version."""
    folder.mkdir(mode=0o700, parents=True)
    for name in databases():
        _run(instance, "pg_dump", "--format=custom", f"--file={folder / name}.dump", database=name)


async def write_manifest(instance: Instance, folder: Path) -> None:
    """Note when the backup was made and how far every service had read and every topic reached."""
    manifest = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "read": {name: await places.read_by(instance.kafka, name) for name in databases()},
        "ends": await places.ends(instance.kafka),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def save_files(instance: Instance, folder: Path) -> None:
    """Copy the brokers' records, the keys and the secrets; the brokers must stand still."""
    for name in FOLDERS:
        if (instance.state / name).exists():
            shutil.copytree(instance.state / name, folder / name)
    for name in FILES:
        if (instance.state / name).exists():
            shutil.copy2(instance.state / name, folder / name)


def bring_files_back(instance: Instance, folder: Path) -> None:
    """Put records, keys and secrets where an instance has them."""
    instance.folder()
    for name in FOLDERS:
        if (folder / name).exists():
            shutil.copytree(folder / name, instance.state / name)
    for name in FILES:
        if (folder / name).exists():
            shutil.copy2(folder / name, instance.state / name)


def bring_database_back(instance: Instance, folder: Path, name: str) -> None:
    """Replace a service's database by the one of the backup; its roles must be there."""
    with psycopg.connect(postgres.superuser_url(instance), autocommit=True) as server:
        own = sql.Identifier(name)
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(own))
        owner = sql.Identifier(owner_role(name))
        server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(own, owner))
    dump = folder / "databases" / f"{name}.dump"
    _run(instance, "pg_restore", "--exit-on-error", str(dump), database=name)
    # Statements are planned by what the tables hold, and a dump does not say how much that is.
    _run(instance, "vacuumdb", "--analyze-only", "--quiet", database=name)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a backup says of itself; refused when it is none, or not whole."""
    path = folder / MANIFEST
    missing = [name for name in databases() if not (folder / "databases" / f"{name}.dump").exists()]
    if not path.exists() or missing:
        raise CannotStart(f"{folder} is no whole backup: name a folder that `backup` has made.")
    found: dict[str, Any] = json.loads(path.read_text())
    if found.get("format") != FORMAT:
        raise CannotStart(f"{folder} was made by another version: restore it with that one.")
    return found


def _run(instance: Instance, program: str, *options: str, database: str) -> None:
    # By the environment: a command line with the password could be read by everybody.
    place = {**conninfo_to_dict(postgres.superuser_url(instance)), "dbname": database}
    told = {VARIABLES[name]: str(value) for name, value in place.items()}
    command = [str(postgres.programs() / program), "--dbname", database, *options]
    environment = {**os.environ, **told}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CannotStart(f"{program} of {database} failed: {reason[:200]}")


def new_folder(folder: Path) -> Path:
    """The folder of a backup to be made; one that holds something already is refused."""
    if folder.exists() and any(folder.iterdir()):
        raise CannotStart(f"{folder} is not empty: name a new folder for the backup.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder.resolve()
