"""What a visitor sees when a page cannot be shown; under /api/v1, a problem document."""

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from web.api import ApiProblem
from web.visit import ForeignForm, NotAllowed, SignInNeeded, to_sign_in, visit

log = structlog.get_logger()
API = "/api/v1"


def install(app: FastAPI) -> None:
    """Adds the handlers of pages beside the chassis's own for the API."""
    # These two are everybody's; the chassis's own go on answering for the API.
    api_missing = app.exception_handlers.get(HTTPException)
    api_invalid = app.exception_handlers.get(RequestValidationError)
    api_broken = app.exception_handlers.get(Exception)

    async def missing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if request.url.path.startswith(API):
            if error.status_code == 404:
                return _problem(404, "Not found", "There is no such path: see /api/v1/docs.")
            if callable(api_missing):
                return await _called(api_missing, request, error)
            return _problem(error.status_code, str(error.detail), "")
        return await show(request, error.status_code)

    async def invalid(request: Request, error: Exception) -> Response:
        if request.url.path.startswith(API) and callable(api_invalid):
            return await _called(api_invalid, request, error)
        return await show(request, 404)

    async def sign_in(request: Request, _: Exception) -> Response:
        return to_sign_in(request)

    async def not_allowed(request: Request, _: Exception) -> Response:
        return await show(request, 403)

    async def foreign(request: Request, _: Exception) -> Response:
        return await show(request, 403, foreign_form=True)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiProblem)
        if error.status == 401:
            request.state.session = None
            return to_sign_in(request)
        return await show(request, error.status, error)

    async def broken(request: Request, error: Exception) -> Response:
        if request.url.path.startswith(API) and callable(api_broken):
            return await _called(api_broken, request, error)
        log.error("page failed", path=request.url.path, error=type(error).__name__)
        return await show(request, 500)

    app.add_exception_handler(HTTPException, missing)
    app.add_exception_handler(Exception, broken)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(SignInNeeded, sign_in)
    app.add_exception_handler(NotAllowed, not_allowed)
    app.add_exception_handler(ForeignForm, foreign)
    app.add_exception_handler(ApiProblem, refused)


async def _called(handler: object, request: Request, error: Exception) -> Response:
    assert callable(handler)
    answer = handler(request, error)
    if isinstance(answer, Response):
        return answer
    found: Response = await answer
    return found


def _problem(status: int, title: str, detail: str) -> Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


async def show(
    request: Request,
    status: int,
    problem: ApiProblem | None = None,
    foreign_form: bool = False,
) -> Response:
    """The page that says what happened, what did not, and what to do."""
    try:
        found = await visit(request)
    except ApiProblem:
        request.state.session = None
        found = await visit(request)
    if request.headers.get("accept", "").startswith("application/json"):
        sentence = found.sentence(problem) if problem else ""
        errors = (
            [{"pointer": e.pointer, "detail": e.detail} for e in problem.errors] if problem else []
        )
        body = {"title": sentence, "status": status, "detail": sentence, "errors": errors}
        return JSONResponse(body, status, media_type="application/problem+json")
    if foreign_form:
        title = found.say("This form is too old")
        sentence = found.say("Nothing was changed. Go back, reload the page and send it again.")
    elif status == 404:
        title = found.say("There is no such page")
        sentence = found.say("Check the address, or find it by the search.")
    elif status == 403:
        title = found.say("This page is not for your role")
        sentence = found.say("Ask a manager, or sign in with another login.")
    elif status >= 500:
        title = found.say("This cannot be shown at the moment")
        sentence = found.say("A service does not answer. Try again in a minute; nothing is lost.")
    else:
        title = found.say("This was refused")
        sentence = found.sentence(problem) if problem else ""
    return found.page("problem.html", status=status, title=title, sentence=sentence)
