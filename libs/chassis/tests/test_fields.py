"""Decimals and currencies at the edge: described as they must be sent."""

import re
from typing import Any

import pytest
from chassis.http.fields import Amount, AmountOrZero, Currency, Exact, Quantity, UnitPrice
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
