"""Money and quantities: how many decimals they have, and how they are rounded.

The standard library only, so that every domain may use it: rounding must be the same everywhere.
"""

from decimal import ROUND_HALF_UP, Decimal

MINOR_DIGITS: dict[str, int] = {"JPY": 0, "KRW": 0, "ISK": 0, "KWD": 3, "BHD": 3, "TND": 3}
MINOR_DIGITS_DEFAULT = 2
CURRENCIES: frozenset[str] = frozenset(
    {"EUR", "USD", "GBP", "CHF", "RUB", "KZT", "SEK", "NOK", "DKK", "PLN", "CZK", "TRY", "UAH"}
    | set(MINOR_DIGITS)
)
UNIT_DIGITS: dict[str, int] = {"piece": 0, "kg": 3, "m": 3}
UNIT_PRICE_DIGITS = 4
AMOUNT_MAX = Decimal("1000000000")
QUANTITY_MAX = Decimal("100000")
ZERO = Decimal(0)


def minor_digits(currency: str) -> int:
    """Decimals of the currency's minor unit."""
    return MINOR_DIGITS.get(currency, MINOR_DIGITS_DEFAULT)


def round_half_up(value: Decimal, currency: str) -> Decimal:
    """The value rounded half up to the currency's minor unit."""
    return value.quantize(Decimal(1).scaleb(-minor_digits(currency)), rounding=ROUND_HALF_UP)


def line_amount(quantity: Decimal, unit_price: Decimal, currency: str) -> Decimal:
    """What a line is worth: half-up(quantity × unit price)."""
    return round_half_up(quantity * unit_price, currency)


def part_amount(
    amount: Decimal, quantity: Decimal, before: Decimal, part: Decimal, currency: str
) -> Decimal:
    """What `part` of a line is worth when `before` of its quantity went already.

    Cumulative, so that the parts add up to the line's amount whatever their sizes.
    """
    if quantity == 0:
        return round_half_up(ZERO, currency)
    after = round_half_up(amount * (before + part) / quantity, currency)
    return after - round_half_up(amount * before / quantity, currency)


def fits(value: Decimal, digits: int) -> bool:
    """Whether the value has at most this many decimals."""
    exponent = value.normalize().as_tuple().exponent
    return isinstance(exponent, int) and -exponent <= digits
