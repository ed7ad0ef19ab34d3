"""A real mail server for the tests: it keeps what it accepts, and refuses when told to."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from socket import socket
from threading import Event
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

HELD_MAX_S = 30.0  # A test that fails while it holds the server is not held by it.


def free_port() -> int:
    """A port that nobody listens on."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mailbox:
    """What was accepted, each hand-over by itself; a mailbox shows one Message-ID once."""

    def __init__(self) -> None:
        self.accepted: list[EmailMessage] = []
        self.connections = 0
        self.answers: dict[str, str] = {}  # To an address at RCPT, instead of 250.
        self.data_answers: list[str] = []  # To the next hand-overs, instead of 250.
        self.kills: int | None = None  # The process that dies between acceptance and answer.
        self.asked, self.goes_on = Event(), Event()  # At RCPT it says so, and may be held there.
        self.goes_on.set()

    @property
    def shown(self) -> list[str]:
        """The subjects that a mailbox shows."""
        return list({mail["Message-ID"]: mail["Subject"] for mail in self.accepted}.values())

    async def handle_EHLO(  # noqa: N802 - the library's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802 - the library's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        envelope.rcpt_tos.append(address)
        self.asked.set()
        await asyncio.to_thread(self.goes_on.wait, HELD_MAX_S)
        return self.answers.get(address, "250 OK")

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.data_answers:
            return self.data_answers.pop(0)
        content = envelope.original_content or b""
        self.accepted.append(message_from_bytes(content, policy=default))
        if self.kills is not None:
            os.kill(self.kills, signal.SIGKILL)
            self.kills = None
        return "250 accepted"


@contextmanager
def mail_server(port: int, mailbox: Mailbox, **options: Any) -> Iterator[None]:
    """The server listens while the block runs."""
    options.setdefault("enable_SMTPUTF8", True)
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield
    finally:
        controller.stop()
