"""Scanners read what is printed on the goods, whatever the keyboard's layout says."""

import asyncio
import os
import pty

import pytest
from device_agent.scanners import ENDS, LETTERS, KeyReader, LineReader, codes_of
from device_agent.settings import SerialScanner

SHIFT = 42
ENTER = 28


def typed(text):
    """The keys that a scanner presses for this text, as the kernel numbers them."""
    places = {pair[level]: (code, level) for code, pair in LETTERS.items() for level in (1, 0)}
    for letter in text:
        code, level = places[letter]
        yield from [(SHIFT, 1)] * level
        yield from ((code, 1), (code, 0))
        yield from [(SHIFT, 0)] * level


@pytest.mark.parametrize("code", ["4006381333931", "2026-000123", "Ab/9_x", "(01)04006381333931"])
def test_a_scanner_that_types_gives_the_code_at_its_enter_key(code):
    """Keys are read, not letters: no layout can change the number."""
    keys = KeyReader()
    assert [keys.press(*key) for key in typed(code)] == [None] * len(list(typed(code)))
    assert keys.press(ENTER, 1) == code
    assert keys.press(ENTER, 0) is None


@pytest.mark.parametrize("end", sorted(ENDS))
def test_an_end_without_a_code_is_no_scan(end):
    """Enter alone says nothing."""
    assert KeyReader().press(end, 1) is None


def test_a_serial_scanner_may_send_a_code_in_pieces():
    """Two codes in five pieces are two scans, whichever line end is set."""
    lines = LineReader()
    pieces = [b"40063", b"81333931\r", b"\n2026-", b"000123", b"\n"]
    assert [code for piece in pieces for code in lines.feed(piece)] == [
        "4006381333931",
        "2026-000123",
    ]


async def test_a_serial_port_is_read():
    """What comes in on the line is what was scanned."""
    ours, theirs = pty.openpty()
    scanner = SerialScanner(kind="serial", name="till", device=os.ttyname(theirs))
    codes = codes_of(scanner)
    read = asyncio.create_task(anext(codes))
    while not read.done():  # What is scanned before the port is open is lost: scan until it is.
        os.write(ours, b"4006381333931\r")
        await asyncio.wait([read], timeout=0.05)
    assert await read == "4006381333931"
    await codes.aclose()
    os.close(ours)
    os.close(theirs)
