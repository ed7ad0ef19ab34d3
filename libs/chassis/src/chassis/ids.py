"""Identifiers: UUIDv7, minted at the edge by us or by the client."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7

YOUNG = timedelta(minutes=10)
UUID7_VERSION = 7


def uuid7() -> UUID:
    """A new time-ordered id."""
    return _uuid7()


def is_young(id: UUID, now: datetime) -> bool:
    """Whether a UUIDv7 was minted within the last ten minutes: others may not know it yet."""
    if id.version != UUID7_VERSION:
        return False
    minted_at = datetime.fromtimestamp((id.int >> 80) / 1000, UTC)
    return abs(now - minted_at) <= YOUNG
