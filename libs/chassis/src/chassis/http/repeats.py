"""Idempotency keys of many calls, inside the statements that their use case has anyway.

Its one question asks `COLUMNS` of every call and joins `JOIN`; its one change holds `KEEP`. Between
the two `Repeats` tells which calls are new. Only what was done is kept, so nothing is given back.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.http.idempotency import Call, Kept, answer_kept
from chassis.http.problems import InFlight, KeyReused

T = TypeVar("T")

# Of a row `c` with principal and key. The lock lasts as long as the transaction: a second request
# with the key is told so instead of waiting.
COLUMNS = """
  pg_try_advisory_xact_lock(hashtextextended(c.principal || chr(31) || c.key, 0)) AS free,
  kept.fingerprint AS kept_fingerprint, kept.status AS kept_status, kept.subject AS kept_subject"""
JOIN = "LEFT JOIN idempotency kept ON kept.principal = c.principal AND kept.key = c.key"
KEEP = """
INSERT INTO idempotency(principal, key, fingerprint, status, subject)
SELECT * FROM unnest(CAST(:kept_principals AS text[]), CAST(:kept_keys AS text[]),
  CAST(:kept_fingerprints AS bytea[]), CAST(:kept_statuses AS smallint[]),
  CAST(:kept_subjects AS text[])) ORDER BY 1, 2"""


def asked(calls: Sequence[Call]) -> dict[str, list[str]]:
    """The bind values `principals` and `keys` of the question's rows."""
    return {
        "principals": [call.principal for call in calls],
        "keys": [call.key for call in calls],
    }


@dataclass(frozen=True, slots=True)
class Claim:
    """A call, with what to keep for it when it succeeds."""

    call: Call
    status: int
    subject: str


class Repeats:
    """What the calls of one group did before, and what they do now."""

    def __init__(self, calls: Sequence[Call], rows: Sequence[Any]) -> None:
        """`rows` answer the question for each call, in the calls' order."""
        pairs = zip(calls, rows, strict=True)
        self._rows = {(call.principal, call.key): row for call, row in pairs}
        self._done: dict[tuple[str, str], Claim] = {}

    def before(self, call: Call) -> Kept | KeyReused | InFlight | None:
        """None when the call is new, else what to answer."""
        key = (call.principal, call.key)
        row = self._rows[key]
        if row.kept_subject is not None:
            return answer_kept(call, row.kept_fingerprint, row.kept_status, row.kept_subject)
        if not row.free or key in self._done:
            return InFlight("Wait a moment and send it again.", headers={"Retry-After": "1"})
        return None

    def again(self, call: Call) -> Kept | KeyReused | None:
        """What a call that came earlier in this group did under the same key."""
        done = self._done.get((call.principal, call.key))
        if done is None:
            return None
        return answer_kept(call, done.call.fingerprint, done.status, done.subject)

    def keep(self, call: Call, status: int, subject: str) -> None:
        """The call is done: its repetitions get this status and subject."""
        self._done[(call.principal, call.key)] = Claim(call, status, subject)

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return bool(self._done)

    def columns(self) -> dict[str, list[Any]]:
        """The bind values of `KEEP`."""
        done = list(self._done.values())
        return {
            "kept_principals": [one.call.principal for one in done],
            "kept_keys": [one.call.key for one in done],
            "kept_fingerprints": [one.call.fingerprint for one in done],
            "kept_statuses": [one.status for one in done],
            "kept_subjects": [one.subject for one in done],
        }


async def run_once_each(db: Database, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Run the work in one transaction; where another took a key or an id meanwhile, once more.

    The first time the other's row could not be seen yet; the second time it can.
    """
    try:
        return await db.run(work)
    except sa.exc.IntegrityError:
        return await db.run(work)
