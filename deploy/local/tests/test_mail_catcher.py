"""The mail catcher of the embedded default keeps what the services send."""

import smtplib
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from .running import free_ports, started


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[tuple[int, str, Path]]:
    """A mail catcher of the test's own: its SMTP port, the address of its list, its folder."""
    base = free_ports()
    url = f"http://127.0.0.1:{base + 1}/mails"
    command = [
        *(sys.executable, "-m", "local.mail_catcher"),
        *(str(base), str(base + 1), str(tmp_path)),
    ]
    with started(command, {}, url):
        yield base, url, tmp_path


def letter(identifier: str, subject: str) -> EmailMessage:
    message = EmailMessage()
    message["Message-ID"] = identifier
    message["From"] = "orders@holdfast.example"
    message["To"] = "customer@demo.example"
    message["Subject"] = subject
    message.set_content("Ваш заказ готов")
    message.add_alternative("<p>Ваш заказ готов</p>", subtype="html")
    return message


def test_a_mail_can_be_read_again(catcher: tuple[int, str, Path]) -> None:
    """What was sent is listed with its headers, and opened with both its bodies."""
    port, url, _ = catcher
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.send_message(letter("<1@holdfast>", "Заказ 7"))
    (mail,) = httpx.get(url, trust_env=False).json()
    assert (mail["to"], mail["subject"]) == ("customer@demo.example", "Заказ 7")
    assert mail["headers"]["Message-ID"] == "<1@holdfast>"
    opened = httpx.get(f"{url}/{mail['id']}", trust_env=False).json()
    assert opened["text"].strip() == "Ваш заказ готов"
    assert opened["html"].strip() == "<p>Ваш заказ готов</p>"
    assert httpx.get(f"{url}/unknown", trust_env=False).status_code == 404


def test_a_mail_sent_twice_is_kept_once(catcher: tuple[int, str, Path]) -> None:
    """A repeat after a lost answer has the same Message-ID and changes nothing."""
    port, url, folder = catcher
    with smtplib.SMTP("127.0.0.1", port) as server:
        for name in ("<1@holdfast>", "<2@holdfast>", "<1@holdfast>"):
            server.send_message(letter(name, name))
    subjects = [mail["subject"] for mail in httpx.get(url, trust_env=False).json()]
    assert subjects == ["<1@holdfast>", "<2@holdfast>"]
    assert len(list(folder.glob("*.eml"))) == 2
