"""What the billing service is told beyond what every service is."""

from chassis.settings import DatabaseSettings, ZonedSettings


class Settings(DatabaseSettings, ZonedSettings):
    """Settings of the billing service."""

    paper_language: str = "en"
    """Of papers for customers whose language is not known."""
    paper_processes: int = 1
    """How many processes set papers as PDF."""
    paper_seconds_max: float = 20.0
    """A paper that takes longer is given up."""
