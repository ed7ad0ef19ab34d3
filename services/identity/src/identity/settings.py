"""What identity is told beyond what every service is told."""

from pathlib import Path

from chassis.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """Keys, lifetimes and limits."""

    signing_key_file: Path | None = None
    """Ed25519 private key, PKCS#8 PEM, that signs tokens; nothing starts without one."""
    previous_key_file: Path | None = None
    """The key before: what it signed stays good while a new key takes over."""
    seed_demo: bool = False
    """Make the demo's accounts, whose password everybody knows."""
    first_owner: str | None = None
    """The username of an owner, made at the start when the chain has none yet."""
    first_owner_password_file: Path | None = None
    """A file with the first owner's password."""
    access_token_s: int = 300
    """How long an access token is good."""
    session_idle_days: int = 14
    """A session that nobody used for so long ends."""
    session_days_max: int = 90
    """A session ends after so long in any case."""
    login_failures_max: int = 5
    """Failed sign-ins of one username from one address before 429."""
    login_failures_wide_max: int = 100
    """Failed sign-ins of one username, or from one address, before 429."""
    login_window_s: int = 900
    """How long a failed sign-in counts."""

    @property
    def exposed(self) -> bool:
        """Whether others than the people at this machine can reach it."""
        return not self.loopback_only or self.environment == "production"
