"""Printers: how one is asked whether it can print, given a paper, and asked whether it did."""

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from escpos import printer as drivers
from escpos.exceptions import Error as EscposError
from usb.core import USBTimeoutError

from device_agent import settings
from device_agent.encoding import Paper

ASK_PRINTER, ASK_OFFLINE, ASK_PAPER = b"\x10\x04\x01", b"\x10\x04\x02", b"\x10\x04\x04"
ASK_WHEN_DONE = b"\x1dr\x01"  # Answered only after everything before it is printed.
STATUS_FIXED_BITS, STATUS_FIXED = 0x93, 0x12
OFFLINE, COVER_OPEN, PAPER_END_STOP, HARDWARE_ERROR = 0x08, 0x04, 0x20, 0x40
PAPER_OUT, PAPER_OUT_WHEN_DONE = 0x60, 0x0C
Fault = (OSError, EscposError)
AnsweringPrinter = settings.NetworkPrinter | settings.SerialPrinter | settings.UsbPrinter


class PrinterNotReady(Exception):
    """Nothing was printed, and the text says why."""


class PaperInDoubt(Exception):
    """The paper may or may not have come out: only eyes can tell."""


class Printer(Protocol):
    """`put` returns once the paper is out, else raises PrinterNotReady or PaperInDoubt.

    `came_out` says afterwards whether a paper of this name is out; None when it cannot know.
    """

    paper: Paper

    def put(self, data: bytes, name: str) -> None: ...

    def came_out(self, name: str) -> bool | None: ...


class VirtualPrinter:
    """Keeps each paper's bytes in a folder, whole or not at all; pictures are made when wanted."""

    def __init__(self, paper: Paper, folder: Path) -> None:
        self.paper = paper
        self._folder = folder

    def put(self, data: bytes, name: str) -> None:
        unfinished = self._folder / f".{name}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(data)
        except OSError as error:
            raise PrinterNotReady(f"cannot write to the folder: {error.strerror}") from error
        try:
            unfinished.replace(self._folder / f"{name}.bin")
        except OSError as error:
            raise PaperInDoubt(f"the folder failed: {error.strerror}") from error

    def came_out(self, name: str) -> bool | None:
        """A paper is in the folder whole, or not at all."""
        return (self._folder / f"{name}.bin").exists()


class FilePrinter:
    """A device file: it takes bytes and says nothing."""

    def __init__(self, paper: Paper, path: Path) -> None:
        self.paper = paper
        self._path = path

    def put(self, data: bytes, name: str) -> None:
        driver = drivers.File(str(self._path), auto_flush=False)
        try:
            driver.open()
        except Fault as error:
            raise PrinterNotReady(f"cannot open the printer: {error}") from error
        try:
            driver._raw(data)
            driver.flush()
        except Fault as error:
            raise PaperInDoubt(f"the printer failed: {error}") from error
        finally:
            driver.close()

    def came_out(self, name: str) -> bool | None:
        return None


