"""Settings come from the environment (prefix HOLDFAST_) and refuse placeholders."""

from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PLACEHOLDERS = ("changeme", "change-me", "change_me", "placeholder", "example-secret", "todo")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Settings(BaseSettings):
    """What every service is told. A service adds its own in its settings.py.

    The sentence under each setting is its line in docs/operations/settings.md.
    """

    model_config = SettingsConfigDict(
        env_prefix="HOLDFAST_", extra="ignore", use_attribute_docstrings=True
    )

    environment: Literal["local", "production"] = "local"
    """`production` refuses demo accounts and sends cookies by HTTPS alone."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    http_port: int = 8000
    """The port to listen on."""
    requests_max: int = Field(200, ge=1)
    """Requests that one process takes at once; the others are told to come again in a second."""
    roles: str = "http,worker"
    """What this process does: `http` answers, `worker` consumes, relays and keeps time."""
    replica: int = 0
    """A number of its own for each process of a service with `worker`: it keeps its partitions."""
    drain_s: float = 0.0
    """How long a process that is told to stop says so to the gateway before it stops accepting."""
    log_level: str = "INFO"
    """The least serious lines that are written."""
    kafka: str = "127.0.0.1:9092"
    """Kafka's addresses, with commas between them."""
    jwks_url: str = "http://127.0.0.1:8081/api/v1/jwks.json"
    """Where identity's public keys are."""
    otlp_endpoint: str | None = None
    """Where traces are sent (OTLP over HTTP); without it none are."""

    @model_validator(mode="after")
    def refuse_placeholders(self) -> Self:
        """A placeholder that reached a running service is a mistake, never a secret."""
        for name, value in self:
            if isinstance(value, str) and any(word in value.lower() for word in PLACEHOLDERS):
                raise ValueError(f"HOLDFAST_{name.upper()} still holds a placeholder: set it")
        return self

    @property
    def loopback_only(self) -> bool:
        """Whether nobody outside this machine can reach the service."""
        return self.host in LOOPBACK

    def plays(self, role: Literal["http", "worker"]) -> bool:
        """Whether this process has the role."""
        return role in self.roles.split(",")


class DatabaseSettings(Settings):
    """Settings of a service that owns a database."""

    database_url: str
    """`postgresql+asyncpg://role:password@host:port/database`, as the role that runs."""
    pool_size: int = 12
    """Connections of one process for changes; as many for questions, and two for news."""


class ZonedSettings(BaseSettings):
    """Settings of a service that writes days for people."""

    model_config = SettingsConfigDict(
        env_prefix="HOLDFAST_", extra="ignore", use_attribute_docstrings=True
    )

    timezone: ZoneInfo = ZoneInfo("UTC")
    """The chain's zone: days on papers and in messages, and years in documents' numbers."""
