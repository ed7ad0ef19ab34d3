"""Identity on a scratch database with the demo's accounts, signing with the tests' key."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from chassis.database import Database
from chassis.testing import (
    SIGNING_KEY,
    Bench,
    bench,
    client_of,
    migrated_template,
    postgres_url,
    scratch_database,
)
from identity.app import DEMO_PASSWORD, seed_demo, service
from identity.passwords import Passwords
from sqlalchemy.engine import make_url

FOLDER = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    yield from migrated_template("identity", FOLDER)


@pytest.fixture(scope="session")
def seeded_template() -> Iterator[str]:
    """With the demo's accounts: hashing their passwords once is enough for all tests."""
    for name in migrated_template("identity_seeded", FOLDER):
        asyncio.run(_seed(name))
        yield name


async def _seed(name: str) -> None:
    url = make_url(postgres_url()).set(database=name, drivername="postgresql+asyncpg")
    db = Database(url.render_as_string(hide_password=False), "test")
    await seed_demo(db, Passwords())
    await db.close()


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key of the tests' own tokens, so that identity's tokens and theirs are alike."""
    file = tmp_path_factory.mktemp("keys") / "signing.pem"
    file.write_bytes(SIGNING_KEY.as_pem(private=True))
    return file


@pytest.fixture
async def empty_db(template: str) -> AsyncIterator[Database]:
    async with scratch_database(template) as db:
        yield db


@pytest.fixture
async def db(seeded_template: str) -> AsyncIterator[Database]:
    async with scratch_database(seeded_template) as db:
        yield db


@pytest.fixture
async def identity(db: Database, key_file: Path) -> AsyncIterator[Bench]:
    async with bench(service, db, signing_key_file=str(key_file)) as running:
        yield running


@pytest.fixture
async def nobody(identity: Bench) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is not signed in."""
    async with client_of(identity.app, None) as client:
        yield client


async def sign_in(
    client: httpx.AsyncClient,
    who: str = "manager",
    password: str = DEMO_PASSWORD,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    name = who if "@" in who else f"{who}@demo.example"
    body = {"username": name, "password": password}
    return await client.post("/tokens", json=body, headers=headers)


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/tokens/refresh", json={"refresh_token": token})


def bearer(access_token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}"}


async def age_sessions(db: Database, seconds: int) -> None:
    """Let time pass for every session."""
    async with db.engine.begin() as tx:
        await tx.execute(
            sa.text("UPDATE sessions SET rotated_at = rotated_at - make_interval(secs => :s)"),
            {"s": seconds},
        )