class EscposPrinter:
    """A printer on a network, USB or serial line that answers when asked how it is."""

    def __init__(self, options: AnsweringPrinter, driver: Any) -> None:
        self.paper = options.paper
        self._options = options
        self._driver = driver

    def put(self, data: bytes, name: str) -> None:
        with self._opened():
            if self._options.answers:
                self._refuse_unless_ready()
            try:
                self._driver._raw(data)
                if self._options.answers:
                    self._wait_until_done()
            except Fault as error:
                raise PaperInDoubt(f"the printer was lost while printing: {error}") from error

    def came_out(self, name: str) -> bool | None:
        return None

    @contextmanager
    def _opened(self) -> Iterator[None]:
        try:
            self._driver.open()
        except Fault as error:
            raise PrinterNotReady(f"cannot reach the printer: {error}") from error
        try:
            yield
        finally:
            with suppress(*Fault):  # The paper is out or refused already: this changes nothing.
                self._driver.close()

    def _refuse_unless_ready(self) -> None:
        try:
            fault = self._fault()
        except Fault as error:
            raise PrinterNotReady(f"cannot reach the printer: {error}") from error
        if fault:
            raise PrinterNotReady(fault)

    def _fault(self) -> str | None:
        """Why the printer cannot print now, in words for the store; None when it can."""
        timeout = self._options.answer_timeout_s
        answers = [self._ask(ask, timeout) for ask in (ASK_PRINTER, ASK_OFFLINE, ASK_PAPER)]
        if any(answer is None or answer & STATUS_FIXED_BITS != STATUS_FIXED for answer in answers):
            return "the printer does not answer"
        state, cause, paper = (answer or 0 for answer in answers)
        if cause & COVER_OPEN:
            return "the cover is open"
        if paper & PAPER_OUT or cause & PAPER_END_STOP:
            return "out of paper"
        if cause & HARDWARE_ERROR:
            return "the printer reports a fault"
        return "the printer is offline" if state & OFFLINE else None

    def _wait_until_done(self) -> None:
        done = self._ask(ASK_WHEN_DONE, self._options.confirm_timeout_s)
        if done is None:
            fault = self._fault() or "the printer did not say that it finished"
            raise PaperInDoubt(f"{fault}, while printing")
        if done & PAPER_OUT_WHEN_DONE:
            raise PaperInDoubt("out of paper, at the end of this paper or inside it")

    def _ask(self, question: bytes, timeout_s: float) -> int | None:
        """The last byte that the printer answers, or None when it stays silent."""
        self._driver._raw(question)
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if answer := self._read(left):
                return answer[-1]
        return None

    def _read(self, timeout_s: float) -> bytes:
        """What the printer says within this time; nothing when it says nothing."""
        device: Any = self._driver.device
        match self._options:
            case settings.NetworkPrinter():
                return self._receive(device, timeout_s)
            case settings.SerialPrinter():
                device.timeout = timeout_s
                return bytes(device.read(1))
            case settings.UsbPrinter():
                try:
                    return bytes(device.read(self._driver.in_ep, 16, int(timeout_s * 1000) + 1))
                except USBTimeoutError:
                    return b""

    def _receive(self, device: socket.socket, timeout_s: float) -> bytes:
        device.settimeout(timeout_s)
        try:
            answer = device.recv(1)
        except TimeoutError:
            return b""
        finally:
            device.settimeout(self._options.confirm_timeout_s)
        if not answer:
            raise ConnectionError("the printer closed the connection")
        return answer


def safe_name(text: str) -> str:
    """The text as a file's name: letters, digits, dots and dashes, never empty or hidden."""
    return re.sub(r"[^\w.-]", "_", text).lstrip(".")[:80] or "_"


def build(options: "settings.Printer", store_code: str) -> Printer:
    """The printer that these settings describe."""
    match options:
        case settings.VirtualPrinter():
            return VirtualPrinter(options.paper, options.folder / safe_name(store_code))
        case settings.FilePrinter():
            return FilePrinter(options.paper, options.path)
        case settings.NetworkPrinter():
            timeout = options.confirm_timeout_s
            return EscposPrinter(options, drivers.Network(options.host, options.port, timeout))
        case settings.SerialPrinter():
            return EscposPrinter(
                options, drivers.Serial(devfile=options.device, baudrate=options.baud_rate)
            )
        case settings.UsbPrinter():
            timeout_ms = int(options.answer_timeout_s * 1000)
            return EscposPrinter(
                options, drivers.Usb(options.vendor_id, options.product_id, timeout=timeout_ms)
            )


def key_of(options: "settings.Printer", store_code: str) -> str:
    """What two papers share when they share a printer: they must wait for one another."""
    match options:
        case settings.VirtualPrinter():
            return f"virtual:{os.fspath(options.folder)}:{safe_name(store_code)}"
        case settings.FilePrinter():
            return f"file:{options.path}"
        case settings.NetworkPrinter():
            return f"network:{options.host}:{options.port}"
        case settings.SerialPrinter():
            return f"serial:{options.device}"
        case settings.UsbPrinter():
            return f"usb:{options.vendor_id}:{options.product_id}"
