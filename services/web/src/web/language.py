"""The visitor's language: words by gettext, numbers, money and times by Babel."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal
from babel.support import Translations

LOCALE_FOLDER = Path(__file__).parent / "locale"
LANGUAGES = {
    "en": "English",
    "ru": "Русский",
    "bg": "Български",
    "fi": "Suomi",
    "kk": "Қазақша",
}
DEFAULT_LANGUAGE = "en"
NEAR_DAYS = 30
COMMA_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+")


@cache
def translations(code: str) -> Translations:
    """The language's words, read from its .po file once."""
    compiled = BytesIO()
    path = LOCALE_FOLDER / code / "LC_MESSAGES" / "web.po"
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return Translations(compiled)


def choose(cookie: str | None, accept_language: str | None) -> str:
    """The language a visitor chose, or the first that the browser asks for and Holdfast has."""
    if cookie in LANGUAGES:
        return str(cookie)
    for wish in (accept_language or "").split(","):
        code = wish.split(";")[0].strip().lower().split("-")[0]
        if code in LANGUAGES:
            return code
    return DEFAULT_LANGUAGE


def zone_of(name: str | None, default: ZoneInfo) -> ZoneInfo:
    """The time zone that the browser told, or the chain's."""
    try:
        return ZoneInfo(name) if name else default
    except (ZoneInfoNotFoundError, ValueError):
        return default


@dataclass(frozen=True, slots=True)
class Language:
    """Says words, numbers, money and times as one visitor reads them."""

    code: str
    zone: ZoneInfo

    @property
    def locale(self) -> Locale:
        return Locale.parse(self.code)

    def say(self, message: str, **values: object) -> str:
        """The message in this language, with its values filled in."""
        text = str(translations(self.code).ugettext(message))
        return text % values if values else text

    def money(self, amount: object, currency: str | None = None) -> str:
        """An amount with its currency, as this language writes it."""
        value = decimal_of(amount)
        if value is None:
            return "–"
        if not currency:
            return format_decimal(value, format="#,##0.00##", locale=self.locale)
        return format_currency(value, currency, locale=self.locale)

    def number(self, value: object) -> str:
        """A quantity without needless zeros."""
        found = decimal_of(value)
        if found is None:
            return "–"
        return format_decimal(found.normalize() + 0, format="#,##0.###", locale=self.locale)

    def typed_number(self, text: str) -> str:
        """What a person typed as a number, as the API writes it: 1 250,50 becomes 1250.50.

        In English a lone comma before three digits parts thousands, as pages write them.
        What is no number goes on as typed, so that the API's refusal names it.
        """
        plain = "".join(text.split()).replace("\u202f", "").replace("'", "").replace("−", "-")
        if "," in plain and "." in plain:
            thousands = "," if plain.rindex(".") > plain.rindex(",") else "."
            plain = plain.replace(thousands, "")
        elif self.code == "en" and COMMA_THOUSANDS.fullmatch(plain):
            plain = plain.replace(",", "")
        return plain.replace(",", ".")

    def begin_of(self, day: str, days_later: int = 0) -> datetime | None:
        """When this day (2026-11-22), or a later one, begins here; None when it is no day."""
        try:
            begins = date.fromisoformat(day) + timedelta(days=days_later)
        except (ValueError, OverflowError):
            return None
        return datetime.combine(begins, time.min, self.zone).astimezone(UTC)

    def day_field(self, at: object) -> str:
        """The day of a time here, as a date's field takes it."""
        moment = moment_of(at)
        return "" if moment is None else moment.astimezone(self.zone).date().isoformat()

    def exact(self, at: object) -> str:
        """The time to the minute, in the visitor's zone."""
        moment = moment_of(at)
        if moment is None:
            return "–"
        return format_datetime(moment, "medium", tzinfo=self.zone, locale=self.locale)

    def ago(self, at: object, now: datetime) -> str:
        """How long ago, or in how long; far away, the day itself."""
        moment = moment_of(at)
        if moment is None:
            return "–"
        delta = moment - now
        if abs(delta.days) > NEAR_DAYS:
            return self.day(moment)
        return format_timedelta(delta, add_direction=True, locale=self.locale)

    def day(self, at: object) -> str:
        """The day of a time, or a plain date."""
        if isinstance(at, str) and len(at) == len("2026-11-22"):
            return format_date(date.fromisoformat(at), "medium", locale=self.locale)
        moment = moment_of(at)
        if moment is None:
            return "–"
        return format_date(moment.astimezone(self.zone), "medium", locale=self.locale)


def decimal_of(value: object) -> Decimal | None:
    """A decimal string of the API as a number; None stays None."""
    if value is None or value == "":
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def moment_of(value: object) -> datetime | None:
    """An RFC 3339 time as an aware moment."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not value:
        return None
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
