"""Messages rendered in the customer's language: account text, e-mail text and e-mail html."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from io import BytesIO
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal
from contracts.money import fits, minor_digits
from jinja2 import Environment, StrictUndefined
from mjml import mjml2html

from notifications import texts
from notifications.domain import Headline, Line, News, Order

SOURCE_LANGUAGE = "en"
LANGUAGES = (SOURCE_LANGUAGE, "ru", "bg", "fi", "kk")
# Without the word "year", which would end sentences with two full stops.
DATE_PATTERNS = {"en": "d MMMM y", "ru": "d MMMM y", "bg": "d MMMM y"}
UNIT_TEXTS = {"piece": texts.PIECES, "kg": texts.KILOGRAMS, "m": texts.METRES}
LINES_SHOWN_MAX = 30
WORDINGS_KEPT = 4096  # Days, prices and counts come again and again, and are dear to word.
MONEY_ONLY = (Headline.PAYMENT_RECEIVED, Headline.PAYMENT_REDUCED, Headline.REFUNDED)
FINISHED = (Headline.CANCELLED, Headline.CLOSED_EARLY)
# The account shows what is left to pay where it matters; an e-mail has it in its table.
DUE_MATTERS = (
    Headline.READY,
    Headline.PART_HANDED_OVER,
    Headline.HANDED_OVER,
    Headline.REOPENED,
    Headline.LINES,
    Headline.PAYMENT_RECEIVED,
    Headline.PAYMENT_REDUCED,
    Headline.BALANCE,
    Headline.UPDATED,
    Headline.HOLD_ENDS,
    Headline.HOLD_ENDED,
)


@dataclass(frozen=True, slots=True)
class Printed:
    """A rendered message; only e-mails have html."""

    subject: str
    text: str
    html: str | None = None


def spoken(language: str) -> str:
    """The language that we write in: the customer's when we have it, else English."""
    code = language.lower().replace("_", "-").split("-")[0]
    return code if code in LANGUAGES else SOURCE_LANGUAGE


def one_line(text: str) -> str:
    """The text without control characters and line ends, as a header may hold it."""
    plain = (" " if unicodedata.category(one)[0] in "CZ" else one for one in text)
    return " ".join("".join(plain).split())


def load_words(language: str) -> NullTranslations:
    """The texts of a language, from its .po file; English is written in the program."""
    if language == SOURCE_LANGUAGE:
        return NullTranslations()
    path = resources.files(__package__) / "locale" / language / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


@lru_cache(maxsize=WORDINGS_KEPT)
def _money(locale: Locale, amount: Decimal, currency: str) -> str:
    exact = amount.quantize(Decimal(1).scaleb(-minor_digits(currency)))
    return str(format_currency(exact, currency, locale=locale, currency_digits=True))


@lru_cache(maxsize=WORDINGS_KEPT)
def _number(locale: Locale, quantity: Decimal) -> str:
    plain = quantity.quantize(Decimal(1)) if fits(quantity, 0) else quantity.normalize()
    return str(format_decimal(plain, locale=locale, decimal_quantization=False))


@lru_cache(maxsize=WORDINGS_KEPT)
def _day(locale: Locale, day: date) -> str:
    return str(format_date(day, DATE_PATTERNS.get(str(locale), "long"), locale=locale))


class Voice:
    """One language: its words, its money, its numbers and dates."""

    def __init__(self, language: str, zone: tzinfo) -> None:
        self._locale, self._zone = Locale.parse(language), zone
        self._words = load_words(language)

    def say(self, text: str, **values: str) -> str:
        return self._words.gettext(text).format(**values)

    def money(self, amount: Decimal, currency: str) -> str:
        """The amount with its currency and exactly the currency's decimals."""
        return _money(self._locale, amount, currency)

    def quantity(self, quantity: Decimal, unit: str) -> str:
        """The quantity with its unit, without zeros that say nothing."""
        number = _number(self._locale, quantity)
        return self.say(UNIT_TEXTS.get(unit, texts.PIECES), quantity=number)

    def date(self, moment: datetime) -> str:
        """The day in the chain's zone, written out."""
        return _day(self._locale, moment.astimezone(self._zone).date())


