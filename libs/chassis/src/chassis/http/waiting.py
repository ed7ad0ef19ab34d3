"""Waiting for what comes through events: `Prefer: wait`, and references not known yet."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Header

from chassis.database import POLL_S, Database
from chassis.http.problems import NotKnownYet
from chassis.ids import is_young

T = TypeVar("T")
WAIT_MAX_S = 5.0
KNOWN_DEFAULT_S = 2.0
WAITING_MAX = 100  # Of one process: who waits keeps a place among its requests.
WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,4}(?:\.\d{1,3})?)")


async def preferred_wait(
    prefer: Annotated[
        str | None, Header(description="`wait=5`: answer when the result is there, 5 s at most.")
    ] = None,
) -> float | None:
    """Seconds that the caller prefers to wait (RFC 7240), at most 5; None when it said nothing."""
    found = WAIT.search(prefer or "")
    return min(float(found.group(1)), WAIT_MAX_S) if found else None


Wait = Annotated[float | None, Depends(preferred_wait)]
_seats = asyncio.Semaphore(WAITING_MAX)


async def wait_until(
    db: Database,
    keys: Iterable[str],
    probe: Callable[[], Awaitable[T | None]],
    seconds: float,
    poll_s: float = POLL_S,
) -> T | None:
    """Ask `probe` until it answers something, as `Database.wait_until`.

    When too many requests wait already it is asked once, as if the wait were over.
    """
    if _seats.locked():
        return await probe()
    async with _seats:
        return await db.wait_until(keys, probe, seconds, poll_s)


async def once_known(
    db: Database,
    attempt: Callable[[], Awaitable[T]],
    unknown: type[Exception] | tuple[type[Exception], ...],
    wait: float | None,
) -> T:
    """Attempt again while it refuses with an unknown reference that may still arrive.

    The refusal's attribute `reference` is the id (UUID) or SKU in question. After the seconds of
    `Prefer`, 2 without: a UUIDv7 minted within ten minutes is NotKnownYet (409, Retry-After),
    anything else is the refusal itself.
    """
    last: list[Exception] = []

    async def probe() -> T | None:
        try:
            return await attempt()
        except unknown as error:
            last[:] = [error]
            return None

    found = await probe()
    if found is not None:
        return found
    reference = getattr(last[0], "reference", None)
    if worth_waiting(reference):
        seconds = KNOWN_DEFAULT_S if wait is None else wait
        found = await wait_until(db, [str(reference)], probe, seconds, poll_s=0.25)
        if found is not None:
            return found
    raise refusal_of(last[0])


def worth_waiting(reference: Any) -> bool:
    """A SKU or a fresh id may be on its way; an old id is simply wrong."""
    return not isinstance(reference, UUID) or is_young(reference, datetime.now(UTC))


def refusal_of(error: Exception) -> Exception:
    """NotKnownYet for a fresh id, else the refusal as it is."""
    reference = getattr(error, "reference", None)
    if isinstance(reference, UUID) and is_young(reference, datetime.now(UTC)):
        return NotKnownYet(
            f"{reference} was made a moment ago and is not known here yet: send it again.",
            pointer=getattr(error, "pointer", None),
            headers={"Retry-After": "1"},
        )
    return error
