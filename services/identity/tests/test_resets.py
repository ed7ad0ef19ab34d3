"""An owner resets a password in the moment in which somebody uses the old one."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import httpx
import sqlalchemy as sa
from chassis.ids import uuid7
from chassis.testing import Bench, until_some_wait_for_a_lock
from contracts.identity import Role
from identity import handlers, store
from identity.domain import Account

from .conftest import sign_in

PASSWORD, OTHER = "the owner's new password", "the intruder's password"


async def cashier_of(identity: Bench) -> Account:
    async with identity.db.reading() as tx:
        account = await store.find_username(tx, "cashier@demo.example")
    assert account is not None
    return account


async def amid_reset(
    identity: Bench, cashier: Account, call: Coroutine[Any, Any, httpx.Response]
) -> httpx.Response:
    """What a call is answered that read the account before the owner's reset of it was done."""
    kept = await identity.app.state.runtime.parts.passwords.hash(PASSWORD)
    async with identity.db.engine.begin() as tx:
        locked = await store.find_account(tx, cashier.id, lock=True)
        assert locked is not None
        await handlers.change_account(tx, locked, {"password_hash": kept}, datetime.now(UTC))
        asked = asyncio.create_task(call)
        await until_some_wait_for_a_lock(identity.db)
    return await asked


async def test_the_old_password_opens_nothing_while_it_is_reset(
    identity: Bench, nobody: httpx.AsyncClient
) -> None:
    """It was checked a moment too early: no session is left that the reset did not end."""
    cashier = await cashier_of(identity)
    answer = await amid_reset(identity, cashier, sign_in(nobody, "cashier"))
    assert (answer.status_code, answer.json().get("type")) == (401, "wrong-credentials")
    async with identity.db.reading() as tx:
        open_ones = await tx.execute(sa.text("SELECT * FROM sessions WHERE ended_at IS NULL"))
        assert open_ones.all() == []
    assert (await sign_in(nobody, "cashier", PASSWORD)).status_code == 200


async def test_an_own_change_does_not_undo_the_owners_reset(
    identity: Bench, nobody: httpx.AsyncClient
) -> None:
    """Who knew the old password cannot choose the next one behind the owner's back."""
    cashier = await cashier_of(identity)
    body = {"current_password": "demo", "new_password": OTHER}
    async with identity.client(Role.CASHIER, account_id=cashier.id) as intruder:
        call = intruder.post("/staff/me/password", json=body)
        answer = await amid_reset(identity, cashier, call)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == "/current_password"
    assert (await sign_in(nobody, "cashier", OTHER)).status_code == 401
    assert (await sign_in(nobody, "cashier", PASSWORD)).status_code == 200


async def test_an_account_switched_off_meanwhile_stays_closed(
    identity: Bench, nobody: httpx.AsyncClient
) -> None:
    """Its password fits still; its owner's word counts."""
    cashier = await cashier_of(identity)
    settings, now = identity.app.state.runtime.parts.settings, datetime.now(UTC)
    attempt = await identity.db.run(
        lambda tx: handlers.begin_attempt(tx, cashier.username, "::1", settings, now)
    )
    await identity.db.run(lambda tx: handlers.change_account(tx, cashier, {"active": False}, now))
    found = await identity.db.run(
        lambda tx: handlers.finish_sign_in(tx, attempt, True, uuid7(), settings, now)
    )
    assert found is None
