"""Identity's JSON edge: accounts, by those who manage them, and one's own."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from chassis.http.auth import Principal, allow
from chassis.http.etags import IfMatch, require_version, set_etag
from chassis.http.fields import Body, Text
from chassis.http.idempotency import Key, Keyed, KeyedIfSent, claim, done_before
from chassis.http.pages import Cursor, Limit, Page, after, page_of
from chassis.http.problems import NotFound
from chassis.http.waiting import Wait, once_known
from chassis.ids import uuid7
from chassis.runtime import Here
from contracts.identity import RIGHTS, Right, Role
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from identity import domain, handlers, store
from identity.domain import Account
from identity.handlers import Attempt
from identity.http import Parts, Secret, address_of, trying_a_password

router = APIRouter(tags=["staff"])

Manager = Annotated[Principal, allow(Right.ACCOUNTS_MANAGE)]
SignedIn = Annotated[Principal, allow(Right.SESSION)]
Language = Literal["en", "ru", "bg", "fi", "kk"]
StoreIds = Annotated[list[UUID], Field(max_length=500)]
UNKNOWN = (domain.UnknownStore, domain.UnknownCustomer)


class NewAccount(Body):
    """`store_ids` null means every store; a customer's login needs the card's `customer_id`."""

    id: UUID | None = None
    username: Text
    password: Secret
    role: Role
    store_ids: StoreIds | None = None
    customer_id: UUID | None = None
    language: Language = "en"


class AccountChange(Body):
    """Only the fields that are sent change. A new password signs the account out everywhere."""

    role: Role | None = None
    store_ids: StoreIds | None = None
    customer_id: UUID | None = None
    language: Language | None = None
    active: bool | None = None
    password: Secret | None = None


class OwnChange(Body):
    language: Language


class PasswordChange(Body):
    current_password: Secret
    new_password: Secret


class ShownAccount(BaseModel):
    id: UUID
    username: str
    role: Role
    store_ids: list[UUID] | None
    customer_id: UUID | None
    language: str
    active: bool
    created_at: datetime


class Myself(ShownAccount):
    rights: list[Right]


def show(account: Account) -> ShownAccount:
    return ShownAccount.model_validate(account, from_attributes=True)


def show_myself(account: Account) -> Myself:
    rights = sorted(RIGHTS[Role(account.role)])
    return Myself.model_validate({**show(account).model_dump(), "rights": rights})


def sealed(parts: Parts, key: Key) -> Key:
    """The key of a body with a password: its kept fingerprint must not help to guess it."""
    return Key(key.key, parts.keys.seal(key.fingerprint))


async def account_or_404(tx: AsyncConnection, id: UUID, lock: bool = False) -> Account:
    account = await store.find_account(tx, id, lock)
    if account is None:
        raise NotFound("There is no such account: check the id.")
    return account


@router.post("/staff", status_code=201)
async def add_account(
    body: NewAccount, who: Manager, here: Here, key: Keyed, wait: Wait, response: Response
) -> ShownAccount:
    """Let somebody new, or a device, sign in."""
    parts: Parts = here.parts
    domain.check_password(body.password)
    async with trying_a_password(parts):
        kept_hash = await parts.passwords.hash(body.password)
    account = Account(
        id=body.id or uuid7(),
        username=domain.name_of(body.username),
        password_hash=kept_hash,
        role=body.role.value,
        store_ids=None if body.store_ids is None else tuple(dict.fromkeys(body.store_ids)),
        customer_id=body.customer_id,
        language=body.language,
        active=True,
        version=1,
        created_at=datetime.now(UTC),
    )
    call = sealed(parts, key).of(who)

    async def work(tx: AsyncConnection) -> Account:
        kept = await claim(tx, call, 201, str(account.id))
        if kept is not None:
            return await account_or_404(tx, UUID(kept.subject))
        return await handlers.add_account(tx, account)

    made = await once_known(here.db, lambda: here.db.run(work), UNKNOWN, wait)
    set_etag(response, made.version)
    return show(made)


@router.get("/staff")
async def list_accounts(
    who: Manager,
    here: Here,
    limit: Limit = 50,
    cursor: Cursor = None,
    role: Role | None = None,
    active: bool | None = None,
) -> Page[ShownAccount]:
    """Who may sign in."""
    [begin] = after(cursor, UUID) or (None,)
    async with here.db.reading() as tx:
        rows = await store.list_accounts(tx, role, active, begin, limit + 1)
    return page_of(rows, limit, show, lambda account: [str(account.id)])


@router.get("/staff/me")
async def who_am_i(who: SignedIn, here: Here, response: Response) -> Myself:
    """The caller's own account: role, rights, stores, language."""
    async with here.db.reading() as tx:
        account = await account_or_404(tx, who.account_id)
    set_etag(response, account.version)
    return show_myself(account)


