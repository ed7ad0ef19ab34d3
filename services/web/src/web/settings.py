"""What web is told from outside, besides what every service is told."""

from chassis.settings import Settings as ServiceSettings
from chassis.settings import ZonedSettings
from pydantic import Field, SecretStr, field_validator

SECRET_LENGTH_MIN = 32


class Settings(ServiceSettings, ZonedSettings):
    """A session secret that anyone could guess refuses to start."""

    api_url: str = Field(description="The gateway, as web itself reaches it.")
    session_secret: SecretStr = Field(description="Seals the session cookie; 32 characters up.")
    services: dict[str, str] = Field(
        default_factory=dict,
        description="Service name to its base URL; those of several processes with commas between.",
    )

    @field_validator("session_secret")
    @classmethod
    def not_guessable(cls, value: SecretStr) -> SecretStr:
        """A short secret is refused."""
        if len(set(value.get_secret_value())) < 8 or len(value) < SECRET_LENGTH_MIN:
            raise ValueError(
                f"set HOLDFAST_SESSION_SECRET to at least {SECRET_LENGTH_MIN} random characters"
            )
        return value

    @property
    def secure_cookies(self) -> bool:
        """Everywhere but on the developer's own machine cookies travel by HTTPS alone."""
        return self.environment != "local"
