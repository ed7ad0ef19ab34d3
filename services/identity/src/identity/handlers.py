"""Identity's use cases, each inside the transaction of its caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.outbox import Said
from chassis.settings import LOOPBACK
from contracts.identity import AccountState, Role
from sqlalchemy.ext.asyncio import AsyncConnection

from identity import domain, store
from identity.domain import Account, Bucket, Session
from identity.settings import Settings


@dataclass(frozen=True, slots=True)
class Attempt:
    """A password that may be tried: of which account, if there is one, and the counters."""

    account: Account | None
    buckets: Sequence[Bucket]

    @property
    def kept_hash(self) -> str | None:
        """What to check the password against; None when there is nothing that it could fit."""
        return None if self.account is None else self.account.password_hash or None


async def begin_attempt(
    tx: AsyncConnection, username: str, address: str, settings: Settings, now: datetime
) -> Attempt:
    """Whose password to check; raises TooManyFailures after too many wrong ones."""
    name = domain.name_of(username)
    buckets = domain.buckets(
        name,
        address,
        settings.login_failures_max,
        settings.login_failures_wide_max,
        LOOPBACK,
    )
    window = timedelta(seconds=settings.login_window_s)
    counted = await store.failures_of(tx, buckets, now - window)
    domain.check_failures(counted, buckets, window, now)
    return Attempt(await store.find_username(tx, name), buckets)


async def finish_sign_in(
    tx: AsyncConnection,
    attempt: Attempt,
    fits: bool,
    session_id: UUID,
    settings: Settings,
    now: datetime,
) -> tuple[Account, Session] | None:
    """A new session when the password fits an active account; else None, and one failure more."""
    account = await _lock_if_right(tx, attempt, fits)
    if account is None:
        await count_failure(tx, attempt, settings, now)
        return None
    await store.forget_failures(tx, attempt.buckets[0])
    session = Session(session_id, account.id, 0, now, now, _expiry(now, now, settings), None)
    await store.add_session(tx, session)
    return account, session


async def count_failure(
    tx: AsyncConnection, attempt: Attempt, settings: Settings, now: datetime
) -> None:
    """One wrong password more."""
    since = now - timedelta(seconds=settings.login_window_s)
    await store.count_failure(tx, attempt.buckets, since, now)


async def change_own_password(
    tx: AsyncConnection, attempt: Attempt, fits: bool, password_hash: str, now: datetime
) -> None:
    """Another password for who knows the current one; raises CurrentPasswordWrong."""
    account = await _lock_if_right(tx, attempt, fits)
    if account is None:
        raise domain.CurrentPasswordWrong
    await store.forget_failures(tx, attempt.buckets[0])
    await change_account(tx, account, {"password_hash": password_hash}, now)


async def _lock_if_right(tx: AsyncConnection, attempt: Attempt, fits: bool) -> Account | None:
    """The account, locked, if the password fits it, and still does, and it is active.

    Checking a password takes a moment, in which an owner may have reset it to keep somebody out.
    """
    if attempt.account is None or not fits:
        return None
    account = await store.find_account(tx, attempt.account.id, lock=True)
    if account is None or not account.active or account.password_hash != attempt.kept_hash:
        return None
    return account


async def refresh(
    tx: AsyncConnection, session_id: UUID, generation: int, settings: Settings, now: datetime
) -> tuple[Account, Session] | None:
    """The session moved on by its newest token; None when it is over, which a replay makes it."""
    session = await store.lock_session(tx, session_id)
    if session is None:
        return None
    account = await store.find_account(tx, session.account_id)
    assert account is not None, "a session's account is never deleted"
    expires_at = _expiry(session.began_at, now, settings)
    try:
        moved = domain.rotated(session, generation, now, expires_at)
    except domain.SessionEnded:
        await store.end_session(tx, session.id, now)
        return None
    if not account.active:
        await store.end_session(tx, session.id, now)
        return None
    if moved != session:
        await store.save_session(tx, moved)
    return account, moved


async def sign_out(tx: AsyncConnection, session_id: UUID, now: datetime) -> None:
    """End the session, if it is not over yet."""
    await store.end_session(tx, session_id, now)


def _expiry(began_at: datetime, now: datetime, settings: Settings) -> datetime:
    idle = now + timedelta(days=settings.session_idle_days)
    return min(idle, began_at + timedelta(days=settings.session_days_max))


async def add_account(tx: AsyncConnection, account: Account) -> Account:
    """A new account, said to everyone."""
    domain.check_account(account)
    await _check_references(tx, account)
    if not await store.add_account(tx, account):
        if await store.find_account(tx, account.id) is not None:
            raise domain.AccountExists
        raise domain.UsernameTaken
    await _say(tx, account)
    return account


async def change_account(
    tx: AsyncConnection, before: Account, changes: Mapping[str, Any], now: datetime
) -> Account:
    """The account, locked by the caller, after the change; ends its sessions when it must."""
    after = domain.changed(before, **changes)
    if after.store_ids != before.store_ids or after.customer_id != before.customer_id:
        await _check_references(tx, after)
    if domain.gives_up_ownership(before, after) and await store.lock_owners(tx) <= {before.id}:
        raise domain.LastOwner
    await store.save_account(tx, after)
    if domain.ends_sessions(before, after):
        await store.end_sessions_of(tx, after.id, now)
    await _say(tx, after)
    return after


async def _check_references(tx: AsyncConnection, account: Account) -> None:
    store_ids = account.store_ids or ()
    if unknown := await store.unknown_stores(tx, store_ids):
        raise domain.UnknownStore(unknown[0], store_ids.index(unknown[0]))
    if account.customer_id is not None and not await store.knows_customer(tx, account.customer_id):
        raise domain.UnknownCustomer(account.customer_id)


async def seed_accounts(tx: AsyncConnection, accounts: Sequence[Account]) -> None:
    """Accounts that are there from the start; those that exist already stay as they are."""
    for account in accounts:
        if await store.add_account(tx, account):
            await _say(tx, account)


async def erase_customers(tx: AsyncConnection, customer_ids: Sequence[UUID], now: datetime) -> None:
    """The cards are gone: their logins are switched off and lose their names."""
    await store.forget_customers(tx, customer_ids)
    for account in await store.lock_customer_accounts(tx, customer_ids):
        erased = replace(
            account,
            username=f"erased {account.id}",
            password_hash="",
            active=False,
            version=account.version + 1,
        )
        await store.save_account(tx, erased)
        await store.end_sessions_of(tx, account.id, now)
        await _say(tx, erased)


async def _say(tx: AsyncConnection, account: Account) -> None:
    state = AccountState(
        account_id=account.id,
        role=Role(account.role),
        store_ids=account.store_ids,
        customer_id=account.customer_id,
        active=account.active,
    )
    await outbox.say(tx, [Said(state, account.version)])
