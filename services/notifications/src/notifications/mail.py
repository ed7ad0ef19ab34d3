"""One connection to the mail server: how an e-mail is made, handed over, and what came of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr

import structlog
from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from notifications.handlers import ERASED
from notifications.messages import DueMail, Outcome
from notifications.settings import Settings

log = structlog.get_logger()
WIRE = compat32.clone(linesep="\r\n")
AGAIN_FIRST = timedelta(minutes=1)
AGAIN_MAX = timedelta(hours=1)
DOUBLINGS_MAX = 12
CLOSING = 421  # The server ends the connection: nothing is wrong with the message.
TOO_LARGE = 552
PERMANENT = range(500, 600)


class MailServerAway(Exception):
    """The mail server cannot be reached, or refuses us rather than one message."""


def compose(mail: DueMail, settings: Settings) -> bytes:
    """The e-mail as it travels.

    Its Message-ID follows from the message's id alone, so a second handing over is the same mail
    to whoever receives it. Raises ValueError when it cannot be addressed.
    """
    bodies = MIMEMultipart("alternative")
    bodies.attach(MIMEText(mail.body, "plain", "utf-8"))
    if mail.html is not None:
        bodies.attach(MIMEText(mail.html, "html", "utf-8"))
    # By hand: the header classes of the library take three quarters of the time otherwise.
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(mail, settings).items())
    return head.encode() + bodies.as_bytes(policy=WIRE)


def _headers(mail: DueMail, settings: Settings) -> dict[str, str]:
    if not _is_one_address(mail.address):
        raise ValueError("not one address")  # The text of it stays out of logs.
    name, sender = parseaddr(settings.mail_from)
    subject = mail.subject if mail.subject.isascii() else Header(mail.subject, "utf-8").encode()
    headers = {
        "Message-ID": f"<{mail.id}@{sender.rpartition('@')[2]}>",
        "Date": format_datetime(mail.at),
        "From": formataddr((name, sender)),
        "To": str(mail.address),
        "Subject": subject.replace("\n", "\r\n"),
        "Content-Language": mail.language,
        "Auto-Submitted": "auto-generated",  # No holiday note comes back.
    }
    for value in headers.values():
        assert value.replace("\r\n ", "").isprintable(), "a header that could begin another"
    return headers


def _is_one_address(address: str | None) -> bool:
    return (
        address is not None
        and "@" in address
        and address.isprintable()
        and parseaddr(address)[1] == address
    )


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[SMTP]:
    """A connection that is ready to take e-mails; MailServerAway when there is none."""
    client = SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_user,
        password=settings.smtp_password,
        use_tls=settings.smtp_tls == "tls",
        start_tls=settings.smtp_tls == "starttls",
        timeout=settings.mail_timeout_s,
    )
    try:
        await client.connect()
    except (SMTPException, OSError) as error:
        client.close()
        raise MailServerAway(_what(error)) from error
    try:
        yield client
    finally:
        await _leave(client)


async def _leave(client: SMTP) -> None:
    try:
        if client.is_connected:
            await client.quit()
    except (SMTPException, OSError) as error:
        log.info("the mail server did not say goodbye", error=_what(error))
    finally:
        client.close()


async def hand_over(client: SMTP, mail: DueMail, settings: Settings, now: datetime) -> Outcome:
    """Hand one e-mail to the server; MailServerAway when that fails through no fault of it.

    It ends within `mail_max_s`, whatever the server does: the sender's lease counts on it.
    """
    if mail.address is None:
        return Outcome(mail, "failed", ERASED, tried=False)
    sender = parseaddr(settings.mail_from)[1]
    options = [] if mail.address.isascii() else ["SMTPUTF8"]
    try:
        content = compose(mail, settings)
        async with asyncio.timeout(settings.mail_max_s):
            await client.sendmail(sender, [mail.address], content, mail_options=options)
    except SMTPSenderRefused as error:
        if error.code == TOO_LARGE:
            return Outcome(mail, "failed", _reason(error))
        raise MailServerAway(f"it does not take mail from us ({error.code})") from error
    except SMTPRecipientsRefused as error:
        return _refused(mail, error.recipients[0], settings, now)
    except SMTPDataError as error:
        return _refused(mail, error, settings, now)
    except (SMTPNotSupported, ValueError):
        # The server takes no such address, or it is none: another try would end alike.
        return Outcome(mail, "failed", "the address cannot be written to")
    except (SMTPException, OSError) as error:
        client.close()  # Perhaps amid a word: nothing can be said on it any more, nor goodbye.
        raise MailServerAway(_what(error)) from error
    return Outcome(mail, "sent")


def _refused(
    mail: DueMail, error: SMTPResponseException, settings: Settings, now: datetime
) -> Outcome:
    if error.code == CLOSING:
        raise MailServerAway(_what(error)) from error
    if error.code in PERMANENT:
        return Outcome(mail, "failed", _reason(error))
    if now - mail.at > timedelta(days=settings.mail_give_up_days):
        return Outcome(mail, "failed", f"{_reason(error)}, for {settings.mail_give_up_days} days")
    return Outcome(mail, "queued", _reason(error), again_at=now + pause_after(mail.attempts))


def pause_after(attempts: int, first: timedelta = AGAIN_FIRST) -> timedelta:
    """How long a message rests after so many attempts before this one: doubling to an hour."""
    pause: timedelta = first * 2 ** min(attempts, DOUBLINGS_MAX)
    return min(pause, AGAIN_MAX)


def _reason(error: SMTPResponseException) -> str:
    """The codes only: the server's sentence often repeats the address."""
    detail = error.message.split(" ")[0]
    codes = f"{error.code} {detail}" if detail.replace(".", "").isdigit() else f"{error.code}"
    return f"the mail server refused it ({codes})"


def _what(error: Exception) -> str:
    """The error for the log, without the server's words."""
    code = getattr(error, "code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__} {code}"
