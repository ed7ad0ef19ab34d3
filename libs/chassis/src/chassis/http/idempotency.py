"""Idempotency keys: the same key and request give the same answer, whatever broke in between."""

import hashlib
from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class Claim:
    """A call, with what to keep for it when it succeeds."""

    call: Call
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
SELECT n, pg_try_advisory_xact_lock(hashtextextended(principal || chr(31) || key, 0)) AS free
FROM unnest(CAST(:principals AS text[]), CAST(:keys AS text[]))
     WITH ORDINALITY AS c(principal, key, n) ORDER BY n""")
KEEP = sa.text("""
WITH c AS (SELECT * FROM unnest(CAST(:principals AS text[]), CAST(:keys AS text[]),
    CAST(:fingerprints AS bytea[]), CAST(:statuses AS smallint[]), CAST(:subjects AS text[]))
    AS c(principal, key, fingerprint, status, subject)),
made AS (
  INSERT INTO idempotency(principal, key, fingerprint, status, subject)
  SELECT * FROM c ORDER BY principal, key
  ON CONFLICT DO NOTHING RETURNING principal, key)
SELECT i.principal, i.key, i.fingerprint, i.status, i.subject
FROM idempotency i JOIN c USING (principal, key)
WHERE NOT EXISTS (SELECT FROM made WHERE made.principal = i.principal AND made.key = i.key)""")


async def claim_all(
    tx: AsyncConnection, claims: Sequence[Claim]
) -> list[Kept | KeyReused | InFlight | None]:
    """For each claim: None when it is new and now kept, else what to answer.

    The caller rolls the transaction back, or never keeps the claim, when the command is refused:
    refusals are not kept. Give only the claims of commands that will be done.
    """
    if not claims:
        return []
    principals = [claim.call.principal for claim in claims]
    keys = [claim.call.key for claim in claims]
    locked = await tx.execute(TRY_LOCK, {"principals": principals, "keys": keys})
    free = [row.free for row in locked]
    chosen = [claim for claim, is_free in zip(claims, free, strict=True) if is_free]
    rows = await tx.execute(
        KEEP,
        {
            "principals": [claim.call.principal for claim in chosen],
            "keys": [claim.call.key for claim in chosen],
            "fingerprints": [claim.call.fingerprint for claim in chosen],
            "statuses": [claim.status for claim in chosen],
            "subjects": [claim.subject for claim in chosen],
        },
    )
    kept = {(row.principal, row.key): row for row in rows}
    answers: list[Kept | KeyReused | InFlight | None] = []
    mine: set[tuple[str, str]] = set()  # A key twice in one group: only the first one is new.
    for claim, is_free in zip(claims, free, strict=True):
        key = (claim.call.principal, claim.call.key)
        row = kept.get(key)
        if not is_free or (row is None and key in mine):
            answers.append(
                InFlight("Wait a moment and send it again.", headers={"Retry-After": "1"})
            )
        elif row is None:
            mine.add(key)
            answers.append(None)
        else:
            answers.append(answer_kept(claim.call, row.fingerprint, row.status, row.subject))
    return answers


def answer_kept(call: Call, fingerprint: bytes, status: int, subject: str) -> Kept | KeyReused:
    """The kept answer when the request was the same, the refusal when it was another one."""
    if fingerprint != call.fingerprint:
        return KeyReused("Use a new Idempotency-Key: this one belongs to a different request.")
    return Kept(status, subject)


async def claim(tx: AsyncConnection, call: Call, status: int, subject: str) -> Kept | None:
    """For one call: None when it is new; raises when the key is in flight or was reused."""
    answer = (await claim_all(tx, [Claim(call, status, subject)]))[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


async def done_before(
    tx: AsyncConnection, key: Key | None, who: Principal, status: int, subject: str
) -> bool:
    """Whether the caller's key was used for this very change already; without a key, never.

    A new key is claimed. So the same change sent again, because the first answer was lost, is not
    refused for the version or the row that it has itself changed.
    """
    return key is not None and await claim(tx, key.of(who), status, subject) is not None
