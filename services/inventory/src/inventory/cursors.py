"""Where a page begins, read back from its cursor in the types of its sort key."""

from collections.abc import Callable
from typing import Any

from chassis.http.pages import BadCursor, after

BIGINT_MAX = 2**63 - 1


def place(cursor: str | None, *kinds: Callable[[str], Any]) -> list[Any] | None:
    """The sort key after which the page begins; None for the first page."""
    values = after(cursor, len(kinds))
    if values is None:
        return None
    try:
        if any("\0" in value for value in values):
            raise ValueError("no text of ours has a NUL")
        return [kind(value) for kind, value in zip(kinds, values, strict=True)]
    except (ValueError, ArithmeticError) as error:
        raise BadCursor(
            "Take next_cursor of the page before as it is.", pointer="query/cursor"
        ) from error


def number(text: str) -> int:
    """A number that the database can compare with its own."""
    value = int(text)
    if abs(value) > BIGINT_MAX:
        raise ValueError("too large for an id")
    return value
