"""Where a page begins, read back from its cursor in the types of its sort key."""

from collections.abc import Callable
from typing import Any

from chassis.http.pages import BadCursor, after


def place(cursor: str | None, *kinds: Callable[[str], Any]) -> list[Any] | None:
    """The sort key after which the page begins; None for the first page."""
    values = after(cursor, len(kinds))
    if values is None:
        return None
    try:
        return [kind(value) for kind, value in zip(kinds, values, strict=True)]
    except (ValueError, ArithmeticError) as error:
        raise BadCursor(
            "Take next_cursor of the page before as it is.", pointer="query/cursor"
        ) from error
