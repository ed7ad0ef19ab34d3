"""A mail server for one machine: it keeps each message as a file and lists them over HTTP."""

import asyncio
import email
import email.policy
import hashlib
import json
import sys
import threading
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

from local.topology import LOOPBACK


class Mailbox:
    """Messages by the hash of their Message-ID, so that a repeated one is kept once.

    A message is read when somebody looks at it: reading costs far more than taking it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        # What is listed of each, None until somebody asked.
        self._list: dict[str, dict[str, Any] | None] = {
            path.stem: None
            for path in sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        }

    def keep(self, content: bytes) -> str:
        """Store a message and return its id; one that is already here changes nothing."""
        key = hashlib.sha256(_name(content).encode()).hexdigest()[:32]
        with self._lock:
            if key not in self._list:
                fresh = self.folder / f"{key}.new"
                fresh.write_bytes(content)
                fresh.rename(self.folder / f"{key}.eml")
                self._list[key] = None
        return key

    def mails(self) -> list[dict[str, Any]]:
        """Every message, oldest first, without its body."""
        with self._lock:
            keys = list(self._list)
        return [self._summary(key) for key in keys]

    def mail(self, key: str) -> dict[str, Any] | None:
        """One message with its bodies, or None."""
        if key not in self._list:
            return None
        message = self._read(key)
        return {
            **self._summary(key),
            "text": _body(message, "plain"),
            "html": _body(message, "html"),
            "attachments": [part.get_filename() for part in message.iter_attachments()],
        }

    def _summary(self, key: str) -> dict[str, Any]:
        found = self._list[key]
        if found is None:
            message = self._read(key)
            found = self._list[key] = {
                "id": key,
                "to": str(message["To"] or ""),
                "subject": str(message["Subject"] or ""),
                "headers": {name: str(value) for name, value in message.items()},
            }
        return found

    def _read(self, key: str) -> EmailMessage:
        content = (self.folder / f"{key}.eml").read_bytes()
        return email.message_from_bytes(content, policy=email.policy.default)


def _name(content: bytes) -> str:
    """What is the same when a message comes again: its Message-ID, without one all of it."""
    head = email.message_from_bytes(content.partition(b"\r\n\r\n")[0])
    return str(head["Message-ID"] or content.decode("utf-8", "replace"))


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((cast(Any, kind),))
    return None if part is None else str(part.get_content())


class Catcher:
    """The SMTP side: answers 250 only when the file is on the disk."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        # Not in a thread: handing it over would cost more than writing it.
        return f"250 kept as {self._mailbox.keep(envelope.original_content or b'')}"


def list_server(mailbox: Mailbox, port: int) -> ThreadingHTTPServer:
    """GET /mails lists all, GET /mails/{id} gives one with its bodies."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = self.path.split("?")[0].strip("/").split("/")
            found: object = None
            if parts == ["mails"]:
                found = mailbox.mails()
            elif len(parts) == 2 and parts[0] == "mails":
                found = mailbox.mail(parts[1])
            body = json.dumps(found if found is not None else {"detail": "No such mail."})
            self.send_response(200 if found is not None else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not worth a line each."""

    return ThreadingHTTPServer((LOOPBACK, port), Handler)


async def serve(smtp_port: int, list_port: int, folder: Path) -> None:
    """Catch mails until the process is stopped."""
    mailbox = Mailbox(folder)
    threading.Thread(target=list_server(mailbox, list_port).serve_forever, daemon=True).start()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Catcher(mailbox), enable_SMTPUTF8=True, loop=loop), LOOPBACK, smtp_port
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
