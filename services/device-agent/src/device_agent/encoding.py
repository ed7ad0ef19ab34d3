"""A paper in ESC/POS, the printers' language: text where a code page has the letters, else dots."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from escpos.printer import Dummy

from device_agent.raster import CELL_WIDTH, LINE_HEIGHT, draw_line
from device_agent.receipts import Align, Cut, Element, Gap, OrderCode, Row, Rule, Text

# Numbers of ESC t, as Epson counts them; a printer that counts otherwise is told so in its settings
CODE_PAGES: dict[str, int] = {
    "cp437": 0,
    "cp850": 2,
    "cp852": 18,
    "cp858": 19,
    "cp866": 17,
    "cp1251": 46,
    "cp1252": 16,
}
FEED_TO_CUTTER_LINES = 4
BAR_HEIGHT_DOTS = 90
BAR_WIDTH_DOTS = (3, 2)
QR_MODULE_DOTS = 6
CODE128_MODULES_PER_SIGN = 11
CODE128_MODULES_FIXED = 11 * 3 + 2 + 20  # Start, set B, check digit, stop, quiet zones.


@dataclass(frozen=True, slots=True)
class Paper:
    """What the printer holds and speaks."""

    width_dots: int
    code_pages: tuple[tuple[str, int], ...]  # Tried in this order, with the number of ESC t.

    @property
    def columns(self) -> int:
        return self.width_dots // CELL_WIDTH


class Encoder:
    """Writes elements one after another and keeps the bytes."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self._printer: Any = Dummy()
        self._page: int | None = None
        self._printer.hw("INIT")
        self._printer._raw(b"\x1b3" + bytes([LINE_HEIGHT]))

    def output(self) -> bytes:
        return bytes(self._printer.output)

    def write(self, element: Element) -> None:
        match element:
            case Text():
                self._text(element)
            case Row():
                self._row(element)
            case Rule():
                rule = "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * self._paper.columns
                self._line(rule if self._encode(rule) else "-" * self._paper.columns)
            case Gap():
                self._printer._raw(b"\n")
            case OrderCode(number):
                self._order_code(number)
            case Cut():
                self._printer._raw(b"\n" * FEED_TO_CUTTER_LINES)
                self._printer.cut(mode="PART", feed=False)

    def _text(self, text: Text) -> None:
        columns = self._paper.columns // (2 if text.wide else 1)
        for line in wrap(text.text, columns):
            self._line(line, text.align, bold=text.bold, wide=text.wide, tall=text.tall)

    def _row(self, row: Row) -> None:
        """Wraps the left side; the figure stands at the right end of the last line."""
        columns = self._paper.columns
        room = columns - len(row.right) - 1
        lines = wrap(row.left, room) if room >= columns // 3 else wrap(row.left, columns)
        if len(lines[-1]) > room:
            lines += wrap(row.right, columns)
            lines[-1] = lines[-1].rjust(columns)
        else:
            lines[-1] += row.right.rjust(columns - len(lines[-1]))
        for line in lines:
            self._line(line, bold=row.bold, tall=row.tall)

    def _line(
        self,
        text: str,
        align: Align = "left",
        *,
        bold: bool = False,
        wide: bool = False,
        tall: bool = False,
    ) -> None:
        encoded = self._encode(text)
        if encoded is None:
            self._drawn(text, align, bold=bold, wide=wide, tall=tall)
            return
        page, letters = encoded
        self._style(align, bold=bold, wide=wide, tall=tall)
        if page != self._page:
            self._printer._raw(b"\x1bt" + bytes([page]))
            self._page = page
        self._printer._raw(letters + b"\n")

    def _drawn(self, text: str, align: Align, *, bold: bool, wide: bool, tall: bool) -> None:
        scale = (2 if wide else 1, 2 if tall else 1)
        columns = self._paper.columns // scale[0]
        if align == "center":
            text = " " * ((columns - len(text)) // 2) + text
        self._style("left", bold=False, wide=False, tall=False)
        dots = draw_line(text, self._paper.width_dots, bold=bold, scale=scale)
        width_bytes = (dots.width + 7) // 8
        size = width_bytes.to_bytes(2, "little") + dots.height.to_bytes(2, "little")
        self._printer._raw(b"\x1dv0\x00" + size + dots.tobytes())

    def _style(self, align: Align, *, bold: bool, wide: bool, tall: bool) -> None:
        self._printer.set(
            align=align,
            bold=bold,
            double_width=wide,
            double_height=tall,
            normal_textsize=not (wide or tall),
        )

    def _encode(self, text: str) -> tuple[int, bytes] | None:
        """The text in the page in force if that has all letters, else in the first that has."""
        pages = sorted(self._paper.code_pages, key=lambda page: page[1] != self._page)
        for name, number in pages:
            try:
                return number, text.encode(name)
            except UnicodeEncodeError:
                continue
        return None

    def _order_code(self, number: str) -> None:
        """Code 128 where the number fits the paper, else a QR code; nothing if it has no signs."""
        self._style("center", bold=False, wide=False, tall=False)
        modules = CODE128_MODULES_FIXED + CODE128_MODULES_PER_SIGN * len(number)
        for width in BAR_WIDTH_DOTS:
            if number.isascii() and modules * width <= self._paper.width_dots:
                self._code128(number, width)
                return
        self._printer.qr(number, native=True, size=QR_MODULE_DOTS)
        self._line(number, "center")

    def _code128(self, number: str, width: int) -> None:
        signs = b"{B" + number.replace("{", "{{").encode("ascii")
        self._printer._raw(
            b"\x1dh" + bytes([BAR_HEIGHT_DOTS]) + b"\x1dw" + bytes([width]) + b"\x1dH\x02"
        )
        self._printer._raw(b"\x1dk\x49" + bytes([len(signs)]) + signs)


def encode(elements: Iterable[Element], paper: Paper) -> bytes:
    """The whole paper as the bytes that a printer takes."""
    encoder = Encoder(paper)
    for element in elements:
        encoder.write(element)
    return encoder.output()


def wrap(text: str, columns: int) -> list[str]:
    """The text in lines of at most this many letters, broken between words where it can be."""
    body = text.lstrip(" ")
    indent = text[: len(text) - len(body)][: columns // 2]
    lines, line = [], ""
    for word in body.split(" "):
        longer = f"{line} {word}" if line else indent + word
        if len(longer) <= columns:
            line = longer
            continue
        if line:
            lines.append(line)
        while len(word) > columns:
            lines.append(word[:columns])
            word = word[columns:]
        line = word
    return [*lines, line]
