"""What the town needs: databases of its services, keys, and a mail server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from pathlib import Path
from socket import socket

import asyncpg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from chassis.testing import SIGNING_KEY, migrated_template, postgres_url, scratch_database
from sqlalchemy.engine import make_url

from faults.judge import judge
from faults.judge.versions import SERVICES
from faults.town.day import Size, live
from faults.town.town import Town, opened

ROOT = Path(__file__).parents[2]
SMALL = Size(orders=8, buyers=4)
MakeTown = Callable[[int], AbstractAsyncContextManager[Town]]


class Letterbox:
    """Accepts every mail and forgets it."""

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        return "250 accepted"


@pytest.fixture(scope="session")
def mail_port() -> Iterator[int]:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    controller = Controller(Letterbox(), hostname="127.0.0.1", port=port)
    controller.start()
    yield port
    controller.stop()


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "signing.pem"
    path.write_bytes(SIGNING_KEY.as_pem(private=True))
    return path


@pytest.fixture(scope="session")
def templates() -> Iterator[dict[str, str]]:
    """A migrated database of each service, to copy."""
    with ExitStack() as stack:
        migrated = contextmanager(migrated_template)
        yield {
            name: stack.enter_context(migrated(name, ROOT / "services" / name)) for name in SERVICES
        }


@asynccontextmanager
async def town_of(
    seed: int, templates: dict[str, str], key_file: Path, mail_port: int
) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        databases = {
            name: await stack.enter_async_context(scratch_database(template))
            for name, template in templates.items()
        }
        yield await stack.enter_async_context(opened(seed, databases, key_file, mail_port))


@pytest.fixture
def make_town(templates: dict[str, str], key_file: Path, mail_port: int) -> MakeTown:
    """A town of this seed, on databases of its own."""
    return partial(town_of, templates=templates, key_file=key_file, mail_port=mail_port)


@pytest.fixture(scope="session")
def lived(templates: dict[str, str], key_file: Path, mail_port: int) -> Iterator[dict[str, str]]:
    """The databases after a day in which nothing went wrong, to copy and to spoil."""
    names = {name: f"{template}_lived" for name, template in templates.items()}
    asyncio.run(_live(names, templates, key_file, mail_port))
    yield names
    asyncio.run(_execute(*(f"DROP DATABASE {name} WITH (FORCE)" for name in names.values())))


def urls_of(databases: dict[str, str]) -> dict[str, str]:
    """Where the judge finds these databases of the test server."""
    server = make_url(postgres_url())
    return {
        name: server.set(database=database).render_as_string(hide_password=False)
        for name, database in databases.items()
    }


async def _live(
    names: dict[str, str], templates: dict[str, str], key_file: Path, mail_port: int
) -> None:
    async with AsyncExitStack() as stack:
        databases = {
            name: await stack.enter_async_context(scratch_database(template))
            for name, template in templates.items()
        }
        async with opened(7, databases, key_file, mail_port) as town:
            await live(town, SMALL)
            assert await judge(town.urls) == []
        for name, db in databases.items():
            await db.close()  # A database that is in use cannot be copied.
            await _execute(f"CREATE DATABASE {names[name]} TEMPLATE {db.engine.url.database}")


async def _execute(*statements: str) -> None:
    connection = await asyncpg.connect(postgres_url())
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
