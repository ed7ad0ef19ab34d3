"""Identity's JSON edge: tokens and the public keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

import structlog
from chassis.http.auth import open_to_all
from chassis.http.fields import Body, Text
from chassis.http.problems import Refusal
from chassis.ids import uuid7
from chassis.runtime import Here, Runtime
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, StringConstraints

from identity import handlers
from identity.addresses import visitor_address
from identity.domain import Account, Session, SessionEnded, TooManyFailures, WrongCredentials
from identity.keys import Keys
from identity.passwords import Passwords, TooManyAtOnce
from identity.settings import Settings

log = structlog.get_logger()
router = APIRouter(tags=["tokens"], dependencies=[Depends(open_to_all)])

Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]
RefreshToken = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class TooManySignIns(Refusal):
    status, title = 429, "Too many sign-ins"


@dataclass(frozen=True, slots=True)
class Parts:
    """What identity has at hand beside the database."""

    settings: Settings
    keys: Keys
    passwords: Passwords


class SignIn(Body):
    username: Text
    password: Secret


class Refresh(Body):
    refresh_token: RefreshToken


class Tokens(BaseModel):
    """`access_token` goes into `Authorization: Bearer …`; both are secrets."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6750's word, not a secret
    expires_in: int


class PublicKey(BaseModel):
    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class PublicKeys(BaseModel):
    keys: list[PublicKey]


def address_of(request: Request) -> str:
    """Where a password comes from."""
    peer = request.client.host if request.client else None
    return visitor_address(peer, ",".join(request.headers.getlist("x-forwarded-for")))


@asynccontextmanager
async def trying_a_password(parts: Parts) -> AsyncIterator[None]:
    """A turn at checking one; with too many at once, or too many wrong ones, a refusal."""
    try:
        async with parts.passwords.turn():
            yield
    except (TooManyFailures, TooManyAtOnce) as error:
        raise TooManySignIns(str(error), headers={"Retry-After": str(error.wait_s)}) from error


@router.post("/tokens")
async def sign_in(body: SignIn, request: Request, response: Response, here: Here) -> Tokens:
    """Sign in with username and password."""
    parts: Parts = here.parts
    async with trying_a_password(parts):
        found = await _try_password(here, parts, body, address_of(request))
    if found is None:
        raise WrongCredentials
    return _tokens(parts, response, *found)


async def _try_password(
    here: Runtime, parts: Parts, body: SignIn, address: str
) -> tuple[Account, Session] | None:
    settings = parts.settings
    attempt = await here.db.run(
        lambda tx: handlers.begin_attempt(
            tx, body.username, address, settings, now=datetime.now(UTC)
        )
    )
    fits = await parts.passwords.fits(body.password, attempt.kept_hash)
    session_id = uuid7()
    found = await here.db.run(
        lambda tx: handlers.finish_sign_in(
            tx, attempt, fits, session_id, settings, now=datetime.now(UTC)
        )
    )
    if found is None and attempt.account is not None:
        log.info("sign-in refused", account_id=str(attempt.account.id))
    return found


@router.post("/tokens/refresh")
async def refresh(body: Refresh, response: Response, here: Here) -> Tokens:
    """Go on with a session: the old refresh token is used up, the new one replaces it.

    A client that did not hear the answer may send the same token again within ten seconds. Later,
    or with an older token, the whole session ends: somebody else has a copy.
    """
    parts: Parts = here.parts
    grant = parts.keys.read_refresh_token(body.refresh_token)
    if grant is None:
        raise SessionEnded
    found = await here.db.run(
        lambda tx: handlers.refresh(tx, *grant, parts.settings, now=datetime.now(UTC))
    )
    if found is None:
        log.warning("refresh refused", session_id=str(grant[0]))
        raise SessionEnded
    return _tokens(parts, response, *found)


@router.post("/tokens/revoke", status_code=204)
async def sign_out(body: Refresh, here: Here) -> None:
    """End the session of a refresh token; one that is over or unknown is no error (RFC 7009)."""
    parts: Parts = here.parts
    grant = parts.keys.read_refresh_token(body.refresh_token)
    if grant is not None:
        await here.db.run(lambda tx: handlers.sign_out(tx, grant[0], now=datetime.now(UTC)))


@router.get("/jwks.json")
async def public_keys(response: Response, here: Here) -> PublicKeys:
    """The public keys under which access tokens are verified."""
    parts: Parts = here.parts
    response.headers["Cache-Control"] = "public, max-age=60"
    return PublicKeys.model_validate(parts.keys.jwks())


def _tokens(parts: Parts, response: Response, account: Account, session: Session) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    good_for_s = parts.settings.access_token_s
    now = datetime.now(UTC)
    return Tokens(
        access_token=parts.keys.access_token(account, uuid7(), now, good_for_s),
        refresh_token=parts.keys.refresh_token(session.id, session.generation),
        expires_in=good_for_s,
    )
