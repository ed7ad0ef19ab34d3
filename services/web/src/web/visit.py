"""One visit to a page: who looks, in which language, and the API asked in their name."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from contracts.identity import Right
from fastapi import Depends, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response
from uuid_utils import uuid7

from web.api import Api, ApiProblem
from web.jsons import Json
from web.language import Language, choose, zone_of
from web.navigation import navigation
from web.render import Pages
from web.session import Seal, Session, Sessions
from web.visitor import Visitor

LANGUAGE_COOKIE = "holdfast_language"
THEME_COOKIE = "holdfast_theme"
ZONE_COOKIE = "holdfast_zone"
STORE_COOKIE = "holdfast_store"
THEMES = ("auto", "light", "dark")
FORM_BYTES_MAX = 1_000_000


class SignInNeeded(Exception):
    """Nobody is signed in, or identity ended the session."""


class NotAllowed(Exception):
    """The role lacks the right that the page names."""


class ForeignForm(Exception):
    """The form did not come from a page of this session."""


@dataclass
class Visit:
    request: Request
    pages: Pages
    seal: Seal
    api: Api
    language: Language
    session: Session | None
    visitor: Visitor | None
    now: datetime
    extra: Json = field(default_factory=dict)

    @property
    def known(self) -> Visitor:
        """The visitor of a page that names a right: somebody is signed in there."""
        assert self.visitor is not None
        return self.visitor

    @property
    def theme(self) -> str:
        chosen = self.request.cookies.get(THEME_COOKIE, "auto")
        return chosen if chosen in THEMES else "auto"

    @property
    def address(self) -> str:
        """The visitor's address, as the gateway saw it: it drops what others say of it."""
        client = self.request.client
        return self.request.headers.get("x-forwarded-for") or (client.host if client else "")

    def say(self, message: str, **values: object) -> str:
        """The message in the visitor's language."""
        return self.language.say(message, **values)

    def page(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        """The template with what every page knows."""
        html = self.pages.render(template, self, {"nav": navigation(self.say)} | context)
        return HTMLResponse(html, status_code=status)

    def sentence(self, problem: ApiProblem) -> str:
        """What the API said, or that it could not be asked."""
        if problem.type == "unreachable":
            return self.say(
                "The service did not answer, so it is not known whether this was done. "
                "Try again: the same step is never done twice."
            )
        return problem.sentence

    async def form(self) -> FormData:
        """The form that was sent; one from elsewhere is refused."""
        form = await self.request.form(max_fields=2000)
        sent = form.get("csrf") or self.request.headers.get("x-csrf-token") or ""
        self.check_token(str(sent))
        return form

    def check_token(self, sent: str) -> None:
        """Refuses what did not start on a page of this session."""
        site = self.request.headers.get("sec-fetch-site", "same-origin")
        if site not in ("same-origin", "none"):
            raise ForeignForm
        if not self.seal.form_token_fits(self.request.state.seed, sent):
            raise ForeignForm

    async def attempt(self, call: Awaitable[Any]) -> Any:
        """The answer, or None when that service is away: one part of a page may be missing."""
        try:
            return await call
        except ApiProblem as problem:
            if problem.status in (401, 403) or not problem.unreachable:
                raise
            return None


async def visit(request: Request) -> Visit:
    """A visit of whoever it is, signed in or not."""
    state = request.app.state
    language = Language(
        choose(
            request.cookies.get(LANGUAGE_COOKIE),
            request.headers.get("accept-language"),
        ),
        zone_of(request.cookies.get(ZONE_COOKIE), state.settings.timezone),
    )
    now = state.clock()
    session = await _fresh(request, state.sessions, now)
    api: Api = state.api
    return Visit(
        request=request,
        pages=state.pages,
        seal=state.seal,
        api=api.for_token(session.access_token if session else "", language.code),
        language=language,
        session=session,
        visitor=session.visitor if session else None,
        now=now,
    )


async def _fresh(request: Request, sessions: Sessions, now: datetime) -> Session | None:
    session: Session | None = request.state.session
    if session is None:
        return None
    fresh = await sessions.fresh(session, now)
    if fresh is not session:
        request.state.session = fresh
    return fresh


Anyone = Annotated[Visit, Depends(visit)]


def needs(right: Right) -> Callable[[Visit], Awaitable[Visit]]:
    """The visit of somebody whose role has the right."""

    async def check(found: Anyone) -> Visit:
        if found.visitor is None:
            raise SignInNeeded
        if right not in found.visitor.rights:
            raise NotAllowed
        return found

    check.right = right  # type: ignore[attr-defined]  # The chassis refuses routes without one.
    return check


def system_clock() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def new_key() -> str:
    """An idempotency key, minted when a form is rendered so that sending it twice does it once."""
    return str(uuid7())


def sent_key(form: FormData) -> str:
    """The key with which the form was rendered; empty when it has none."""
    return str(form.get("key", ""))


def see_other(path: str) -> RedirectResponse:
    """To the page that shows what was done, so that a reload does not do it again."""
    return RedirectResponse(path, status_code=303)


def local_path(wish: str | None, default: str = "/") -> str:
    """The path to go to next, if it is one of ours."""
    if not wish or not wish.startswith("/") or wish.startswith(("//", "/\\")):
        return default
    parts = urlsplit(wish)
    return default if parts.scheme or parts.netloc else wish


def to_sign_in(request: Request) -> Response:
    """To sign-in and back; fragments and scripts are told by status and header."""
    if request.headers.get("accept", "").startswith("application/json"):
        return Response(status_code=401)
    target = request.url.path if request.method == "GET" else "/"
    if request.method == "GET" and request.url.query:
        target += "?" + request.url.query
    address = f"/sign-in?next={quote(target)}"
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    return see_other(address)
