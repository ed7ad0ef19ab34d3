"""Idempotency keys: the same key and request give the same answer, whatever broke in between."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Header, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.http.auth import Principal
from chassis.http.problems import InFlight, KeyMissing, KeyReused

KEY_MAX = 255


@dataclass(frozen=True, slots=True)
class Key:
    """A request's key and what the request was, before it is known who calls."""

    key: str
    fingerprint: bytes

    def of(self, who: Principal, part: str = "") -> "Call":
        """The call of this caller; `part` tells the members of a batch apart."""
        return Call(who.name, f"{self.key}{part}", self.fingerprint)


@dataclass(frozen=True, slots=True)
class Call:
    """A call to be done once: who, under which key, and what it asks."""

    principal: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What the call did the first time: the status it answered and the id it made or changed."""

    status: int
    subject: str


def fingerprint(*parts: bytes) -> bytes:
    """What a request was, in 32 bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


KeyHeader = Annotated[
    str | None,
    Header(description="Any text of your own; the same key repeats nothing.", max_length=KEY_MAX),
]


async def keyed_if_sent(request: Request, idempotency_key: KeyHeader = None) -> Key | None:
    """The key of a PATCH or DELETE, which may have one; it then counts before If-Match."""
    if idempotency_key is None or not idempotency_key.strip():
        return None
    body = await request.body()
    what = fingerprint(request.method.encode(), request.url.path.encode(), body)
    return Key(idempotency_key.strip(), what)


async def keyed(request: Request, idempotency_key: KeyHeader = None) -> Key:
    """The key of a POST; 400 without one."""
    key = await keyed_if_sent(request, idempotency_key)
    if key is None:
        raise KeyMissing(
            "Send an Idempotency-Key header: any text of your own, new for each new request."
        )
    return key


Keyed = Annotated[Key, Depends(keyed)]
KeyedIfSent = Annotated[Key | None, Depends(keyed_if_sent)]

# Taken for the transaction: a second request with the key is told so instead of waiting.
TRY_LOCK = sa.text("""
SELECT pg_try_advisory_xact_lock(
  hashtextextended(CAST(:principal AS text) || chr(31) || CAST(:key AS text), 0))""")
KEEP = sa.text("""
INSERT INTO idempotency(principal, key, fingerprint, status, subject)
VALUES (:principal, :key, :fingerprint, :status, :subject) ON CONFLICT DO NOTHING""")
FORGET = sa.text("DELETE FROM idempotency WHERE principal = :principal AND key = :key")
KEPT = sa.text("""
SELECT fingerprint, status, subject FROM idempotency
WHERE principal = :principal AND key = :key""")


def answer_kept(call: Call, fingerprint: bytes, status: int, subject: str) -> Kept | KeyReused:
    """The kept answer when the request was the same, the refusal when it was another one."""
    if fingerprint != call.fingerprint:
        return KeyReused("Use a new Idempotency-Key: this one belongs to a different request.")
    return Kept(status, subject)


async def claim(tx: AsyncConnection, call: Call, status: int, subject: str) -> Kept | None:
    """None when the call is new and now kept; raises when its key is in flight or was reused.

    The caller rolls the transaction back when the command is refused: refusals are not kept.
    """
    whose = {"principal": call.principal, "key": call.key}
    if not (await tx.execute(TRY_LOCK, whose)).scalar_one():
        raise InFlight("Wait a moment and send it again.", headers={"Retry-After": "1"})
    what = {"fingerprint": call.fingerprint, "status": status, "subject": subject}
    if (await tx.execute(KEEP, {**whose, **what})).rowcount:
        return None
    row = (await tx.execute(KEPT, whose)).one()
    answer = answer_kept(call, row.fingerprint, row.status, row.subject)
    if isinstance(answer, Exception):
        raise answer
    return answer


async def unclaim(tx: AsyncConnection, call: Call) -> None:
    """Do not keep the call that this transaction claimed: sent again, it goes on."""
    await tx.execute(FORGET, {"principal": call.principal, "key": call.key})


async def done_before(
    tx: AsyncConnection, key: Key | None, who: Principal, status: int, subject: str
) -> bool:
    """Whether the caller's key was used for this very change already; without a key, never.

    A new key is claimed. So the same change sent again, because the first answer was lost, is not
    refused for the version or the row that it has itself changed.
    """
    return key is not None and await claim(tx, key.of(who), status, subject) is not None
