"""Search by the beginnings of words, with PostgreSQL's own text index."""

import re

WORD = re.compile(r"\w+")
WORDS_MAX = 32


def lexemes(*texts: str | None) -> str:
    """The words of the texts as a tsvector literal; `CAST(… AS tsvector)` takes it."""
    found = {word for text in texts for word in WORD.findall((text or "").casefold())}
    return " ".join(f"'{word[:100]}'" for word in sorted(found)[:WORDS_MAX])


def beginnings(query: str) -> str | None:
    """A tsquery literal for texts that have a word beginning with each word of the query."""
    found = WORD.findall(query.casefold())[:WORDS_MAX]
    return " & ".join(f"'{word[:100]}':*" for word in found) or None
