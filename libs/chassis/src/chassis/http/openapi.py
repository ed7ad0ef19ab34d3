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
    400: (
        "Unreadable",
        "The JSON cannot be read, or a header that is needed is missing.",
    ),
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
        for route, method in _calls(app):
            operation = document["paths"][route.path_format][method]
            for status in sorted(_statuses(route, method, operation)):
                name, _ = REFUSALS[status]
                operation["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}
        return document

    app.openapi = described  # type: ignore[method-assign]


def _calls(app: FastAPI) -> Iterator[tuple[Any, str]]:
    """Route and method of each call that is described."""
    routes: Iterator[Any] = iter(iter_route_contexts(app.routes))
    for route in routes:
        if not getattr(route, "include_in_schema", False) or not hasattr(route, "dependant"):
            continue  # A socket, or not FastAPI's.
        for method in route.methods:
            yield route, method.lower()


def _statuses(route: Any, method: str, operation: dict[str, Any]) -> set[int]:
    calls = calls_of(route.dependant)
    names = [one["name"] for one in operation.get("parameters", ())]
    found = {429}
    if any(hasattr(call, "right") for call in calls):
        found |= {401, 403, 503}
    elif route.body_field is not None:
        found.add(401)  # What is open to all and takes something takes a password or a token.
    if method != "get":
        found.add(409)
    if "422" in operation["responses"]:
        found.add(422)  # FastAPI knows that something can be wrong.
    if "{" in route.path_format or any(name.endswith("_id") for name in names):
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
