"""What notifications is told beyond what every service is told."""

from email.utils import parseaddr
from typing import Literal

from chassis.settings import DatabaseSettings
from pydantic import Field, field_validator


class Settings(DatabaseSettings):
    """The mail server and how patiently it is tried; see the README for each."""

    smtp_host: str = "127.0.0.1"
    smtp_port: int = 8093
    smtp_user: str | None = None
    smtp_password: str | None = Field(None, repr=False)
    smtp_tls: Literal["none", "starttls", "tls"] = "none"
    mail_from: str = "orders@demo.example"
    mail_timeout_s: float = Field(10.0, gt=0)
    mail_poll_s: float = Field(0.5, gt=0)
    mail_pause_max_s: float = Field(60.0, gt=0)  # Between two tries while the server is away.
    mail_give_up_days: int = Field(
        5, ge=1
    )  # For a message that is refused for now, again and again.

    @field_validator("mail_from")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        """A sender that no mail server accepts would hold up every message."""
        address = parseaddr(value)[1]
        local, _, domain = address.rpartition("@")
        if not local or not domain or not value.isprintable():
            raise ValueError("HOLDFAST_MAIL_FROM must be an address such as orders@shop.example")
        return value
