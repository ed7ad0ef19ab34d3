"""Who calls, what they may do and in which stores: by a signed token, checked here."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import httpx
import structlog
from contracts.identity import AUDIENCE, ISSUER, RIGHTS, Right, Role
from fastapi import Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from chassis.http.problems import Forbidden, NotFound, Unauthorized, Unavailable

log = structlog.get_logger()
ALGORITHM = "Ed25519"
REMEMBERED_S = 60
REMEMBERED_MAX = 10_000
REFRESH_MIN_S = 5.0  # An unknown key id asks identity again, at most this often.
CLAIMS = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    sub={"essential": True},
)
bearer = HTTPBearer(auto_error=False, description="The access token of POST /tokens.")


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. `store_ids` None means every store of the chain."""

    account_id: UUID
    role: Role
    rights: frozenset[Right]
    store_ids: frozenset[UUID] | None
    customer_id: UUID | None

    @property
    def name(self) -> str:
        """How histories and keys name the caller: an id, never a person's name."""
        return str(self.account_id)

    def may(self, right: Right) -> bool:
        return right in self.rights

    def sees(self, store_id: UUID) -> bool:
        """Whether the store is within the caller's scope."""
        return self.store_ids is None or store_id in self.store_ids

    def require_store(self, store_id: UUID, what: str = "It") -> None:
        """404 outside the caller's stores: what one may not see does not exist."""
        if not self.sees(store_id):
            raise NotFound(f"{what} was not found: check the id and that it is in your stores.")

    def require_whole_chain(self) -> None:
        """403 for who works in some stores only: this concerns all of them."""
        if self.store_ids is not None:
            raise Forbidden("This concerns every store of the chain: ask someone who runs it.")


def principal_of(claims: Mapping[str, Any]) -> Principal:
    """The principal that a verified token speaks for."""
    role = Role(claims["role"])
    stores = claims.get("stores")
    customer = claims.get("customer_id")
    return Principal(
        account_id=UUID(claims["sub"]),
        role=role,
        rights=RIGHTS[role],
        store_ids=None if stores is None else frozenset(UUID(store) for store in stores),
        customer_id=None if customer is None else UUID(customer),
    )


class Verifier:
    """Verifies tokens with identity's public keys, which it fetches and keeps.

    A verified token is remembered for at most a minute and never beyond its end.
    """

    def __init__(self, jwks_url: str, keys: KeySet | None = None) -> None:
        self._url, self._keys = jwks_url, keys
        self._asked_at = -REFRESH_MIN_S
        self._known: dict[str, tuple[Principal, float]] = {}
        self._fetching = asyncio.Lock()

    async def verify(self, token: str) -> Principal:
        """The caller; Unauthorized when the token is not ours, altered, or too old."""
        known = self._known.get(token)
        if known is not None and known[1] > time.time():
            return known[0]
        keys = self._keys or await self._fetch()
        try:
            claims = self._decode(token, keys)
        except (JoseError, ValueError, KeyError) as first:
            newer = await self._fetch()
            if newer is keys:
                raise _unauthorized() from first
            try:
                claims = self._decode(token, newer)
            except (JoseError, ValueError, KeyError) as error:
                raise _unauthorized() from error
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
        principal = principal_of(claims)
        self._known[token] = (principal, min(float(claims["exp"]), time.time() + REMEMBERED_S))
        return principal

    @staticmethod
    def _decode(token: str, keys: KeySet) -> dict[str, Any]:
        decoded = jwt.decode(token, keys, algorithms=[ALGORITHM])
        CLAIMS.validate(decoded.claims)
        return decoded.claims

    async def _fetch(self) -> KeySet:
        """The newest keys, asked for at most every few seconds."""
        async with self._fetching:
            if self._url and time.monotonic() - self._asked_at >= REFRESH_MIN_S:
                self._keys = await self._ask() or self._keys
                # Also when it failed: who waits here need not each find out by waiting.
                self._asked_at = time.monotonic()
            if self._keys is None:
                raise Unavailable(
                    "Signing in cannot be checked now: try again in a moment.",
                    headers={"Retry-After": "1"},
                )
            return self._keys

    async def _ask(self) -> KeySet | None:
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                answer = await client.get(self._url)
                answer.raise_for_status()
                return KeySet.import_key_set(answer.json())
        except (httpx.HTTPError, ValueError) as error:
            log.warning("identity's keys are not to be had", error=repr(error))
            return None


def _unauthorized() -> Unauthorized:
    return Unauthorized(
        "The access token is missing, wrong or has ended: get a new one from POST /tokens.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def allow(right: Right) -> Any:
    """The dependency that lets only callers with this right in, and gives the Principal."""

    async def check(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> Principal:
        if credentials is None:
            raise _unauthorized()
        verifier: Verifier = request.app.state.verifier
        principal = await verifier.verify(credentials.credentials)
        if not principal.may(right):
            raise Forbidden(
                f"Your role lacks the right {right.value}: ask a manager.",
                headers={"X-Missing-Right": right.value},
            )
        return principal

    check.right = right  # type: ignore[attr-defined]
    return Depends(check)


async def open_to_all() -> None:
    """Marks a route that needs no token."""


def undeclared_routes(app: FastAPI) -> list[str]:
    """Routes that name neither a right nor that they are open: there must be none."""
    missing = []
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            continue  # Not FastAPI's: the OpenAPI document and mounts of static files.
        calls = calls_of(dependant)
        if not any(hasattr(call, "right") or call is open_to_all for call in calls):
            missing.append(str(route.path))
    return missing


def calls_of(dependant: Any) -> list[Callable[..., Any]]:
    """Everything that a route depends on, at any depth."""
    calls: list[Callable[..., Any]] = []
    for dependency in dependant.dependencies:
        calls.append(dependency.call)
        calls.extend(calls_of(dependency))
    return calls
