"""Cursor pages: `?limit=50&cursor=…` gives `{"items": […], "next_cursor": …}`, without totals."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from chassis.http.problems import Refusal

T = TypeVar("T")
R = TypeVar("R")
LIMIT_DEFAULT = 50
LIMIT_MAX = 200


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


def after(cursor: str | None, parts: int) -> list[str] | None:
    """The sort key after which the page begins; None for the first page."""
    if cursor is None:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, binascii.Error) as error:
        raise _bad() from error
    if not isinstance(values, list) or len(values) != parts:
        raise _bad()
    if not all(isinstance(value, str) for value in values):
        raise _bad()
    return values


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


def _bad() -> BadCursor:
    return BadCursor("Take next_cursor of the page before as it is.", pointer="query/cursor")
