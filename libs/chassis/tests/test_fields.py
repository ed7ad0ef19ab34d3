"""Decimals, currencies and times at the edge."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from chassis.http.fields import Amount, AmountOrZero, Currency, Exact, Moment, Quantity, UnitPrice
from pydantic import TypeAdapter, ValidationError


@pytest.mark.parametrize("kind", [Amount, AmountOrZero, UnitPrice, Quantity, Exact, Currency])
def test_the_reference_asks_for_what_the_edge_takes(kind: Any) -> None:
    """Decimals are described as text, as they must be sent; the example given is accepted."""
    field: TypeAdapter[Any] = TypeAdapter(kind)
    described = field.json_schema()
    assert described["type"] == "string"
    [example] = described["examples"]
    assert re.match(described["pattern"], example)
    assert str(field.validate_python(example)) == example
    for refused in (12.5, "", "text"):
        with pytest.raises(ValidationError):
            field.validate_python(refused)
    assert not re.match(described["pattern"], "text")


def test_a_moment_is_one_that_the_database_can_keep() -> None:
    """A time comes in as UTC, to the ends of the calendar; what is beyond them is refused."""
    field: TypeAdapter[datetime] = TypeAdapter(Moment)
    taken = field.validate_python("2026-05-10T18:00:00+05:00")
    assert (taken, taken.tzinfo) == (datetime(2026, 5, 10, 13, tzinfo=UTC), UTC)
    for fine in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert field.validate_python(fine).year in (1, 9999)
    for refused in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-05-10T18:00"):
        with pytest.raises(ValidationError):
            field.validate_python(refused)
