"""Scanners: what they read becomes a scan in the journal, from any of three kinds of line."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import serial
import structlog
import uuid_utils

from device_agent import settings
from device_agent.journal import Journal
from device_agent.scribe import Scribe

log = structlog.get_logger("scanners")
CODE_LENGTH_MAX = 200
RECONNECT_S = 2.0
READ_S = 0.5
KEY_DOWN, KEY_UP = 1, 0
SHIFTS = {42, 54}  # Left and right.
ENDS = {28, 96, 15}  # Enter, the keypad's Enter, Tab.
# Scanners type as a US keyboard. The keys themselves are read, so that the layout that is set on
# the till (a Kazakh one turns digits into letters) changes nothing.
ROWS = {
    2: ("1234567890-=", "!@#$%^&*()_+"),
    16: ("qwertyuiop[]", "QWERTYUIOP{}"),
    30: ("asdfghjkl;'`", 'ASDFGHJKL:"~'),
    43: ("\\zxcvbnm,./", "|ZXCVBNM<>?"),
}
KEYPAD = dict(
    zip((71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83), "789-456+1230.", strict=True)
)


def _letters() -> Iterator[tuple[int, tuple[str, str]]]:
    for first, (plain, shifted) in ROWS.items():
        for offset, pair in enumerate(zip(plain, shifted, strict=True)):
            yield first + offset, pair
    for code, letter in KEYPAD.items():
        yield code, (letter, letter)
    yield 57, (" ", " ")


LETTERS: dict[int, tuple[str, str]] = dict(_letters())


class KeyReader:
    """Turns the keys of a scanner that types into codes, one at each Enter or Tab."""

    def __init__(self) -> None:
        self._typed: list[str] = []
        self._shifts: set[int] = set()

    def press(self, code: int, value: int) -> str | None:
        """The code that this key completes, if it does."""
        if code in SHIFTS:
            (self._shifts.discard if value == KEY_UP else self._shifts.add)(code)
        elif value == KEY_DOWN and code in ENDS:
            typed = "".join(self._typed)
            self._typed.clear()
            return typed or None
        elif value == KEY_DOWN and code in LETTERS:
            self._typed.append(LETTERS[code][bool(self._shifts)])
        return None


class LineReader:
    """Turns the bytes of a serial scanner into codes, one at each CR or LF."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> list[str]:
        *whole, self._begun = (self._begun + data).replace(b"\r", b"\n").split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole if line]


async def codes_of(scanner: "settings.Scanner") -> AsyncIterator[str]:
    """What the scanner reads, until it is unplugged (OSError) or its input ends."""
    match scanner:
        case settings.EvdevScanner():
            source = _typed(scanner)
        case settings.SerialScanner():
            source = _sent(scanner)
        case settings.StdinScanner():
            source = _entered()
    async for code in source:
        yield code


async def _typed(scanner: settings.EvdevScanner) -> AsyncIterator[str]:
    # Linux only, so it is loaded where it is used.
    from evdev import InputDevice, ecodes

    device: Any = InputDevice(scanner.device)
    keys = KeyReader()
    with device.grab_context():
        async for event in device.async_read_loop():
            if event.type == ecodes.EV_KEY and (code := keys.press(event.code, event.value)):
                yield code


async def _sent(scanner: settings.SerialScanner) -> AsyncIterator[str]:
    port = serial.Serial(scanner.device, scanner.baud_rate, timeout=READ_S)
    lines = LineReader()
    try:
        while True:
            # One byte waits for the scan; the rest of it is there already or comes right behind.
            data = await asyncio.to_thread(port.read, 1)
            for code in lines.feed(data + port.read(port.in_waiting)):
                yield code
    finally:
        port.close()


async def _entered() -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode("utf-8", "replace")


class Desk:
    """Notes every scan in the journal before anything else is done with it."""

    def __init__(self, scribe: Scribe, clock: Callable[[], datetime]) -> None:
        self._scribe = scribe
        self._clock = clock
        self.scanned = asyncio.Event()

    async def follow(self, scanner: "settings.Scanner", store_id: UUID | None) -> None:
        """Read this scanner for ever; one that is unplugged is waited for."""
        while True:
            try:
                async for code in codes_of(scanner):
                    await self.note(scanner.name, scanner.store_id or store_id, code)
            except OSError as error:  # pyserial's own errors are OSErrors too.
                log.warning("scanner_away", scanner=scanner.name, error=str(error))
            else:
                log.info("scanner_ended", scanner=scanner.name)
                return
            await asyncio.sleep(RECONNECT_S)

    async def note(self, scanner: str, store_id: UUID | None, read: str) -> None:
        code = read.strip("\r\n\t ")[:CODE_LENGTH_MAX]
        if not code:
            return
        scan_id = UUID(str(uuid_utils.uuid7()))
        await self._scribe.write(Journal.add_scan, scan_id, store_id, scanner, code, self._clock())
        self.scanned.set()
