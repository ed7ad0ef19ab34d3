"""What the orders service is told beside what every service is."""

from chassis.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """currency: of an order with no list price and no currency of its own.

    hold_repeat_s: a hold that nobody decided for so long is asked for again.
    """

    currency: str = "EUR"
    hold_repeat_s: float = 30.0