class Press:
    """Prints messages. The e-mail's layout is turned from MJML into html once, when it is made."""

    def __init__(self, zone: tzinfo) -> None:
        self.voices = {language: Voice(language, zone) for language in LANGUAGES}
        folder = resources.files(__package__) / "templates"
        layout = mjml2html((folder / "email.mjml").read_text("utf-8"))
        html = Environment(autoescape=True, undefined=StrictUndefined)
        text = Environment(  # noqa: S701 - plain text: there is nothing to escape
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._html = html.from_string(layout)
        self._text = text.from_string((folder / "email.txt").read_text("utf-8"))

    def account(self, news: News, language: str, name: str, store: str | None) -> Printed:
        """The message of the personal account: short, for its owner knows who they are."""
        voice = self.voices[language]
        sentences = [*_sentences(voice, news)]
        if news.headline in DUE_MATTERS and news.order.due > 0:
            due = voice.money(news.order.due, news.order.currency)
            sentences.append(voice.say(texts.LEFT_TO_PAY, amount=due))
        return Printed(_subject(voice, news), "\n".join(sentences))

    def email(self, news: News, language: str, name: str, store: str | None) -> Printed:
        """The e-mail: the same news with a greeting, the goods and the money."""
        voice = self.voices[language]
        subject = _subject(voice, news)
        values = {
            "t": texts,
            "say": voice.say,
            "language": language,
            "subject": subject,
            "number": one_line(news.order.number),
            "store": one_line(store or ""),
            "greeting": _greeting(voice, one_line(name)),
            "sentences": [*_sentences(voice, news)],
            "lines": _lines(voice, news),
            "more": _more(voice, news),
            "figures": [*_figures(voice, news)],
        }
        text = self._text.render(values).strip() + "\n"
        return Printed(subject, text, self._html.render(values))


def _subject(voice: Voice, news: News) -> str:
    date = voice.date(news.order.until) if news.order.until else ""
    number = one_line(news.order.number)
    return one_line(voice.say(texts.SUBJECTS[news.headline], number=number, date=date))


def _greeting(voice: Voice, name: str) -> str:
    return voice.say(texts.GREETING, name=name) if name else voice.say(texts.GREETING_NAMELESS)


def _sentences(voice: Voice, news: News) -> Iterator[str]:
    """What happened, in the order in which a person would tell it."""
    order = news.order
    date = voice.date(order.until) if order.until else ""
    opening = texts.OPENINGS[news.headline]
    if news.headline is Headline.READY and order.shipped > 0:
        opening = texts.READY_REST
    if opening:
        yield voice.say(opening, date=date)
    if news.headline is Headline.READY and order.until:
        yield voice.say(texts.KEPT_UNTIL, date=date)
    if news.moved:
        moved = voice.money(abs(news.moved), order.currency)
        yield voice.say(_money_text(news), amount=moved)
    if order.due < 0:
        yield voice.say(texts.OVERPAID, amount=voice.money(-order.due, order.currency))


def _money_text(news: News) -> str:
    if news.moved > 0:
        return texts.MONEY_CAME
    refunded = news.order.financial_status == "refunded"
    return texts.MONEY_RETURNED if refunded else texts.MONEY_WENT


def _lines(voice: Voice, news: News) -> list[dict[str, Any]]:
    if news.headline in (*MONEY_ONLY, *FINISHED):
        return []
    return [_line(voice, news.order, line) for line in _open_lines(news)[:LINES_SHOWN_MAX]]


def _open_lines(news: News) -> list[Line]:
    """What was taken back is not shown any more."""
    return [line for line in news.order.lines if line.quantity > 0]


def _line(voice: Voice, order: Order, line: Line) -> dict[str, Any]:
    awaited = ""
    if line.awaiting > 0:
        awaited = voice.say(texts.AWAITED, quantity=voice.quantity(line.awaiting, line.unit))
    return {
        "description": one_line(line.description),
        "quantity": voice.quantity(line.quantity, line.unit),
        "amount": voice.money(line.amount, order.currency),
        "awaited": awaited,
    }


def _more(voice: Voice, news: News) -> str:
    hidden = len(_open_lines(news)) - LINES_SHOWN_MAX
    shown = hidden > 0 and news.headline not in (*MONEY_ONLY, *FINISHED)
    return voice.say(texts.MORE_LINES, count=str(hidden)) if shown else ""


def _figures(voice: Voice, news: News) -> Iterator[dict[str, Any]]:
    """Total, paid, left to pay: those that say something."""
    order = news.order
    if news.headline is Headline.CANCELLED:
        return
    yield _figure(voice, texts.TOTAL, order.total, order.currency)
    asked = news.headline in (Headline.RECEIVED, Headline.PLACED)
    if asked and order.prepayment > order.paid:
        yield _figure(voice, texts.PREPAYMENT, order.prepayment, order.currency)
    if order.paid > 0:
        yield _figure(voice, texts.PAID, order.paid, order.currency)
    if order.due > 0 and (order.paid > 0 or not asked):
        yield {**_figure(voice, texts.DUE, order.due, order.currency), "strong": True}


def _figure(voice: Voice, text: str, amount: Decimal, currency: str) -> dict[str, Any]:
    return {"label": voice.say(text), "amount": voice.money(amount, currency), "strong": False}
