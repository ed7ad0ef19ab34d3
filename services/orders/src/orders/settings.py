"""What the orders service is told beside what every service is."""

from chassis.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """Settings of the orders service."""

    currency: str = "EUR"
    """Of an order with no list price and no currency of its own."""
    hold_repeat_s: float = 30.0
    """A hold that nobody decided for so long is asked for again, then after twice as long."""
