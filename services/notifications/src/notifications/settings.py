"""What notifications is told beyond what every service is told."""

from email.utils import parseaddr
from typing import Literal

from chassis.settings import DatabaseSettings, ZonedSettings
from pydantic import Field, field_validator


class Settings(DatabaseSettings, ZonedSettings):
    """The mail server and how patiently it is tried."""

    smtp_host: str = "127.0.0.1"
    """The mail server."""
    smtp_port: int = 8093
    """Its port."""
    smtp_user: str | None = None
    """The login, when the server wants one."""
    smtp_password: str | None = Field(None, repr=False)
    """The login's password."""
    smtp_tls: Literal["none", "starttls", "tls"] = "none"
    """How the way to the server is sealed: `starttls` or `tls` in production."""
    mail_from: str = "orders@demo.example"
    """The sender; its domain is that of the Message-IDs."""
    mail_timeout_s: float = Field(10.0, gt=0)
    """How long each word with the server may take."""
    mail_max_s: float = Field(60.0, gt=0)
    """How long one whole e-mail, several words, may take; then it is broken off and tried again."""
    mail_poll_s: float = Field(0.5, gt=0)
    """How often due e-mails are looked for."""
    mail_pause_max_s: float = Field(60.0, gt=0)
    """The longest pause between two tries while the server is away."""
    mail_give_up_days: int = Field(5, ge=1)
    """For a message that is refused for now, again and again."""

    @field_validator("mail_from")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        """A sender that no mail server accepts would hold up every message."""
        address = parseaddr(value)[1]
        local, _, domain = address.rpartition("@")
        if not local or not domain or not value.isprintable():
            raise ValueError("HOLDFAST_MAIL_FROM must be an address such as orders@shop.example")
        return value
