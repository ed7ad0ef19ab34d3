"""Signing in and out, the start, and what a visitor prefers."""

import os

from contracts.identity import Role
from fastapi import APIRouter
from starlette.responses import Response

from web.api import ApiProblem
from web.language import LANGUAGES
from web.session import COOKIE_AGE_SECONDS
from web.visit import (
    LANGUAGE_COOKIE,
    STORE_COOKIE,
    THEME_COOKIE,
    THEMES,
    Anyone,
    local_path,
    see_other,
)

router = APIRouter(include_in_schema=False)
HOMES = {Role.CUSTOMER: "/my/orders", Role.CASHIER: "/take-order", Role.DEVICE: "/sign-in"}


@router.get("/")
async def start(visit: Anyone) -> Response:
    """To the page where this visitor's work begins."""
    if visit.visitor is None:
        return see_other("/sign-in")
    return see_other(HOMES.get(visit.visitor.role, "/take-order"))


@router.get("/sign-in")
async def ask(visit: Anyone, next: str = "/") -> Response:
    """The sign-in form."""
    if visit.visitor is not None:
        return see_other(local_path(next))
    return visit.page("sign_in.html", next=local_path(next), username="", sentence=None)


@router.post("/sign-in")
async def sign_in(visit: Anyone) -> Response:
    """Signs in, or says why not next to what was typed."""
    form = await visit.form()
    username = str(form.get("username", "")).strip()
    next_path = local_path(str(form.get("next", "/")))
    try:
        session = await visit.request.app.state.sessions.sign_in(
            username, str(form.get("password", "")), visit.address
        )
    except ApiProblem as problem:
        sentence = visit.sentence(problem)
        if problem.status in (400, 401, 422):
            sentence = visit.say("The login or the password is wrong. Type both again.")
        elif problem.status == 429:
            sentence = visit.say("Too many attempts. Wait a minute and try again.")
        elif problem.unreachable:
            sentence = visit.say("Signing in does not work at the moment. Try again in a minute.")
        return visit.page(
            "sign_in.html",
            status=problem.status if problem.status != 401 else 422,
            next=next_path,
            username=username,
            sentence=sentence,
        )
    visit.request.state.session = session
    visit.request.state.seed = os.urandom(16).hex()  # Forms of before belong to nobody now.
    return see_other(next_path)


@router.post("/sign-out")
async def sign_out(visit: Anyone) -> Response:
    """Ends the session, here and at identity."""
    await visit.form()
    if visit.request.state.session is not None:
        await visit.request.app.state.sessions.sign_out(visit.request.state.session)
    visit.request.state.session = None
    visit.request.state.seed = os.urandom(16).hex()
    return see_other("/sign-in")


@router.post("/preferences")
async def prefer(visit: Anyone) -> Response:
    """Keeps language, display and store for this browser."""
    form = await visit.form()
    answer = see_other(local_path(str(form.get("next", "/"))))
    chosen = {
        LANGUAGE_COOKIE: (form.get("language"), LANGUAGES),
        THEME_COOKIE: (form.get("theme"), THEMES),
    }
    for name, (value, allowed) in chosen.items():
        if isinstance(value, str) and value in allowed:
            _keep(visit, answer, name, value)
    store = form.get("store")
    if isinstance(store, str) and store.replace("-", "").isalnum():
        _keep(visit, answer, STORE_COOKIE, store)
    return answer


def _keep(visit: Anyone, answer: Response, name: str, value: str) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=COOKIE_AGE_SECONDS * 12,
        samesite="lax",
        secure=visit.request.app.state.settings.secure_cookies,
    )
