"""Identity put together, and what keeps it from starting."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from chassis.database import Database
from chassis.ids import uuid7
from chassis.runtime import Runtime
from chassis.service import Service
from contracts.identity import DEMO_CUSTOMER_ID
from sqlalchemy.ext.asyncio import AsyncConnection

from identity import domain, handlers, http, staff, store, subscribers
from identity.http import Parts
from identity.keys import Keys, KeyUnusable
from identity.passwords import Passwords
from identity.settings import Settings

log = structlog.get_logger()
DEMO_PASSWORD = "demo"  # noqa: S105 - the documented password of the embedded default only
HOUSEKEEPING_S = 3600
ENDED_KEPT = timedelta(days=1)


class FirstOwnerWithoutPassword(Exception):
    """A first owner is to be made, but no usable password was given for it."""


NOT_TO_START = (KeyUnusable, domain.DemoAccountsExposed, FirstOwnerWithoutPassword)


@asynccontextmanager
async def start(runtime: Runtime) -> AsyncIterator[Parts]:
    """Read the keys, seed what is to be there from the start, refuse what must not be."""
    settings = runtime.settings
    assert isinstance(settings, Settings)
    keys = Keys.read(settings.signing_key_file, settings.previous_key_file)
    await refuse_exposed_demo(settings, runtime.db)
    passwords = Passwords()
    try:
        if settings.seed_demo:
            await seed_demo(runtime.db, passwords)
        if settings.first_owner:
            await make_first_owner(runtime.db, passwords, settings)
        yield Parts(settings, keys, passwords)
    finally:
        passwords.close()


async def refuse_exposed_demo(settings: Settings, db: Database) -> None:
    """Everybody knows the demo's passwords: they are for one machine only."""
    if not settings.exposed:
        return
    if settings.seed_demo:
        raise domain.DemoAccountsExposed(
            "HOLDFAST_SEED_DEMO is set, but the service is for others than this machine "
            "(HOLDFAST_HOST beyond loopback, or production): unset it"
        )

    async def ask(tx: AsyncConnection) -> set[str]:
        return await store.existing_usernames(tx, domain.demo_usernames(), active_only=True)

    if found := await db.run(ask):
        raise domain.DemoAccountsExposed(
            f"the demo's accounts exist ({', '.join(sorted(found))}) and everybody knows their "
            "passwords: switch them off or start with a new database, or listen on 127.0.0.1"
        )


async def seed_demo(db: Database, passwords: Passwords) -> None:
    """The demo's accounts, those that are not there yet."""

    async def ask(tx: AsyncConnection) -> set[str]:
        return await store.existing_usernames(tx, domain.demo_usernames())

    existing = await db.run(ask)
    accounts = [
        domain.Account(
            id=uuid7(),
            username=username,
            password_hash=await passwords.hash(DEMO_PASSWORD),
            role=role,
            store_ids=None,
            customer_id=DEMO_CUSTOMER_ID if role == "customer" else None,
            language="en",
            active=True,
            version=1,
            created_at=datetime.now(UTC),
        )
        for role, username in zip(domain.DEMO_ROLES, domain.demo_usernames(), strict=True)
        if username not in existing
    ]
    await db.run(lambda tx: handlers.seed_accounts(tx, accounts))


async def make_first_owner(db: Database, passwords: Passwords, settings: Settings) -> None:
    """The account from which all others are made, when the chain has no owner yet."""
    owners = await db.run(store.lock_owners)
    if owners or settings.first_owner is None:
        return
    file = settings.first_owner_password_file
    try:
        password = file.read_text().strip() if file else ""
        domain.check_password(password)
    except (OSError, UnicodeDecodeError, domain.PasswordTooShort) as error:
        raise FirstOwnerWithoutPassword(
            "HOLDFAST_FIRST_OWNER needs HOLDFAST_FIRST_OWNER_PASSWORD_FILE, a readable file with "
            f"a password of at least {domain.PASSWORD_LENGTH_MIN} characters"
        ) from error
    account = domain.Account(
        id=uuid7(),
        username=domain.name_of(settings.first_owner),
        password_hash=await passwords.hash(password),
        role="owner",
        store_ids=None,
        customer_id=None,
        language="en",
        active=True,
        version=1,
        created_at=datetime.now(UTC),
    )
    await db.run(lambda tx: handlers.seed_accounts(tx, [account]))


async def forget_ended_sessions(runtime: Runtime) -> None:
    """Once an hour: delete sessions that are over and counters that no longer count."""
    settings = runtime.settings
    assert isinstance(settings, Settings)
    while True:
        now = datetime.now(UTC)
        gone = await runtime.db.run(
            partial(
                store.forget_old,
                sessions_before=now - ENDED_KEPT,
                failures_before=now - timedelta(seconds=settings.login_window_s),
            )
        )
        if gone:
            log.info("old sessions deleted", sessions=gone)
        await asyncio.sleep(HOUSEKEEPING_S)


service = Service(
    "identity",
    Settings,
    routers=(http.router, staff.router),
    subscriptions=subscribers.subscriptions.all,
    refusals={
        domain.WrongCredentials: 401,
        domain.SessionEnded: 401,
        domain.UsernameTaken: 409,
        domain.AccountExists: 409,
        domain.LastOwner: 409,
        domain.PasswordTooShort: 422,
        domain.CurrentPasswordWrong: 422,
        domain.CardDoesNotFitRole: 422,
        domain.ScopeDoesNotFitRole: 422,
        domain.UnknownStore: 422,
        domain.UnknownCustomer: 422,
    },
    timers=(forget_ended_sessions,),
    start=start,
)


async def _check_start(settings: Settings) -> None:
    Keys.read(settings.signing_key_file, settings.previous_key_file)
    db = Database(settings.database_url, "identity", pool_size=1)
    try:
        await refuse_exposed_demo(settings, db)
    finally:
        await db.engine.dispose()


def main() -> None:
    """Serve; say in one line why not, when something must be put right first."""
    try:
        asyncio.run(_check_start(Settings()))
    except NOT_TO_START as error:
        sys.exit(f"identity does not start: {error}.")
    service.run()


if __name__ == "__main__":
    main()
