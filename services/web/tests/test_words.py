"""Five languages: every word translated, numbers and times as each language writes them."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from web.language import LANGUAGES, LOCALE_FOLDER, Language, choose
from web.pages.orders import asked

METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "extensions": "jinja2.ext.i18n"}}
PLACES = re.compile(r"%\(\w+\)s")
# Words that are the same on purpose.
SAME = {"Holdfast", "kg", "m", "Marketplace", "Messenger", "Proforma", "API", "Status", "Login"}
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def said_in_pages() -> set[str]:
    """Every message that templates and code say."""
    keywords = {"_": None, "N_": None, "say": None}
    found = extract_from_dir(str(LOCALE_FOLDER.parent), METHODS, OPTIONS, keywords=keywords)
    return {str(message) for _, _, message, _, _ in found}


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_word_is_untranslated(code: str) -> None:
    """Whatever a page says is there in the language, with the same places for values."""
    with (LOCALE_FOLDER / code / "LC_MESSAGES" / "web.po").open("rb") as file:
        catalog = read_po(file, locale=code)
    words = {str(one.id): str(one.string) for one in catalog if one.id}
    assert said_in_pages() == set(words)
    assert [message for message, text in words.items() if not text] == []
    for message, text in words.items():
        assert sorted(PLACES.findall(message)) == sorted(PLACES.findall(text)), message
    if code != "en":
        assert [m for m, text in words.items() if m == text and m not in SAME] == []


async def test_the_browsers_language_is_taken_and_can_be_changed(
    anyone: httpx.AsyncClient,
) -> None:
    """A Finn sees Finnish at once; whoever chooses Kazakh keeps it."""
    page = await anyone.get("/sign-in", headers={"accept-language": "fi-FI,fi;q=0.9,en;q=0.5"})
    assert 'lang="fi"' in page.text
    assert "Kirjaudu" in page.text
    csrf = page.text.split('name="csrf" value="', 1)[1].split('"', 1)[0]
    await anyone.post("/preferences", data={"csrf": csrf, "language": "kk", "next": "/sign-in"})
    assert "Құпиясөз" in (await anyone.get("/sign-in")).text


def test_an_unknown_language_is_english() -> None:
    """Nobody is left without words."""
    assert choose(None, "xx,yy") == "en"
    assert choose("zz", None) == "en"
    assert choose(None, "sv;q=0.9, bg;q=0.8") == "bg"


@pytest.mark.parametrize(
    ("code", "money"),
    [
        ("en", "€1,234.50"),
        ("ru", "1 234,50 €"),
        ("bg", "1 234,50 €"),
        ("fi", "1 234,50 €"),
        ("kk", "1 234,50 €"),
    ],
)
def test_money_has_the_languages_separators(code: str, money: str) -> None:
    """The same amount is written as each language writes it."""
    written = Language(code, ZoneInfo("UTC")).money("1234.5", "EUR")
    assert written.replace("\u00a0", " ").replace("\u202f", " ") == money


def test_quantities_have_no_needless_zeros() -> None:
    """Three pieces are 3, and 2.500 kg are 2.5; a hundred stays a hundred."""
    language = Language("en", ZoneInfo("UTC"))
    assert [language.number(q) for q in ("3.000", "2.500", "100", "0")] == ["3", "2.5", "100", "0"]


def test_times_are_relative_and_exact() -> None:
    """Two hours ago is said so, and the exact time is in the visitor's own zone."""
    language = Language("ru", ZoneInfo("Asia/Almaty"))
    at = NOW - timedelta(hours=2)
    assert language.ago(at, NOW) == "2 часа назад"
    assert "12:30" in language.exact(at)
    assert language.ago(NOW - timedelta(days=90), NOW) == language.day(NOW - timedelta(days=90))


@pytest.mark.parametrize(
    ("text", "number", "code"),
    [
        ("1 250,50", "1250.50", "en"),
        ("1,250.50", "1250.50", "en"),
        ("1.250,50", "1250.50", "en"),
        ("1\u00a0250", "1250", "en"),
        ("0,5", "0.5", "en"),
        ("twelve", "twelve", "en"),
        ("1,250", "1250", "en"),
        ("−1,250,000", "-1250000", "en"),
        ("12,5", "12.5", "en"),
        ("0,250", "0.250", "en"),
        ("1250,500", "1250.500", "en"),
        ("1,250", "1.250", "fi"),
    ],
)
def test_a_typed_number_is_understood(text: str, number: str, code: str) -> None:
    """Whatever separators people type, the API gets a plain decimal or refuses the words."""
    assert Language(code, ZoneInfo("UTC")).typed_number(text) == number


def test_a_day_is_the_visitors_own() -> None:
    """An order of 1:00 in Almaty is found under that day there, and the last second counts too."""
    almaty = Language("kk", ZoneInfo("Asia/Almaty"))
    query = asked({"from": "2026-05-02", "to": "2026-05-02", "q": "kettle"}, almaty)
    assert query == {
        "from": "2026-05-01T19:00:00+00:00",
        "to": "2026-05-02T19:00:00+00:00",
        "q": "kettle",
    }
    assert almaty.day_field("2026-05-01T20:00:00Z") == "2026-05-02"
    assert asked({"to": "soon"}, almaty) == {"to": "soon"}
