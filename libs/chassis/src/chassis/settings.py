"""Settings come from the environment (prefix HOLDFAST_) and refuse placeholders."""

from typing import Literal, Self

from pydantic import model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PLACEHOLDERS = ("changeme", "change-me", "change_me", "placeholder", "example-secret", "todo")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Settings(BaseSettings):
    """What every service is told. A service adds its own in its settings.py."""

    model_config = SettingsConfigDict(env_prefix="HOLDFAST_", extra="ignore")

    environment: Literal["local", "production"] = "local"
    host: str = "127.0.0.1"
    http_port: int = 8000
    roles: str = "http,worker"
    replica: int = 0
    log_level: str = "INFO"
    kafka: str = "127.0.0.1:9092"
    jwks_url: str = "http://127.0.0.1:8081/api/v1/jwks.json"
    otlp_endpoint: str | None = None

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
    pool_size: int = 8
