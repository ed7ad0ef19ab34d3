"""The words of papers in the customer's language, from the translators' .po files."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent / "locale"
LANGUAGES = ("en", "ru", "bg", "fi", "kk")


@cache
def words_of(language: str) -> Mapping[str, str]:
    """Every phrase of the papers by its English text; empty for English, which needs none."""
    if language == "en":
        return {}
    with (FOLDER / f"{language}.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    return {str(message.id): str(message.string) for message in catalog if message.id}
