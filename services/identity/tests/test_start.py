"""What is there from the start, and what keeps identity from starting."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from chassis.database import Database
from chassis.testing import Bench, bench, difference_from_tables
from identity import store
from identity.app import FirstOwnerWithoutPassword, service
from identity.domain import DemoAccountsExposed
from identity.keys import KeyUnusable

from .conftest import sign_in


async def usernames(db: Database) -> list[str]:
    async with db.reading() as tx:
        return list((await tx.execute(sa.text("SELECT username FROM accounts"))).scalars())


async def started(db: Database, key_file: Path | None, **settings: Any) -> None:
    """Start the service and stop it again."""
    if key_file is not None:
        settings["signing_key_file"] = str(key_file)
    async with bench(service, db, **settings):
        pass


async def test_seeding_twice_makes_four_accounts(empty_db: Database, key_file: Path) -> None:
    """The demo's accounts appear once however often the service starts."""
    for _ in range(2):
        await started(empty_db, key_file, seed_demo=True)
    assert sorted(await usernames(empty_db)) == [
        "cashier@demo.example",
        "customer@demo.example",
        "manager@demo.example",
        "owner@demo.example",
    ]


async def test_without_being_told_nothing_is_seeded(empty_db: Database, key_file: Path) -> None:
    """A plain start makes no account."""
    await started(empty_db, key_file)
    assert await usernames(empty_db) == []


@pytest.mark.parametrize(
    "exposed", [{"host": "0.0.0.0"}, {"host": "192.0.2.7"}, {"environment": "production"}]
)
async def test_demo_accounts_are_for_one_machine_only(
    db: Database, empty_db: Database, key_file: Path, exposed: dict[str, str]
) -> None:
    """Beyond loopback the service refuses to seed them, and to start while they exist."""
    with pytest.raises(DemoAccountsExposed, match="HOLDFAST_SEED_DEMO"):
        await started(empty_db, key_file, seed_demo=True, **exposed)
    assert await usernames(empty_db) == []
    with pytest.raises(DemoAccountsExposed, match=r"manager@demo\.example"):
        await started(db, key_file, **exposed)
    await started(empty_db, key_file, **exposed)


async def test_a_refused_start_says_why_in_one_line(db: Database, key_file: Path) -> None:
    """The process ends with a reason that an operator can act on, and no stack trace."""
    url = db.engine.url.render_as_string(hide_password=False)
    environment = {
        **os.environ,
        "HOLDFAST_DATABASE_URL": url,
        "HOLDFAST_SIGNING_KEY_FILE": str(key_file),
        "HOLDFAST_HOST": "0.0.0.0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "identity.app", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    [line] = errors.decode().splitlines()
    assert line.startswith("identity does not start: the demo's accounts exist")


async def test_no_key_no_start(empty_db: Database) -> None:
    """Without a signing key the service says which setting is missing."""
    with pytest.raises(KeyUnusable, match="HOLDFAST_SIGNING_KEY_FILE"):
        await started(empty_db, None)


async def test_the_first_owner_is_made_once(
    empty_db: Database, key_file: Path, tmp_path: Path
) -> None:
    """A new chain gets its first owner from a file; later starts change nothing."""
    file = tmp_path / "password"
    file.write_text("a long enough password\n")
    settings = {"signing_key_file": str(key_file), "first_owner": "Boss@Chain.Example"}
    with pytest.raises(FirstOwnerWithoutPassword):
        await started(empty_db, key_file, first_owner="Boss@Chain.Example")
    settings["first_owner_password_file"] = str(file)
    async with bench(service, empty_db, **settings) as running:
        answer = await sign_in(running.http, "boss@chain.example", "a long enough password")
        assert answer.status_code == 200, answer.text
    settings["first_owner"] = "second@chain.example"
    async with bench(service, empty_db, **settings):
        pass
    assert await usernames(empty_db) == ["boss@chain.example"]


async def test_old_sessions_are_deleted(identity: Bench) -> None:
    """Sessions that ended long ago and counters of yesterday go; running ones stay."""
    for who in ("manager", "cashier"):
        assert (await sign_in(identity.http, who)).status_code == 200
    assert (await sign_in(identity.http, "owner", "wrong")).status_code == 401
    now = datetime.now(UTC)
    async with identity.db.engine.begin() as tx:
        await tx.execute(
            sa.text("""UPDATE sessions SET expires_at = :then WHERE account_id =
                (SELECT id FROM accounts WHERE username = 'cashier@demo.example')"""),
            {"then": now - timedelta(days=2)},
        )
        assert await store.forget_old(tx, now - timedelta(days=1), now + timedelta(seconds=1)) == 1
        left = await tx.execute(
            sa.text("SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM login_failures)")
        )
        assert tuple(left.one()) == (1, 0)


def test_the_migrations_make_the_tables(template: str) -> None:
    """What the migrations make is what the code reads."""
    assert difference_from_tables(template, store.metadata) == []
