"""The deposit receipt as it leaves the printer: decoded again here, byte by byte."""

import hashlib
import re
from datetime import UTC
from pathlib import Path

import pytest
import zxingcpp
from contracts.agent_link import ReceiptLine
from device_agent.encoding import CODE_PAGES, Paper, encode, wrap
from device_agent.preview import NotEscPos, picture
from device_agent.receipts import deposit_receipt, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageFont

PAPER = Paper(576, (("cp858", 19), ("cp866", 17)))
NARROW = Paper(384, (("cp858", 19), ("cp866", 17)))
FONTS = Path(__file__).parents[1] / "src/device_agent/fonts"
GOLDEN = Path(__file__).parent / "golden"
CUT, CUT_MARK = b"\x1dV", "[cut]"
NAMES = {"en": "Ada Byron", "ru": "Пётр", "bg": "Иван", "fi": "Päivi", "kk": "Айгүл Нұрланқызы"}


def bytes_of(order, paper=PAPER):
    return encode(deposit_receipt(order, UTC), paper)


def rasters(data):
    """Every raster image (GS v 0) in the bytes: black dots as ink."""
    found, at = [], 0
    while (at := data.find(b"\x1dv0\x00", at)) >= 0:
        width = int.from_bytes(data[at + 4 : at + 6], "little")
        height = int.from_bytes(data[at + 6 : at + 8], "little")
        dots = data[at + 8 : at + 8 + width * height]
        found.append(Image.frombytes("1", (width * 8, height), dots))
        at += 8 + width * height
    return found


def text_of(data):
    """What the bytes print as letters, by the code page in force; raster images are cut out."""
    while (at := data.find(b"\x1dv0\x00")) >= 0:
        size = int.from_bytes(data[at + 4 : at + 6], "little")
        size *= int.from_bytes(data[at + 6 : at + 8], "little")
        data = data[:at] + b"[drawn]\n" + data[at + 8 + size :]
    pages = {number: name for name, number in CODE_PAGES.items()}
    page, text, at = "cp437", "", 0
    commands = re.compile(
        rb"\x1b@|\x1b3.|\x1b[!Ea].|\x1bt(.)|\x1d[hwH].|\x1dk\x49(?P<n>.)|\x1dVB.", re.DOTALL
    )
    while at < len(data):
        if found := commands.match(data, at):
            text += CUT_MARK if found.group().startswith(CUT) else ""
            if found.group(1) is not None:
                page = pages[found.group(1)[0]]
            at = found.end()
            if found.group("n") is not None:
                at += found.group("n")[0]
        else:
            text += data[at : at + 1].decode(page)
            at += 1
    return text


def parts_of(data):
    """The customer's part and the one that goes with the goods: each ends with a cut."""
    first, second, rest = text_of(data).split(CUT_MARK)
    return first, second, rest


def drawn_line(text, bold):
    """The line as the vendored font draws it, put together here letter by letter."""
    font = ImageFont.truetype(
        str(FONTS / "DejaVuSansMono.ttf"), 20, layout_engine=ImageFont.Layout.BASIC
    )
    expected = Image.new("1", (576, 30))
    pen = ImageDraw.Draw(expected)
    pen.fontmode = "1"
    for column, letter in enumerate(text):
        for strike in (0, 1) if bold else (0,):
            pen.text((column * 12 + strike, 19), letter, font=font, fill=255, anchor="ls")
    return expected.tobytes()


def test_the_receipt_has_a_part_for_the_customer_and_one_that_goes_with_the_goods(order):
    """Scenario 7: two parts, the second names customer, end date and remainder."""
    customers, goods, _ = parts_of(bytes_of(order()))
    for said in ("Customer's part", "Oat flakes 500 g", "3 pc x 333.3333", "1,000.00", "€200.00"):
        assert said in customers
    for said in ("Goes with the goods", "Ada Byron", "May 13, 2026 16:00", "€500.00", "3 pc"):
        assert said in goods


@pytest.mark.parametrize("language", NAMES)
def test_the_receipt_speaks_the_customers_language(order, language):
    """Each language's receipt can be read by a scanner and shows as its approved picture."""
    paper = picture(bytes_of(order(language=language, customer_name=NAMES[language])), 576)
    assert [code.text for code in zxingcpp.read_barcodes(paper)] == ["2026-000123"] * 2
    approved = Image.open(GOLDEN / f"receipt-{language}.png").convert("L")
    assert approved.size == paper.size
    different = ImageChops.difference(approved, paper).histogram()
    assert sum(different[128:]) < 0.002 * paper.width * paper.height


def test_letters_that_the_printer_lacks_are_drawn_as_they_are(order):
    """A Kazakh name is on the paper letter by letter, not as question marks."""
    data = bytes_of(order(language="kk", customer_name="Айгүл Нұрланқызы"))
    line = "Сатып алушы" + "Айгүл Нұрланқызы".rjust(48 - 11)
    assert drawn_line(line, bold=False) in [image.tobytes() for image in rasters(data)]
    assert "?" not in text_of(data)


