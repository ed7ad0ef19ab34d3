"""Templates of every service's database, keys and a mail server for the town."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from chassis.testing import SIGNING_KEY, migrated_template

from faults.judge.versions import SERVICES

ROOT = Path(__file__).parents[2]


class Letterbox:
    """Accepts every mail and forgets it."""

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        return "250 accepted"


@pytest.fixture(scope="session")
def mail_port() -> Iterator[int]:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    controller = Controller(Letterbox(), hostname="127.0.0.1", port=port)
    controller.start()
    yield port
    controller.stop()


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "signing.pem"
    path.write_bytes(SIGNING_KEY.as_pem(private=True))
    return path


@pytest.fixture(scope="session")
def templates() -> Iterator[dict[str, str]]:
    """A migrated database of each service, to copy."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                contextmanager(migrated_template)(name, ROOT / "services" / name)
            )
            for name in SERVICES
        }
