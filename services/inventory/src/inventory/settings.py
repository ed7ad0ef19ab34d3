"""What inventory is told from outside."""

from chassis.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """Settings of the inventory service."""

    reminder_poll_s: float = 15.0
    """How long a hold's reminder may lag behind its time."""
