"""The refusals of each call in its OpenAPI description, read off what the route declares."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from chassis.http.auth import calls_of
from chassis.http.etags import if_match
from chassis.http.idempotency import keyed, keyed_if_sent

PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457: what went wrong and what to do next.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "The kind of refusal, for programs."},
        "title": {"type": "string", "description": "The kind of refusal, for people."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do next."},
        "errors": {
            "type": "array",
            "description": "Where it lies.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "A JSON pointer into the body, or the parameter's name.",
                    },
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
REFUSALS = {
    400: ("Unreadable", "The JSON cannot be read, or a header that is needed is missing."),
    401: ("Unauthorized", "The access token is missing, wrong or has ended."),
    403: ("Forbidden", "The caller's role lacks the right, or it concerns other stores too."),
    404: ("NotFound", "It does not exist, or lies outside the caller's stores."),
    409: ("Conflict", "It does not go together with what is there, or its key is in flight."),
    412: ("Stale", "Somebody changed it since its ETag was read."),
    413: ("TooLarge", "The body is too large."),
    422: ("Unfit", "The request does not fit: `errors` says where, or its key was used before."),
    428: ("VersionMissing", "If-Match is missing."),
    429: ("TooMuch", "Too much at once: come again after `Retry-After`."),
    503: ("Unavailable", "Not available now: try again in a moment, under the same key."),
}
FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")  # Nothing is answered in that shape.


def describe_refusals(app: FastAPI) -> None:
    """Let the description name what each call may be refused for, and the shape of refusals."""
    plain = app.openapi

    @cache
    def described() -> dict[str, Any]:
        document = plain()
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for name in FASTAPIS_OWN:
            schemas.pop(name, None)
        schemas["Problem"] = PROBLEM
        components["responses"] = {
            name: {
                "description": sentence,
                "content": {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                },
            }
            for name, sentence in REFUSALS.values()
        }
        for path, method, statuses in _refusals(app):
            responses = document["paths"][path][method]["responses"]
            unfit = {422} if "422" in responses else set()  # FastAPI knows what can be wrong.
            for status in sorted(statuses | unfit):
                name, _ = REFUSALS[status]
                responses[str(status)] = {"$ref": f"#/components/responses/{name}"}
        return document

    app.openapi = described  # type: ignore[method-assign]


def _refusals(app: FastAPI) -> Iterator[tuple[str, str, set[int]]]:
    """Path, method and statuses of each call that is described."""
    routes: Iterator[Any] = iter(iter_route_contexts(app.routes))
    for route in routes:
        if getattr(route, "dependant", None) is None or not route.include_in_schema:
            continue
        for method in route.methods:
            yield route.path_format, method.lower(), _statuses(route, method)


def _statuses(route: Any, method: str) -> set[int]:
    calls = calls_of(route.dependant)
    found = {429}
    if any(hasattr(call, "right") for call in calls):
        found |= {401, 403, 503}
    if method != "GET":
        found.add(409)
    if "{" in route.path_format:
        found.add(404)
    if route.body_field is not None:
        found |= {400, 404, 413}  # 404: a body names others by their ids.
    if keyed in calls:
        found.add(400)
    if keyed_if_sent in calls:
        found.add(409)
    if if_match in calls:
        found |= {412, 428}
    return found
