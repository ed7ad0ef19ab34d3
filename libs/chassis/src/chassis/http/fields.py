"""Fields that every API shares: text without control characters, exact figures, times in UTC."""

import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from contracts.money import AMOUNT_MAX, CURRENCIES, QUANTITY_MAX, UNIT_PRICE_DIGITS
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)


class Body(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _no_control(value: str) -> str:
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in value):
        raise ValueError("Control characters are not accepted: remove them.")
    return value


def _known_currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError("Not a currency that is traded here: send a code such as EUR.")
    return value


def _exact(value: object) -> object:
    if isinstance(value, float | bool):
        raise ValueError('Send numbers as text, such as "12.50": binary fractions lose cents.')
    return value


def _plain(value: Decimal) -> str:
    return f"{value:f}"


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("Send a time of these centuries.") from error


def _described(sentence: str, whole: int, decimals: int) -> WithJsonSchema:
    """What the API reference says of a decimal: text, as it must be sent."""
    described: dict[str, Any] = {
        "type": "string",
        "pattern": rf"^[0-9]{{1,{whole}}}(\.[0-9]{{1,{decimals}}})?$",
        "examples": ["12.50"],
        "description": sentence,
    }
    return WithJsonSchema(described)


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_no_control),
]
LongText = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=1000), AfterValidator(_no_control)
]
Code = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", max_length=64)
]
Currency = Annotated[
    str,
    AfterValidator(_known_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]}),
]
# Not AwareDatetime alone: the first and the last hours that it takes do not exist in UTC, as the
# database keeps times.
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]

MONEY = f"at most {AMOUNT_MAX:f}"
# Decimals travel as strings, in full, never as binary fractions.
Exact = Annotated[
    Decimal,
    BeforeValidator(_exact),
    PlainSerializer(_plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$", "examples": ["12.50"]}),
]
Amount = Annotated[
    Exact, Field(gt=0, le=AMOUNT_MAX, decimal_places=3), _described(f"More than 0, {MONEY}.", 10, 3)
]
AmountOrZero = Annotated[
    Exact, Field(ge=0, le=AMOUNT_MAX, decimal_places=3), _described(f"0 or more, {MONEY}.", 10, 3)
]
UnitPrice = Annotated[
    Exact,
    Field(ge=0, le=AMOUNT_MAX, decimal_places=UNIT_PRICE_DIGITS),
    _described(f"0 or more, {MONEY}.", 10, UNIT_PRICE_DIGITS),
]
Quantity = Annotated[
    Exact,
    Field(gt=0, le=QUANTITY_MAX, decimal_places=3),
    _described(f"More than 0, at most {QUANTITY_MAX:f}.", 6, 3),
]
# In answers: any value, always plain digits.
Figure = Annotated[Decimal, PlainSerializer(_plain, return_type=str)]
