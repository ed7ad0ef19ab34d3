"""Lines drawn as dots, for letters that no code page of the printer has.

The font is DejaVu Sans Mono (see fonts/LICENSE): at CELL_FONT_PX its cell is that of the
printers' font A, so drawn lines stand in the same columns as printed ones.
"""

from functools import cache
from importlib.resources import as_file, files

from PIL import Image, ImageDraw, ImageFont

CELL_WIDTH = 12
CELL_HEIGHT = 24
LINE_HEIGHT = 30  # From one line to the next, unless the letters are taller.
CELL_FONT_PX = 20
BASELINE = 19
INK = 255
NO_INK = 0


@cache
def _font() -> ImageFont.FreeTypeFont:
    with as_file(files("device_agent") / "fonts" / "DejaVuSansMono.ttf") as path:
        return ImageFont.truetype(str(path), CELL_FONT_PX, layout_engine=ImageFont.Layout.BASIC)


@cache
def glyph(letter: str, bold: bool, across: int = 1, down: int = 1) -> Image.Image:
    """One letter in its cell as dots of ink. Emphasis is a second strike one dot to the right."""
    cell = Image.new("1", (CELL_WIDTH, CELL_HEIGHT), NO_INK)
    pen = ImageDraw.Draw(cell)
    pen.fontmode = "1"
    for dx in (0, 1) if bold else (0,):
        pen.text((dx, BASELINE), letter, font=_font(), fill=INK, anchor="ls")
    if (across, down) == (1, 1):
        return cell
    return cell.resize((CELL_WIDTH * across, CELL_HEIGHT * down), Image.Resampling.NEAREST)


def draw_line(
    text: str, width_px: int, *, bold: bool, scale: tuple[int, int] = (1, 1), left: int = 0
) -> Image.Image:
    """The text as one line of dots that begins `left` dots from the edge."""
    across, down = scale
    line = Image.new("1", (width_px, max(LINE_HEIGHT, CELL_HEIGHT * down)), NO_INK)
    for column, letter in enumerate(text):
        if letter != " ":
            cell = glyph(letter, bold, across, down)
            line.paste(cell, (left + column * CELL_WIDTH * across, 0))
    return line
