"""The browser's session: identity's tokens, sealed in a cookie that only this service can open."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
from collections import OrderedDict
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from web.api import Api, ApiProblem
from web.visitor import Visitor, claims_of, visitor_of

log = structlog.get_logger()
COOKIE = "holdfast_session"
SEED_COOKIE = "holdfast_seed"
COOKIE_AGE_SECONDS = 30 * 24 * 3600
REFRESH_BEFORE = timedelta(seconds=60)
KEPT_REFRESHES_MAX = 10_000
NONCE_BYTES = 12
SALT_BYTES = 8


@dataclass(frozen=True, slots=True)
class Session:
    access_token: str
    refresh_token: str
    username: str

    @property
    def visitor(self) -> Visitor:
        return visitor_of(claims_of(self.access_token))

    @property
    def expires_at(self) -> float:
        """When the access token ends, as seconds of the epoch."""
        return float(claims_of(self.access_token)["exp"])


class Seal:
    """Seals and opens cookies, and answers for forms, with keys drawn from one secret."""

    def __init__(self, secret: str) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"session:" + secret.encode()).digest())
        self._form_key = hashlib.sha256(b"form:" + secret.encode()).digest()

    def close(self, session: Session) -> str:
        """The session as a cookie's value, unreadable and unforgeable outside."""
        nonce = os.urandom(NONCE_BYTES)
        body = self._cipher.encrypt(nonce, json.dumps(asdict(session)).encode(), None)
        return base64.urlsafe_b64encode(nonce + body).decode()

    def open(self, value: str | None) -> Session | None:
        """The session of a cookie, or None when it is absent, altered or sealed by another key."""
        if not value:
            return None
        try:
            raw = base64.urlsafe_b64decode(value)
            fields: dict[str, Any] = json.loads(
                self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None)
            )
            return Session(**fields)
        except (ValueError, InvalidTag, TypeError):
            return None

    def form_token(self, seed: str) -> str:
        """What a form must send back, so that no other site can post in the visitor's name.

        It differs on every page, so that compressed pages cannot be measured to guess it.
        """
        salt = os.urandom(SALT_BYTES).hex()
        return salt + self._form_proof(seed, salt)

    def form_token_fits(self, seed: str, token: str) -> bool:
        """Whether this service gave the token to the browser with this seed."""
        salt, proof = token[: SALT_BYTES * 2], token[SALT_BYTES * 2 :]
        return bool(seed) and hmac.compare_digest(self._form_proof(seed, salt), proof)

    def _form_proof(self, seed: str, salt: str) -> str:
        return hmac.new(self._form_key, f"{seed}:{salt}".encode(), hashlib.sha256).hexdigest()


class Sessions:
    """Keeps sessions fresh: a refresh token is used once, however many requests arrive with it.

    A refresh token that is used twice ends its family, and a page's requests come together; so
    the first one refreshes and the others, also late ones with the old cookie, get its result.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._refreshed: OrderedDict[str, asyncio.Task[Session | None]] = OrderedDict()

    async def sign_in(self, username: str, password: str, address: str) -> Session:
        """A new session; a wrong name or password is identity's problem document."""
        answer = await self._api.from_address(address).post(
            "/tokens", {"username": username, "password": password}, key=None
        )
        return Session(answer["access_token"], answer["refresh_token"], username)

    async def sign_out(self, session: Session) -> None:
        """End the session at identity, so that a copied cookie is good for nothing any more.

        The browser forgets it in any case; when identity is away the session ends by its age.
        """
        try:
            await self._api.post(
                "/tokens/revoke", {"refresh_token": session.refresh_token}, key=None
            )
        except ApiProblem as problem:
            log.warning("session not ended at identity", status=problem.status)

    async def fresh(self, session: Session, now: datetime) -> Session | None:
        """The session with an access token that lives a while; None when identity ended it."""
        if session.expires_at - now.timestamp() > REFRESH_BEFORE.total_seconds():
            return session
        name = hashlib.sha256(session.refresh_token.encode()).hexdigest()
        task = self._refreshed.get(name)
        if task is None:
            task = asyncio.create_task(self._refresh(session))
            self._refreshed[name] = task
            while len(self._refreshed) > KEPT_REFRESHES_MAX:
                self._refreshed.popitem(last=False)
        try:
            found = await asyncio.shield(task)
        except ApiProblem:
            # Identity was away: the next request tries again.
            self._refreshed.pop(name, None)
            raise
        if found is None or found is session:
            return found
        return await self.fresh(found, now)

    async def _refresh(self, session: Session) -> Session | None:
        try:
            answer = await self._api.post(
                "/tokens/refresh", {"refresh_token": session.refresh_token}, key=None
            )
        except ApiProblem as problem:
            if problem.status in (400, 401, 403, 422):
                return None
            raise
        return Session(answer["access_token"], answer["refresh_token"], session.username)
