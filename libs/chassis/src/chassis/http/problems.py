"""Errors as RFC 9457 problem documents that say what to do next."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_problem.error import Problem, StatusProblem
from fastapi_problem.handler import ExceptionHandler, add_exception_handler, new_exception_handler

from chassis.outbox import MessageTooLarge

# What every service may meet, with its status.
ALWAYS: Mapping[type[Exception], int] = {MessageTooLarge: 413}
# Sentences for what pydantic says in its own words; {} holds the rule's numbers.
SENTENCES = {
    "missing": "This field is required: add it.",
    "extra_forbidden": "This field is not known here: leave it out.",
    "decimal_max_places": "At most {decimal_places} decimals are allowed here.",
    "decimal_parsing": 'Send a decimal number as text, such as "12.50".',
    "decimal_type": 'Send a decimal number as text, such as "12.50".',
    "finite_number": "Infinite and undefined numbers are not accepted.",
    "greater_than": "Must be more than {gt}.",
    "greater_than_equal": "Must be at least {ge}.",
    "less_than_equal": "Must be at most {le}.",
    "string_too_long": "At most {max_length} characters are allowed here.",
    "string_too_short": "At least {min_length} characters are needed here.",
    "too_short": "At least {min_length} are needed here.",
    "too_long": "At most {max_length} are allowed here.",
    "uuid_parsing": "Not an id: send a UUID.",
    "literal_error": "Must be one of {expected}.",
    "enum": "Must be one of {expected}.",
    "json_invalid": "The body is not valid JSON: {error}.",
    "datetime_from_date_parsing": "Send a time such as 2026-05-10T18:00:00Z.",
    "timezone_aware": "Send the time with its offset, such as 2026-05-10T18:00:00Z.",
}


class Refusal(StatusProblem):
    """A refusal of the HTTP edge itself; domains have exceptions of their own."""

    status = 400

    def __init__(
        self, detail: str, pointer: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        extra = {} if pointer is None else {"errors": [{"pointer": pointer, "detail": detail}]}
        super().__init__(detail, headers=dict(headers or {}), **extra)


class NotFound(Refusal):
    status, title = 404, "Not found"


class Unauthorized(Refusal):
    status, title = 401, "Sign in first"


class Forbidden(Refusal):
    status, title = 403, "Not allowed"


class StaleVersion(Refusal):
    status, title = 412, "Changed meanwhile"


class VersionMissing(Refusal):
    status, title = 428, "If-Match is missing"


class KeyMissing(Refusal):
    status, title = 400, "Idempotency-Key is missing"


class KeyReused(Refusal):
    status, title = 422, "Idempotency-Key was used for another request"


class InFlight(Refusal):
    status, title = 409, "The same request is in flight"


class NotKnownYet(Refusal):
    status, title, type_ = 409, "Not known yet", "not-known-yet"


class BodyTooLarge(Refusal):
    status, title = 413, "Too large"


class Overloaded(Refusal):
    status, title = 429, "Too much at once"


class Unexpected(StatusProblem):
    """A fault of ours. The text of the exception stays in the log."""

    status, title, type_ = 500, "Something went wrong here", "unexpected"

    def __init__(self, _: str) -> None:
        super().__init__("Nothing was changed, or the same key gives the true result: try again.")


class Unavailable(Refusal):
    status, title = 503, "Not available now"


def install(app: FastAPI, refusals: Mapping[type[Exception], int]) -> ExceptionHandler:
    """Answer every error with a problem document; `refusals` maps the domain's to statuses.

    A domain exception's name becomes title and type; its text the detail; its attributes
    `pointer` (or `pointers`, a mapping of pointer to sentence) say where in the body it lies.
    """
    refusals = {**ALWAYS, **refusals}
    handlers: dict[type[Exception], Any] = {
        kind: _domain_handler(status) for kind, status in refusals.items()
    }
    handler = new_exception_handler(
        logger=logging.getLogger("holdfast.http"),
        handlers=handlers,
        request_validation_handler=_validation_problem,
        unhandled_wrappers={"default": Unexpected},
    )
    add_exception_handler(app, handler, generic_swagger_defaults=False)
    for kind in refusals:
        app.add_exception_handler(kind, handler)
    return handler


def of_refusal(error: Exception, status: int) -> Problem:
    """The problem that a domain's refusal is."""
    name = type(error).__name__
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", name)
    pointers = dict(getattr(error, "pointers", None) or {})
    if pointer := getattr(error, "pointer", None):
        pointers[pointer] = str(error)
    extra: dict[str, Any] = {}
    if pointers:
        extra["errors"] = [{"pointer": at, "detail": text} for at, text in pointers.items()]
    return Problem(
        words.capitalize(),
        type_=words.lower().replace(" ", "-"),
        status=status,
        detail=str(error),
        **extra,
    )


def as_body(problem: Problem) -> dict[str, Any]:
    """The problem as JSON values, for a batch's own answers."""
    body: dict[str, Any] = problem.marshal()
    return body


def _domain_handler(status: int) -> Any:
    def handle(_: ExceptionHandler, __: Request, error: Exception) -> Problem:
        return of_refusal(error, status)

    return handle


def pointer_of(location: tuple[int | str, ...]) -> str:
    """A JSON pointer into the body, or the name of a header or query parameter."""
    source, *path = location
    steps = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)
    return steps if source == "body" else f"{source}{steps}"


def sentence_of(error: Mapping[str, Any]) -> str:
    """What to do about one validation error, in one sentence."""
    template = SENTENCES.get(error["type"])
    if template is None:
        return str(error["msg"]).removeprefix("Value error, ")
    return template.format(**{"error": "", "expected": "", **error.get("ctx", {})})


def validation_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Pointers and sentences for pydantic's errors, without echoing the input."""
    return [{"pointer": pointer_of(e["loc"]), "detail": sentence_of(e)} for e in errors]


def invalid_request(errors: Sequence[Any]) -> Problem:
    """The problem of a request in which pydantic found these errors."""
    return _of_errors("The request does not fit", "invalid-request", 422, errors)


def _of_errors(title: str, type: str, status: int, errors: Sequence[Any]) -> Problem:
    told = validation_errors(errors)
    detail = told[0]["detail"] if told else "Check the request against the API reference."
    return Problem(title, type_=type, status=status, detail=detail, errors=told)


def _validation_problem(_: ExceptionHandler, __: Request, error: RequestValidationError) -> Problem:
    errors = error.errors()
    if any(e["type"] == "json_invalid" for e in errors):
        return _of_errors("The body is not JSON", "malformed-body", 400, errors)
    return invalid_request(errors)
