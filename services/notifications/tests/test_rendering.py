"""Every message in every language, as people read it."""

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from string import Formatter
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from notifications import texts
from notifications.domain import Headline, Line, News
from notifications.rendering import LANGUAGES, LINES_SHOWN_MAX, Press, load_words, spoken

from .test_domain import ORDER

PRESS = Press(UTC)
NEWS = News(UUID(int=1), Headline.READY, ORDER)
SAME_IN_FINNISH = (texts.KILOGRAMS, texts.METRES)
OTHERS = [language for language in LANGUAGES if language != "en"]


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_every_text(language: str) -> None:
    """No customer reads a sentence in a language that is not theirs, or one without its figures."""
    words = load_words(language)
    for text in texts.ALL:
        translated = words.gettext(text)
        assert translated.strip(), text
        assert translated != text or text in SAME_IN_FINNISH, f"{language} lacks: {text}"
        assert _fields(translated) == _fields(text), f"{language}: {translated}"


def test_every_headline_has_a_subject_and_an_opening() -> None:
    """No kind of news is left without words."""
    assert set(texts.SUBJECTS) == set(texts.OPENINGS) == set(Headline)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("headline", Headline)
def test_the_number_is_a_word_of_its_own(language: str, headline: Headline) -> None:
    """People and programs find the order by its number in the subject, whatever the language."""
    news = replace(NEWS, headline=headline)
    for printed in (
        PRESS.account(news, language, "Aino", "Riverside"),
        PRESS.email(news, language, "Aino", "Riverside"),
    ):
        assert "10045" in printed.subject.split()
        assert "{" not in printed.subject + printed.text


# Half past two in the night, in Almaty.
NIGHT = datetime(2026, 12, 31, 21, 30, tzinfo=UTC)
WRITE_A_DAY = f"""
import datetime
from notifications.subscribers import press
print(press().voices["en"].date({NIGHT!r}))
"""


def test_days_are_those_of_the_chains_zone() -> None:
    """What is kept until 02:30 on 1 January in Almaty is not kept until New Year's Eve."""
    news = replace(NEWS, order=replace(ORDER, until=NIGHT))
    assert "1 January 2027" in Press(ZoneInfo("Asia/Almaty")).email(news, "en", "", None).text
    assert "31 December 2026" in PRESS.email(news, "en", "", None).text


def test_the_zone_is_taken_from_the_environment() -> None:
    """What the operator names in HOLDFAST_TIMEZONE is the zone that messages are written in."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_A_DAY],
        env={"HOLDFAST_TIMEZONE": "Asia/Almaty"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1 January 2027\n"


def test_money_and_dates_are_written_as_the_language_does() -> None:
    """The same order reads 1,000.00 in English and 1 000,00 in Finnish, with its own dates."""
    assert "Left to pay: €1,000.00" in PRESS.email(NEWS, "en", "", None).text
    assert "10 May 2026" in PRESS.email(NEWS, "en", "", None).text
    finnish = PRESS.email(NEWS, "fi", "", None).text.replace("\u00a0", " ")
    assert "1 000,00 €" in finnish
    assert "10. toukokuuta 2026 asti" in finnish
    kazakh = PRESS.email(NEWS, "kk", "", None).text.replace("\u202f", " ")
    assert "2026 ж. 10 мамыр" in kazakh
    assert "до 10 мая 2026" in PRESS.email(NEWS, "ru", "", None).text


def test_yen_have_no_decimals() -> None:
    """An amount shows exactly the decimals of its currency."""
    yen = replace(NEWS, order=replace(ORDER, currency="JPY", total=Decimal("1000.000")))
    assert "¥1,000\n" in PRESS.email(yen, "en", "", None).text


def test_a_name_cannot_put_markup_or_headers_into_a_mail() -> None:
    """A name with tags, line ends or control bytes is printed as harmless text."""
    name = "<script>alert(1)</script>\r\nBcc: all@home.example\x07"
    order = replace(ORDER, number="10045\r\nBcc: x")
    printed = PRESS.email(replace(NEWS, order=order), "en", name, "A & B\n<b>")
    assert printed.html is not None
    assert "<script>" not in printed.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Bcc: all@home.example!" in printed.html
    assert "A &amp; B &lt;b&gt;" in printed.html
    assert printed.subject == "Order 10045 Bcc: x is ready for pick-up"


@pytest.mark.parametrize("headline", Headline)
def test_a_mail_asks_nothing_of_other_servers(headline: Headline) -> None:
    """Opening an e-mail tells nobody: no picture, font or script comes from elsewhere."""
    html = PRESS.email(replace(NEWS, headline=headline), "bg", "Ани", "Витоша").html
    assert html is not None
    assert re.findall(r"(?:src|href|@import|url\()\s*=?\s*[\"']?(?!#)(\S+)", html) == []
    assert '<html lang="bg"' in html


def test_what_was_taken_back_is_not_listed_and_long_orders_are_cut() -> None:
    """An e-mail lists what is ordered now, thirty lines at most, and how many more there are."""
    gone = Line(UUID(int=6), "Taken back", "piece", Decimal(0), Decimal(0))
    many = tuple(replace(ORDER.lines[0], line_id=UUID(int=n)) for n in range(LINES_SHOWN_MAX + 3))
    text = PRESS.email(
        replace(NEWS, order=replace(ORDER, lines=(gone, *many))), "en", "", None
    ).text
    assert "Taken back" not in text
    assert text.count("Espresso beans") == LINES_SHOWN_MAX
    assert "Further lines: 3" in text


def test_a_payment_says_how_much_came_and_what_is_left() -> None:
    """The customer reads the payment itself, not only the new balance."""
    paid = replace(ORDER, paid=Decimal("400.00"), financial_status="partly_paid")
    news = News(UUID(int=1), Headline.PAYMENT_RECEIVED, paid, moved=Decimal("400.00"))
    assert PRESS.account(news, "en", "", None).text == (
        "We have received €400.00 from you. Thank you!\nLeft to pay: €600.00."
    )


def test_money_of_a_cancelled_order_is_not_passed_over_in_silence() -> None:
    """Who paid for an order that is cancelled reads that the money is theirs."""
    cancelled = replace(ORDER, total=Decimal(0), paid=Decimal("500.00"), status="cancelled")
    text = PRESS.account(News(UUID(int=1), Headline.CANCELLED, cancelled), "en", "", None).text
    assert "You have paid €500.00 more than the order costs." in text


def test_what_waits_is_shown_at_its_line() -> None:
    """While goods are on their way the e-mail says how many of which."""
    line = replace(ORDER.lines[0], awaiting=Decimal("2"))
    news = replace(NEWS, headline=Headline.IN_PROGRESS, order=replace(ORDER, lines=(line,)))
    assert "still on its way: 2 pcs" in PRESS.email(news, "en", "", None).text


@pytest.mark.parametrize(
    ("asked", "got"), [("fi", "fi"), ("ru-RU", "ru"), ("KK_kz", "kk"), ("de", "en"), ("", "en")]
)
def test_a_language_that_we_lack_becomes_english(asked: str, got: str) -> None:
    """A card's language may have a region, or be one that we do not write."""
    assert spoken(asked) == got
