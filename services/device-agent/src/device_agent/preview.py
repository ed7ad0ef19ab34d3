"""ESC/POS bytes as the picture that a thermal printer would leave on the paper.

It understands what `encoding` writes and refuses anything else: a picture that left something
out would be worse than none.
"""

from dataclasses import dataclass, field
from typing import Any

import segno
from barcode import Code128  # type: ignore[import-untyped]
from PIL import Image, ImageDraw, ImageOps

from device_agent.encoding import CODE_PAGES
from device_agent.raster import CELL_HEIGHT, CELL_WIDTH, INK, LINE_HEIGHT, NO_INK, draw_line

MARGIN_PX = 24
CAPTION_GAP_PX = 6
CUT_HEIGHT_PX = 25
PAPER_WHITE = 255


class NotEscPos(Exception):
    """The bytes hold something that this project never prints."""


@dataclass(slots=True)
class _Head:
    """Where the print head is and how it writes."""

    pages: dict[int, str]
    page: str = "cp437"
    centered: bool = False
    bold: bool = False
    wide: bool = False
    tall: bool = False
    line_height: int = LINE_HEIGHT
    bar_height: int = 162
    bar_width: int = 3
    qr: str = ""
    qr_module: int = 3
    line: list[str] = field(default_factory=list)


class Preview:
    """Reads the bytes once and keeps the strips of paper."""

    def __init__(self, data: bytes, width_dots: int, pages: dict[int, str] | None = None) -> None:
        self._data = data
        self._width = width_dots
        self._at = 0
        self._head = _Head(pages or {number: name for name, number in CODE_PAGES.items()})
        self._strips: list[Image.Image] = []

    def picture(self) -> Image.Image:
        while self._at < len(self._data):
            self._step()
        self._feed_line(only_full=True)
        height = sum(strip.height for strip in self._strips)
        paper = Image.new("1", (self._width, max(height, 1)), NO_INK)
        top = 0
        for strip in self._strips:
            paper.paste(strip, (0, top))
            top += strip.height
        return ImageOps.expand(ImageOps.invert(paper.convert("L")), MARGIN_PX, PAPER_WHITE)

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise NotEscPos("the bytes end inside a command")
        self._at += count
        return taken

    def _step(self) -> None:
        match byte := self._take(1):
            case b"\x1b":
                self._escape()
            case b"\x1d":
                self._group()
            case b"\n":
                self._feed_line()
            case _ if byte[0] >= 0x20:
                self._head.line.append(byte.decode(self._head.page))
            case _:
                raise NotEscPos(f"control byte {byte.hex()} at {self._at - 1}")

    def _escape(self) -> None:
        head = self._head
        match self._take(1):
            case b"@":
                self._head = _Head(head.pages)
            case b"t":
                number = self._take(1)[0]
                if number not in head.pages:
                    raise NotEscPos(f"code page {number}")
                head.page = head.pages[number]
            case b"!":
                bits = self._take(1)[0]
                head.bold, head.tall, head.wide = bool(bits & 8), bool(bits & 16), bool(bits & 32)
            case b"E":
                head.bold = self._take(1) == b"\x01"
            case b"a":
                head.centered = self._take(1) == b"\x01"
            case b"3":
                head.line_height = self._take(1)[0]
            case b"d":
                for _ in range(self._take(1)[0]):
                    self._feed_line()
            case other:
                raise NotEscPos(f"ESC {other!r}")

    def _group(self) -> None:
        head = self._head
        match self._take(1):
            case b"v":
                self._raster()
            case b"h":
                head.bar_height = self._take(1)[0]
            case b"w":
                head.bar_width = self._take(1)[0]
            case b"H":
                self._take(1)
            case b"k":
                self._bars()
            case b"(":
                self._qr()
            case b"V":
                self._cut()
            case other:
                raise NotEscPos(f"GS {other!r}")

    def _feed_line(self, *, only_full: bool = False) -> None:
        head, text = self._head, "".join(self._head.line)
        if only_full and not text:
            return
        head.line.clear()
        scale = (2 if head.wide else 1, 2 if head.tall else 1)
        room = self._width - CELL_WIDTH * scale[0] * len(text)
        left = room // 2 if head.centered else 0
        line = draw_line(text, self._width, bold=head.bold, scale=scale, left=left)
        strip = Image.new("1", (self._width, max(head.line_height, CELL_HEIGHT * scale[1])), NO_INK)
        strip.paste(line, (0, 0))
        self._strips.append(strip)

    def _place(self, picture: Image.Image) -> None:
        left = (self._width - picture.width) // 2 if self._head.centered else 0
        strip = Image.new("1", (self._width, picture.height), NO_INK)
        strip.paste(picture, (left, 0))
        self._strips.append(strip)

    def _raster(self) -> None:
        mode = self._take(2)
        width = int.from_bytes(self._take(2), "little")
        height = int.from_bytes(self._take(2), "little")
        if mode != b"0\x00":
            raise NotEscPos(f"raster mode {mode!r}")
        self._place(Image.frombytes("1", (width * 8, height), self._take(width * height)))

    def _bars(self) -> None:
        if self._take(1) != b"\x49":
            raise NotEscPos("a barcode that is not Code 128")
        signs = self._take(self._take(1)[0])
        number = signs.removeprefix(b"{B").replace(b"{{", b"{").decode("ascii")
        modules: str = Code128(number).build()[0]
        width = self._head.bar_width
        bars = Image.new("1", (len(modules) * width, self._head.bar_height), NO_INK)
        pen = ImageDraw.Draw(bars)
        for at, module in enumerate(modules):
            if module == "1":
                pen.rectangle((at * width, 0, at * width + width - 1, bars.height), fill=INK)
        self._place(bars)
        caption = Image.new("1", (self._width, LINE_HEIGHT + CAPTION_GAP_PX), NO_INK)
        left = (self._width - CELL_WIDTH * len(number)) // 2
        caption.paste(draw_line(number, self._width, bold=False, left=left), (0, CAPTION_GAP_PX))
        self._place(caption)

    def _qr(self) -> None:
        if self._take(1) != b"k":
            raise NotEscPos("GS ( without k")
        body = self._take(int.from_bytes(self._take(2), "little"))
        match body[:2]:
            case b"1A" | b"1E":
                pass
            case b"1C":
                self._head.qr_module = body[2]
            case b"1P":
                self._head.qr = body[3:].decode()
            case b"1Q":
                self._place(_qr_picture(self._head.qr, self._head.qr_module))
            case other:
                raise NotEscPos(f"QR function {other!r}")

    def _cut(self) -> None:
        if self._take(1) in b"AB":
            self._take(1)
        strip = Image.new("1", (self._width, CUT_HEIGHT_PX), NO_INK)
        pen = ImageDraw.Draw(strip)
        for left in range(0, self._width, 24):
            pen.line((left, CUT_HEIGHT_PX // 2, left + 12, CUT_HEIGHT_PX // 2), fill=INK, width=2)
        self._strips.append(strip)


def _qr_picture(content: str, module: int) -> Image.Image:
    rows: Any = segno.make(content, error="l", micro=False).matrix
    picture = Image.new("1", (len(rows[0]), len(rows)), NO_INK)
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            picture.putpixel((x, y), INK if dark else NO_INK)
    return picture.resize((picture.width * module, picture.height * module), 0)


def picture(data: bytes, width_dots: int) -> Image.Image:
    """The paper as it would come out of the printer, with a white margin."""
    return Preview(data, width_dots).picture()
