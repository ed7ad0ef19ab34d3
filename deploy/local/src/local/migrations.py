"""Bring every service's database up to date, each as its owner, several at a time."""

import asyncio
import json
import multiprocessing
import os
import sys
from collections.abc import Sequence

from local import postgres
from local.instance import REPOSITORY, Instance
from local.refusals import CannotStart
from local.topology import BY_NAME, owner_role

AT_A_TIME = 2


async def migrate(instance: Instance, services: Sequence[str]) -> None:
    """Migrate the databases of these services; the first failure is said in one line."""
    urls = {
        name: postgres.service_url(instance, name, owner_role(name))
        for name in services
        if BY_NAME[name].owns_database
    }
    if not urls:
        return
    log = instance.log_of("migrations")
    with log.open("wb") as output:
        # One process for all: importing the tools costs more than the migrations themselves.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.migrations"),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=REPOSITORY,
            start_new_session=True,
        )
        try:
            await process.communicate(json.dumps(urls).encode())
        except asyncio.CancelledError:
            process.kill()
            raise
    if process.returncode != 0:
        lines = log.read_text(errors="replace").strip().splitlines() or ["no output"]
        raise CannotStart(f"A migration failed ({lines[-1][:160]}): see {log}, then run again.")


def upgrade(name: str, url: str) -> None:
    """Migrate one service's database in a process of its own, for the URL is a setting."""
    from alembic import command
    from alembic.config import Config

    os.environ["HOLDFAST_DATABASE_URL"] = url
    command.upgrade(Config(str(REPOSITORY / "services" / name / "alembic.ini")), "head")


def upgrade_all(urls: dict[str, str]) -> None:
    """Migrate every database; forks share what is imported here."""
    import alembic.command  # noqa: F401
    import asyncpg  # noqa: F401
    import sqlalchemy.ext.asyncio  # noqa: F401

    context = multiprocessing.get_context("fork")
    with context.Pool(AT_A_TIME, maxtasksperchild=1) as pool:
        pool.starmap(upgrade, urls.items(), chunksize=1)


if __name__ == "__main__":
    upgrade_all(json.load(sys.stdin))
