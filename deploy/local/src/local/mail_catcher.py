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

from aiosmtpd.smtp import SMTP, Envelope, Session

from local.topology import LOOPBACK


class Mailbox:
    """Messages by the hash of their Message-ID, so that a repeated one is kept once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._list: dict[str, dict[str, Any]] = {}
        for path in sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns):
            self._list[path.stem] = self._summary(path.stem, _parsed(path.read_bytes()))

    def keep(self, content: bytes) -> str:
        """Store a message and return its id; one that is already here changes nothing."""
        message = _parsed(content)
        name = message["Message-ID"] or content.decode("utf-8", "replace")
        key = hashlib.sha256(str(name).encode()).hexdigest()[:32]
        with self._lock:
            if key not in self._list:
                fresh = self.folder / f"{key}.new"
                fresh.write_bytes(content)
                fresh.rename(self.folder / f"{key}.eml")
                self._list[key] = self._summary(key, message)
        return key

    def mails(self) -> list[dict[str, Any]]:
        """Every message, oldest first, without its body."""
        with self._lock:
            return list(self._list.values())

    def mail(self, key: str) -> dict[str, Any] | None:
        """One message with its bodies, or None."""
        if key not in self._list:
            return None
        message = _parsed((self.folder / f"{key}.eml").read_bytes())
        return {
            **self._list[key],
            "text": _body(message, "plain"),
            "html": _body(message, "html"),
            "attachments": [part.get_filename() for part in message.iter_attachments()],
        }

    @staticmethod
    def _summary(key: str, message: EmailMessage) -> dict[str, Any]:
        return {
            "id": key,
            "to": str(message["To"] or ""),
            "subject": str(message["Subject"] or ""),
            "headers": {name: str(value) for name, value in message.items()},
        }


def _parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)


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
        content = envelope.original_content or b""
        key = await asyncio.to_thread(self._mailbox.keep, content)
        return f"250 kept as {key}"


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
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
