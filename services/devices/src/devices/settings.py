"""What the devices service is told, beside what every service is."""

from datetime import timedelta

from chassis.settings import DatabaseSettings
from pydantic import FilePath
from pydantic_settings import BaseSettings, SettingsConfigDict


class JobSettings(BaseSettings):
    """How long a paper is worth printing; subscribers need it before the service is built."""

    model_config = SettingsConfigDict(
        env_prefix="HOLDFAST_", extra="ignore", use_attribute_docstrings=True
    )

    job_lifetime_h: float = 24
    """A print job that nobody printed within so many hours has failed."""

    @property
    def lifetime(self) -> timedelta:
        return timedelta(hours=self.job_lifetime_h)


class Settings(DatabaseSettings):
    signing_key_file: FilePath
    """The hub's Ed25519 key, PKCS#8 PEM: it signs every print job."""
    unheard_h: float = 24
    """So many hours after its end, a job whose agent stays silent is unknown."""
    silent_s: float = 180
    """What was given to an agent that was silent for so long may be asked for again."""
    name_wait_s: float = 10
    """A job waits this long for the customer's name to arrive."""
    heartbeat_s: float = 10
    """How often a link shows that it lives; three that are missed cut it."""
    pulse_s: float = 5
    """How often revoked, replaced and silent links are looked for."""
    language_default: str = "en"
    """Of papers for customers whose language is not known."""
