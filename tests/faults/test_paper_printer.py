"""The printer that faults happen to answers as real ones do."""

import socket
from collections.abc import Iterator

import pytest

from faults.paper_printer import PaperPrinter


@pytest.fixture
def printer() -> Iterator[PaperPrinter]:
    started = PaperPrinter()
    started.start()
    yield started
    started.stop()


def ask(printer: PaperPrinter, question: bytes) -> int:
    with socket.create_connection(("127.0.0.1", printer.port), timeout=30) as line:
        line.sendall(question)
        return line.recv(1)[0]


def test_a_paper_is_confirmed_when_it_is_out(printer: PaperPrinter) -> None:
    """What came before the question is one paper, byte for byte."""
    assert ask(printer, b"\x1b@deposit 4.00\x1dV\x00\x1dr\x01") == 0
    assert printer.papers == [b"\x1b@deposit 4.00\x1dV\x00"]


def test_it_says_what_keeps_it_from_printing(printer: PaperPrinter) -> None:
    """No paper, and an open cover, in the bits that drivers read."""
    assert ask(printer, b"\x10\x04\x04") == 0x12
    printer.paper_out = True
    assert ask(printer, b"\x10\x04\x04") & 0x60
    printer.paper_out, printer.cover_open = False, True
    assert ask(printer, b"\x10\x04\x02") & 0x04
    assert ask(printer, b"\x10\x04\x01") & 0x08
