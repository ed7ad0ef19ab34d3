"""What the billing service is told beyond what every service is."""

from chassis.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """`paper_language` is for papers of customers whose language is not known."""

    paper_language: str = "en"
    paper_processes: int = 1
    paper_seconds_max: float = 20.0
