"""Templates in the visitor's language, with the few functions that every page uses."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from web import words
from web.assets import Assets
from web.language import LANGUAGES, moment_of, translations

if TYPE_CHECKING:
    from web.visit import Visit

TEMPLATE_FOLDER = Path(__file__).parent / "templates"
PERCENT = 100


class Pages:
    """Renders templates; one environment per language, so that its words are looked up once."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def render(self, template: str, visit: "Visit", context: dict[str, Any]) -> str:
        """The page as HTML."""
        values = {
            "visit": visit,
            "visitor": visit.visitor,
            "lang": visit.language,
            "languages": LANGUAGES,
            "words": words,
            "now": visit.now,
            "path": visit.request.url.path,
            "csrf": visit.seal.form_token(visit.request.state.seed),
            "said": words.SAID.get(visit.request.query_params.get("said", "")),
            "asset": self._assets.address,
            "icon": self.icon,
            "time": _time_of(visit),
            "mark": _mark_of(visit),
            "word": _word_of(visit),
            "share": share,
            **visit.extra,
            **context,
        }
        return _environment(visit.language.code).get_template(template).render(values)

    def icon(self, name: str) -> Markup:
        """An icon of the sprite; words stand beside it, so it is hidden from readers."""
        address = escape(f"{self._assets.address('vendor/icons.svg')}#{name}")
        return Markup(  # noqa: S704 - the address is escaped.
            f'<svg class="icon" aria-hidden="true" focusable="false"><use href="{address}"/></svg>'
        )


@cache
def _environment(code: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(translations(code), newstyle=True)  # type: ignore[attr-defined]
    return environment


def _time_of(visit: "Visit") -> Any:
    def time(at: object) -> Markup:
        """The time, relative, with the exact one on hover."""
        moment = moment_of(at)
        if moment is None:
            return Markup("–")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            moment.isoformat(),
            visit.language.exact(moment),
            visit.language.ago(moment, visit.now),
        )

    return time


def _mark_of(visit: "Visit") -> Any:
    def mark(names: dict[str, str], code: str | None) -> Markup:
        """A status as its word with a tone."""
        if code is None:
            return Markup("–")
        return Markup('<span class="mark mark-{}">{}</span>').format(
            words.TONE.get(code, "quiet"), _word(visit, names, code)
        )

    return mark


def _word_of(visit: "Visit") -> Any:
    def word(names: dict[str, str], code: str | None) -> str:
        """The name that people read for a code."""
        return "–" if code is None else _word(visit, names, code)

    return word


def _word(visit: "Visit", names: dict[str, str], code: str) -> str:
    # A code that a newer service says is shown as it is rather than hidden.
    return visit.say(names[code]) if code in names else code.replace("_", " ")


def share(part: Any, whole: Any) -> float:
    """The part as a percentage of the whole, within 0 and 100."""
    if not whole:
        return 0.0
    return float(min(max(PERCENT * part / whole, 0), PERCENT))


def is_recent(at: object, now: datetime, seconds_max: float) -> bool:
    """Whether the moment lies within the last seconds."""
    moment = moment_of(at)
    return moment is not None and (now - moment).total_seconds() <= seconds_max
