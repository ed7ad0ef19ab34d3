"""Cursors: what a page wrote is read back in its kinds; what somebody made up is refused."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from chassis.http.pages import BadCursor, after, moment, number, page_of, text

ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
AT = datetime(2026, 5, 10, 18, 0, 0, 123456, tzinfo=UTC)


def cursor(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def test_a_page_begins_where_the_one_before_ended() -> None:
    """The next page's cursor holds the sort key of the last row shown, in its own types."""
    page = page_of([1, 2, 3], 2, str, lambda n: [AT.isoformat(), str(ID), "Almaty №1", str(n)])
    assert page.items == ["1", "2"]
    assert after(page.next_cursor, moment, UUID, text, number) == (AT, ID, "Almaty №1", 2)
    assert after(None, number) is None


@pytest.mark.parametrize(
    ("made_up", "kinds"),
    [
        ("x", (text,)),
        ("é", (text,)),
        (base64.urlsafe_b64encode(b"\xff").decode(), (text,)),
        (base64.urlsafe_b64encode(b"7").decode(), (number,)),
        (cursor(7), (number,)),
        (cursor("7", "8"), (number,)),
        (cursor("seven"), (number,)),
        (cursor(str(2**63)), (number,)),
        (cursor("-1"), (number,)),
        (cursor("nobody"), (UUID,)),
        (cursor("a\0b"), (text,)),
        (cursor("\ud800"), (text,)),
        (cursor("yesterday"), (moment,)),
        (cursor("2026-05-10T18:00:00.123456"), (moment,)),
        (cursor("0001-01-01T00:00:00+14:00"), (moment,)),
    ],
)
def test_a_cursor_that_no_page_wrote_is_refused(
    made_up: str, kinds: tuple[Callable[[str], Any], ...]
) -> None:
    """Whatever the next question could not be asked with is 422, not an error of ours."""
    with pytest.raises(BadCursor):
        after(made_up, *kinds)
