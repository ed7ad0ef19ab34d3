"""The references: every service's OpenAPI as one document, its playground, and the events."""

import asyncio
import copy
import json
import time
from functools import cache
from typing import Any

import httpx
from chassis.http.auth import open_to_all
from contracts import topics
from contracts.catalogue import MESSAGES
from contracts.message import Message
from fastapi import APIRouter, Depends, Request
from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI
from starlette.responses import JSONResponse, Response

from web.jsons import Json
from web.visit import Anyone

router = APIRouter(dependencies=[Depends(open_to_all)], include_in_schema=False)
KEPT_SECONDS = 30.0
TIMEOUT_SECONDS = 15.0  # The first time a service has to make its description.
METHODS = ("get", "put", "post", "delete", "patch")


def merge(documents: dict[str, Json]) -> Json:
    """One document of all services; a schema that two describe differently gets both names."""
    merged: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast",
            "version": "1",
            "description": "Order management for chains of stores: the public API.",
        },
        "servers": [{"url": "/"}],
        "paths": {},
        "components": {"schemas": {}, "responses": {}, "securitySchemes": {}},
    }
    operation_ids: set[str] = set()
    for name in sorted(documents):
        document = _with_own_names(name, documents[name], merged["components"]["schemas"])
        components = document.get("components", {})
        for kind, known in merged["components"].items():
            known |= components.get(kind, {})
        for path, item in document.get("paths", {}).items():
            for method, operation in item.items():
                if method in METHODS:
                    operation.setdefault("tags", [name])
                    _name_once(operation, name, operation_ids)
            merged["paths"].setdefault(path, {}).update(item)
    return merged


def _name_once(operation: Json, service: str, taken: set[str]) -> None:
    if "operationId" in operation:
        if operation["operationId"] in taken:
            operation["operationId"] = f"{service}_{operation['operationId']}"
        taken.add(operation["operationId"])


def _with_own_names(service: str, document: Json, taken: Json) -> Json:
    """The document with each schema renamed whose name means something else already."""
    schemas = document.get("components", {}).get("schemas", {})
    clashes = [name for name, schema in schemas.items() if taken.get(name, schema) != schema]
    if not clashes:
        return copy.deepcopy(document)
    text = json.dumps(document)
    for name in clashes:
        text = text.replace(
            f'"#/components/schemas/{name}"', f'"#/components/schemas/{service}_{name}"'
        )
    renamed: Json = json.loads(text)
    own = renamed["components"]["schemas"]
    for name in clashes:
        own[f"{service}_{name}"] = own.pop(name)
    return renamed


class OpenApi:
    """The merged document, asked anew when it is older than half a minute."""

    def __init__(self, http: httpx.AsyncClient, services: dict[str, str]) -> None:
        self._http, self._services = http, services
        self._parts: dict[str, Json] = {}
        self._asked_at = -KEPT_SECONDS

    async def document(self, own: Json) -> Json:
        """The document; a service that is away is described as it last described itself."""
        if time.monotonic() - self._asked_at > KEPT_SECONDS:
            others = {name: bases for name, bases in self._services.items() if name != "web"}
            await asyncio.gather(*(self._ask(name, bases) for name, bases in others.items()))
            if others.keys() <= self._parts.keys():  # One that is missing is asked for again.
                self._asked_at = time.monotonic()
        return merge(self._parts | {"web": own})

    async def _ask(self, name: str, bases: str) -> None:
        for base in bases.split(","):
            try:
                answer = await self._http.get(
                    f"{base.rstrip('/')}/openapi.json", timeout=TIMEOUT_SECONDS
                )
                if answer.is_success:
                    self._parts[name] = answer.json()
                    return
            except (httpx.HTTPError, ValueError):
                continue  # Kept as it was; readiness says which service is away.


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """All services' OpenAPI, merged."""
    described: OpenApi = request.app.state.openapi_document
    return JSONResponse(await described.document(request.app.openapi()))


@router.get("/docs")
async def playground(visit: Anyone) -> Response:
    """The API's playground, from this service alone."""
    return visit.page("api_docs.html")


@router.get("/events/asyncapi.json")
async def events_document() -> Response:
    """The event reference as AsyncAPI 3."""
    return Response(asyncapi(), media_type="application/json")


@router.get("/events/docs")
async def events(visit: Anyone) -> Response:
    """The event reference for people."""
    return visit.page("events.html", topics=reference(), document=json.loads(asyncapi())["info"])


@cache
def asyncapi() -> str:
    """The document that FastStream makes of the contracts."""
    broker = KafkaBroker()
    for message in MESSAGES:
        if message.__dict__.get("TOPIC") or hasattr(message, "TOPIC"):
            broker.publisher(
                message.TOPIC,
                title=message.TYPE,
                description=(message.__doc__ or "").strip(),
                schema=message,
            )
    specification = AsyncAPI(
        broker,
        title="Holdfast events",
        version="1",
        description="Facts, states and commands on the bus, as CloudEvents in binary mode.",
        schema_version="3.0.0",
    )
    return str(specification.to_specification().to_json())


@cache
def reference() -> list[Json]:
    """Topics with their messages and fields, in the order of their owners."""
    found = []
    for topic in topics.TOPICS:
        messages = [one for one in MESSAGES if getattr(one, "TOPIC", None) == topic.name]
        found.append(
            {
                "name": topic.name,
                "owner": topic.owner,
                "kind": topic.kind,
                "key": messages[0].KEY if messages else "",
                "messages": [_message(one) for one in messages],
            }
        )
    return found


def _message(message: type[Message]) -> Json:
    schema = message.model_json_schema()
    return {
        "type": message.TYPE,
        "says": " ".join((message.__doc__ or "").split()),
        "fields": [
            {
                "name": name,
                "type": _type_of(field, schema.get("$defs", {})),
                "required": name in schema.get("required", ()),
            }
            for name, field in schema.get("properties", {}).items()
        ],
    }


def _type_of(field: Any, definitions: Json) -> str:
    if "$ref" in field:
        return str(field["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in field:
        return " | ".join(dict.fromkeys(_type_of(one, definitions) for one in field["anyOf"]))
    if "enum" in field:
        return " | ".join(str(one) for one in field["enum"])
    if "const" in field:
        return str(field["const"])
    if field.get("type") == "array":
        return f"[{_type_of(field.get('items', {}), definitions)}]"
    return str(field.get("format") or field.get("type") or "any")