@router.patch("/staff/me")
async def change_myself(
    body: OwnChange,
    who: SignedIn,
    here: Here,
    key: KeyedIfSent,
    match: IfMatch,
    response: Response,
) -> Myself:
    """Choose the language in which the caller is spoken to."""

    async def work(tx: AsyncConnection) -> Account:
        account = await account_or_404(tx, who.account_id, lock=True)
        if await done_before(tx, key, who, 200, str(who.account_id)):
            return account
        require_version(match, account.version)
        changes = {"language": body.language}
        return await handlers.change_account(tx, account, changes, now=datetime.now(UTC))

    account = await here.db.run(work)
    set_etag(response, account.version)
    return show_myself(account)


@router.post("/staff/me/password", status_code=204)
async def change_own_password(
    body: PasswordChange, who: SignedIn, request: Request, here: Here, key: Keyed
) -> None:
    """Choose a new password; every session of the account ends, so sign in again.

    A wrong current password counts as a failed sign-in does, and too many are refused alike (429).
    """
    parts: Parts = here.parts
    domain.check_password(body.new_password, "/new_password")
    call, address = sealed(parts, key).of(who), address_of(request)

    async def begin(tx: AsyncConnection) -> Attempt:
        account = await account_or_404(tx, who.account_id)
        now = datetime.now(UTC)
        return await handlers.begin_attempt(tx, account.username, address, parts.settings, now)

    async with trying_a_password(parts):
        attempt = await here.db.run(begin)
        new_hash = await parts.passwords.hash(body.new_password)
        fits = await parts.passwords.fits(body.current_password, attempt.kept_hash)

        async def work(tx: AsyncConnection) -> None:
            if await claim(tx, call, 204, str(who.account_id)) is None:
                now = datetime.now(UTC)
                await handlers.change_own_password(tx, attempt, fits, new_hash, now)

        try:
            await here.db.run(work)
        except domain.CurrentPasswordWrong:
            now = datetime.now(UTC)
            # Beside the change, which is rolled back: a refusal is not kept under its key.
            await here.db.run(lambda tx: handlers.count_failure(tx, attempt, parts.settings, now))
            raise


@router.get("/staff/{id}")
async def show_account(id: UUID, who: Manager, here: Here, response: Response) -> ShownAccount:
    async with here.db.reading() as tx:
        account = await account_or_404(tx, id)
    set_etag(response, account.version)
    return show(account)


@router.patch("/staff/{id}")
async def change_account(
    id: UUID,
    body: AccountChange,
    who: Manager,
    here: Here,
    key: KeyedIfSent,
    match: IfMatch,
    wait: Wait,
    response: Response,
) -> ShownAccount:
    """Change role, stores, card, language or password, or switch the account off or on."""
    changes = await _changes(body, here.parts)
    hidden = None if key is None else sealed(here.parts, key)

    async def work(tx: AsyncConnection) -> Account:
        before = await account_or_404(tx, id, lock=True)
        if await done_before(tx, hidden, who, 200, str(id)):
            return before
        require_version(match, before.version)
        return await handlers.change_account(tx, before, changes, now=datetime.now(UTC))

    account = await once_known(here.db, lambda: here.db.run(work), UNKNOWN, wait)
    set_etag(response, account.version)
    return show(account)


async def _changes(body: AccountChange, parts: Parts) -> dict[str, Any]:
    """The fields that were sent, as the account keeps them. Null clears the scope or the card."""
    nullable = ("store_ids", "customer_id")
    sent = body.model_dump(exclude_unset=True)
    changes = {name: sent[name] for name in sent if name in nullable or sent[name] is not None}
    if changes.get("store_ids") is not None:
        changes["store_ids"] = tuple(dict.fromkeys(changes["store_ids"]))
    if "role" in changes:
        changes["role"] = body.role.value if body.role else changes["role"]
    if "password" in changes:
        domain.check_password(changes["password"])
        async with trying_a_password(parts):
            changes["password_hash"] = await parts.passwords.hash(changes.pop("password"))
    return changes
