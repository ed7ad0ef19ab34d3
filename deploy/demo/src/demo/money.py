"""Cents and unit prices, rounded as the chain rounds: half up."""

from decimal import ROUND_HALF_UP, Decimal

CURRENCY = "USD"
CENT = Decimal("0.01")
UNIT_PRICE_STEP = Decimal("0.0001")


def to_cents(amount: Decimal) -> Decimal:
    """The amount half up to the cent."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def line_amount(quantity: int, unit_price: Decimal) -> Decimal:
    """What a line is worth: half-up(quantity × unit price)."""
    return to_cents(quantity * unit_price)


def unit_price_of(quantity: int, value: Decimal) -> Decimal | None:
    """The unit price with 4 decimals that gives the value to the cent; None if there is none.

    The nearest price is the only one that need be tried: every other is farther from the value.
    """
    price = (value / quantity).quantize(UNIT_PRICE_STEP, ROUND_HALF_UP)
    return price if line_amount(quantity, price) == value else None
