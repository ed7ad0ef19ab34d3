"""What identity is told beyond what every service is told."""

from pathlib import Path

from chassis.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """Keys, lifetimes and limits; see the README for each."""

    signing_key_file: Path | None = None
    previous_key_file: Path | None = None  # Its tokens stay good while a new key takes over.
    seed_demo: bool = False
    first_owner: str | None = None  # Made at the start when the chain has no owner yet.
    first_owner_password_file: Path | None = None
    access_token_s: int = 300
    session_idle_days: int = 14
    session_days_max: int = 90
    login_failures_max: int = 5
    login_failures_wide_max: int = 100
    login_window_s: int = 900

    @property
    def exposed(self) -> bool:
        """Whether others than the people at this machine can reach it."""
        return not self.loopback_only or self.environment == "production"
