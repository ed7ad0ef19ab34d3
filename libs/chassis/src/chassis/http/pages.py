"""Cursor pages: `?limit=50&cursor=…` gives `{"items": […], "next_cursor": …}`, without totals."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from chassis.http.problems import Refusal

T = TypeVar("T")
R = TypeVar("R")
LIMIT_DEFAULT = 50
LIMIT_MAX = 200
BIGINT_MAX = 2**63 - 1


class BadCursor(Refusal):
    status, title = 422, "The cursor is not one of ours"


class Page(BaseModel, Generic[T]):
    """One page; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None = None


Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(max_length=1000, description="`next_cursor` of the page before.")
]


def after(cursor: str | None, *kinds: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """The sort key after which the page begins, each value of its kind; None for the first page.

    Kinds: `UUID`, `text`, `number`, `moment`. BadCursor for what is none.
    """
    if cursor is None:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ValueError("a sort key is some texts")
        return tuple(kind(value) for kind, value in zip(kinds, values, strict=True))
    except (ValueError, ArithmeticError) as error:
        raise BadCursor(
            "Take next_cursor of the page before as it is.", pointer="query/cursor"
        ) from error


def text(value: str) -> str:
    """A text that the database can compare with its own."""
    if b"\0" in value.encode():  # Half a surrogate pair is an error of the encoding.
        raise ValueError("no text of ours has a NUL")
    return value


def number(value: str) -> int:
    """A position that the database can compare with its own."""
    found = int(value)
    if not 0 <= found <= BIGINT_MAX:
        raise ValueError("no position of ours")
    return found


def moment(value: str) -> datetime:
    """A time with its offset."""
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError("no page writes a time without its offset")
    return time.astimezone(UTC)


def page_of(
    rows: Sequence[R], limit: int, show: Callable[[R], T], sort_key: Callable[[R], Sequence[str]]
) -> Page[T]:
    """A page from limit + 1 rows: the extra one only says that there is more."""
    shown = rows[:limit]
    cursor = None
    if len(rows) > limit:
        values = json.dumps(list(sort_key(shown[-1])))
        cursor = base64.urlsafe_b64encode(values.encode()).decode()
    return Page(items=[show(row) for row in shown], next_cursor=cursor)
