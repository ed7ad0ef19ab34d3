"""What is on a deposit receipt, part by part, before any printer's language."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Literal

from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal
from contracts.agent_link import PrintOrder, ReceiptLine
from contracts.money import minor_digits

from device_agent.words import Words, words_for

Align = Literal["left", "center"]
NAME_LENGTH_MAX = 120
DESCRIPTION_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    align: Align = "left"
    bold: bool = False
    wide: bool = False
    tall: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A label at the left edge, a figure at the right one."""

    left: str
    right: str
    bold: bool = False
    tall: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    pass


@dataclass(frozen=True, slots=True)
class Gap:
    pass


@dataclass(frozen=True, slots=True)
class OrderCode:
    """The order's number for a scanner to read."""

    number: str


@dataclass(frozen=True, slots=True)
class Cut:
    pass


Element = Text | Row | Rule | Gap | OrderCode | Cut


def plain(text: str, length_max: int) -> str:
    """The text as letters only: what a printer could obey becomes something it can only print.

    A control byte shows in caret notation (ESC is `^[`), invisible direction marks go.
    """
    letters = "".join(map(_plain_letter, unicodedata.normalize("NFC", text)))
    return letters if len(letters) <= length_max else letters[: length_max - 3] + "..."


def _plain_letter(letter: str) -> str:
    code = ord(letter)
    if code < 0x20 or code == 0x7F:
        return "^" + chr(code ^ 0x40)
    match unicodedata.category(letter):
        case "Zs":
            return " "
        case "Cf":
            return ""
        case "Cc" | "Cs" | "Co" | "Cn" | "Zl" | "Zp":
            return "?"
    return letter


@dataclass(frozen=True, slots=True)
class _Wording:
    """How this receipt writes figures and times."""

    words: Words
    locale: str
    zone: tzinfo
    currency: str

    def number(self, value: Decimal, digits_min: int, digits_max: int) -> str:
        pattern = "#,##0." + "0" * digits_min + "#" * (digits_max - digits_min)
        written = format_decimal(value, pattern.rstrip("."), locale=self.locale)
        return plain(written, NAME_LENGTH_MAX)

    def amount(self, value: Decimal) -> str:
        digits = minor_digits(self.currency)
        return self.number(value, digits, digits)

    def money(self, value: Decimal) -> str:
        return plain(format_currency(value, self.currency, locale=self.locale), NAME_LENGTH_MAX)

    def quantity(self, line: ReceiptLine) -> str:
        unit = self.words.units.get(line.unit, plain(line.unit, 12))
        digits = minor_digits(self.currency)
        price = self.number(line.unit_price, digits, max(4, digits))
        return f"{self.number(line.quantity, 0, 3)} {unit} x {price}"

    def time(self, at: datetime) -> str:
        there = at.astimezone(self.zone)
        day = format_date(there.date(), "medium", locale=self.locale)
        return plain(f"{day} {format_time(there.time(), 'HH:mm', locale=self.locale)}", 60)


def deposit_receipt(order: PrintOrder, zone: tzinfo) -> list[Element]:
    """Both parts of a deposit receipt: the customer's, a cut, the one that goes with the goods."""
    locale, words = words_for(order.language)
    wording = _Wording(words, locale, zone, order.currency)
    return [*_customers_part(order, wording), Cut(), *_goods_part(order, wording), Cut()]


def _heading(order: PrintOrder, wording: _Wording, part: str) -> Iterator[Element]:
    words = wording.words
    yield Text(plain(order.store_name, NAME_LENGTH_MAX), "center", bold=True, tall=True)
    yield Text(words.title, "center", bold=True)
    yield Text(part, "center")
    if order.copy_number > 1:
        copy = f"* {words.copy} {order.copy_number - 1} *"
        yield Text(copy, "center", bold=True, wide=True, tall=True)
    yield Rule()


def _customers_part(order: PrintOrder, wording: _Wording) -> Iterator[Element]:
    words = wording.words
    yield from _heading(order, wording, words.customers_part)
    yield Row(words.order, plain(order.order_number, NAME_LENGTH_MAX), bold=True)
    yield Row(words.date, wording.time(order.at))
    if order.customer_name:
        yield Row(words.customer, plain(order.customer_name, NAME_LENGTH_MAX))
    yield Rule()
    for line in order.lines:
        yield Text(plain(line.description, DESCRIPTION_LENGTH_MAX))
        yield Row("  " + wording.quantity(line), wording.amount(line.amount))
    yield Rule()
    yield Row(words.total, wording.money(order.total), bold=True)
    yield Row(words.paid_now, wording.money(order.payment))
    yield Row(words.paid, wording.money(order.paid))
    yield Row(words.left, wording.money(order.due), bold=True, tall=True)
    yield Row(words.hold_until, wording.time(order.hold_until), bold=True)
    yield Gap()
    yield OrderCode(plain(order.order_number, NAME_LENGTH_MAX))
    yield Gap()
    yield Text(words.keep, "center")


def _goods_part(order: PrintOrder, wording: _Wording) -> Iterator[Element]:
    words = wording.words
    yield from _heading(order, wording, words.goods_part)
    if order.customer_name:
        name = plain(order.customer_name, NAME_LENGTH_MAX)
        yield Text(name, "center", bold=True, wide=True, tall=True)
    yield Text(
        plain(order.order_number, NAME_LENGTH_MAX), "center", bold=True, wide=True, tall=True
    )
    yield Rule()
    yield Row(words.hold_until, wording.time(order.hold_until), bold=True, tall=True)
    yield Row(words.left, wording.money(order.due), bold=True, tall=True)
    yield Rule()
    for line in order.lines:
        unit = words.units.get(line.unit, plain(line.unit, 12))
        quantity = f"{wording.number(line.quantity, 0, 3)} {unit}"
        yield Row(plain(line.description, DESCRIPTION_LENGTH_MAX), quantity)
    yield Gap()
    yield OrderCode(plain(order.order_number, NAME_LENGTH_MAX))