@pytest.mark.parametrize(
    ("language", "currency", "label", "amount"),
    [("kk", "KZT", "Барлығы", "1 000,00 ₸"), ("ru", "RUB", "Итого", "1 000,00 ₽")],
)
def test_money_signs_that_no_code_page_has_are_drawn(order, language, currency, label, amount):
    """Amounts in tenge and roubles keep their sign."""
    data = bytes_of(order(language=language, currency=currency))
    line = label + amount.rjust(48 - len(label))
    assert drawn_line(line, bold=True) in [image.tobytes() for image in rasters(data)]


def test_a_line_that_the_code_page_has_is_printed_as_text(order):
    """Plain Russian text leaves the printer's own letters to the printer: nothing is drawn."""
    data = bytes_of(order(language="ru", currency="CHF", customer_name="Пётр"))
    assert rasters(data) == []
    assert "Пётр" in text_of(data)


def test_a_reprint_says_copy_on_both_parts_and_the_first_print_does_not(order):
    """Two papers of one payment can be told apart."""
    customers, goods, _ = parts_of(bytes_of(order(copy_number=3)))
    assert "* COPY 2 *" in customers
    assert "* COPY 2 *" in goods
    assert "COPY" not in text_of(bytes_of(order()))


def test_control_bytes_in_a_name_print_as_text(order):
    """A name that holds printer commands cuts no paper and opens no drawer."""
    data = bytes_of(order(customer_name="Eve\x1dV\x00\x1bp\x00\x19\x19"))
    assert data.count(CUT) == 2
    assert b"\x1bp" not in data
    assert "Eve^]V^@^[p^@^Y^Y" in text_of(data)


@settings(max_examples=25, deadline=None)
@given(name=st.text(max_size=150), description=st.text(max_size=250))
def test_whatever_a_customer_is_called_only_paper_comes_out(name, description):
    """No text makes the printer do anything but print: two cuts, and nothing unknown."""
    from decimal import Decimal

    line = ReceiptLine(
        description=description,
        unit="piece",
        quantity=Decimal(1),
        unit_price=Decimal(1),
        amount=Decimal(1),
    )
    order = _order(customer_name=name, lines=(line,))
    for paper in (PAPER, NARROW):
        data = bytes_of(order, paper)
        assert len(_cuts(data)) == 2
        picture(data, paper.width_dots)


def _order(**changes):
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from contracts.agent_link import PrintOrder

    return PrintOrder(
        **{
            "job_id": UUID(int=1),
            "copy_number": 1,
            "kind": "deposit_receipt",
            "expires_at": datetime(2026, 5, 11, tzinfo=UTC),
            "store_id": UUID(int=2),
            "store_code": "S1",
            "store_name": "Harbour Street",
            "language": "en",
            "order_number": "2026-000123",
            "currency": "EUR",
            "total": Decimal(1),
            "payment": Decimal(1),
            "paid": Decimal(1),
            "due": Decimal(0),
            "hold_until": datetime(2026, 5, 13, tzinfo=UTC),
            "at": datetime(2026, 5, 10, tzinfo=UTC),
            **changes,
        }
    )


def _cuts(data):
    for image in rasters(data):
        data = data.replace(image.tobytes(), b"")
    return re.findall(rb"\x1dVB\x00", data)


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_a_receipts_text_never_holds_a_control_letter(text):
    """What reaches the encoder is letters and plain spaces."""
    assert all(letter == " " or letter.isprintable() for letter in plain(text, 500))


@given(text=st.text(alphabet="ab ", max_size=60), columns=st.integers(1, 20))
def test_a_wrapped_line_fits_the_paper_and_loses_no_letter(text, columns):
    """Long descriptions go on in the next line."""
    lines = wrap(text, columns)
    assert all(len(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_number_that_is_too_long_for_bars_becomes_a_qr_code(order):
    """Narrow paper still carries a code that the till can read."""
    number = "ORDER-2026-000123-HARBOUR-STREET"
    paper = picture(bytes_of(order(order_number=number), NARROW), 384)
    codes = zxingcpp.read_barcodes(paper)
    assert {(code.text, code.format) for code in codes} == {(number, zxingcpp.BarcodeFormat.QRCode)}


def test_the_font_is_the_one_that_was_vendored():
    """The font's bytes are those whose hash stands beside them."""
    for line in (FONTS / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((FONTS / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("data", [b"\x1bp\x00", b"\x07", b"\x1d\x28\x4c\x02\x00", b"\x1bt\x63"])
def test_a_picture_is_refused_for_bytes_that_are_not_understood(data):
    """A picture that left something out would lie about the paper."""
    with pytest.raises(NotEscPos):
        picture(data, 576)
