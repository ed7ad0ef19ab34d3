"""The merged API reference, the event reference, readiness and unknown API paths."""

import json

import httpx
from contracts.catalogue import MESSAGES
from web.openapi import merge

from .conftest import SERVICES, Services, document_of


async def test_one_document_describes_every_service(anyone: httpx.AsyncClient) -> None:
    """The merged OpenAPI has each service's paths, and no schema of one stands for another's."""
    document = (await anyone.get("/api/v1/openapi.json")).json()
    assert {f"/api/v1/{name}" for name in SERVICES} < set(document["paths"])
    assert "/api/v1/live" in document["paths"]
    for name in SERVICES:
        operation = document["paths"][f"/api/v1/{name}"]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        reference = schema["$ref"].rsplit("/", 1)[-1]
        assert document["components"]["schemas"][reference]["title"] == name
    ids = [item["get"]["operationId"] for path, item in document["paths"].items() if "get" in item]
    assert len(ids) == len(set(ids))


def test_merging_leaves_the_parts_as_they_were() -> None:
    """Merging twice gives the same document."""
    parts = {name: document_of(name) for name in SERVICES}
    before = json.dumps(parts)
    assert merge(parts) == merge(parts)
    assert json.dumps(parts) == before


async def test_readiness_is_everybodys(anyone: httpx.AsyncClient, services: Services) -> None:
    """Ready only when every service is; otherwise the answer names who is not."""
    assert (await anyone.get("/readyz")).json() == {"status": "ready"}
    services.away.add("billing")
    answer = await anyone.get("/readyz")
    assert answer.status_code == 503
    assert list(answer.json()) == ["billing"]


async def test_an_unknown_api_path_is_a_problem_document(anyone: httpx.AsyncClient) -> None:
    """Machines get a problem document, for any method."""
    for method in ("GET", "POST"):
        answer = await anyone.request(method, "/api/v1/nothing/here")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 404


async def test_the_event_reference_has_every_message(anyone: httpx.AsyncClient) -> None:
    """Each message of the contracts stands in the page and in the AsyncAPI document."""
    page = (await anyone.get("/api/v1/events/docs")).text
    document = (await anyone.get("/api/v1/events/asyncapi.json")).json()
    assert document["asyncapi"].startswith("3.")
    described = json.dumps(document)
    for message in MESSAGES:
        if hasattr(message, "TOPIC"):
            assert message.TYPE in page
            assert message.TYPE in described


async def test_the_playground_is_ours(anyone: httpx.AsyncClient) -> None:
    """The API's playground loads nothing from elsewhere and runs no inline script."""
    answer = await anyone.get("/api/v1/docs")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "//" not in answer.text.replace("<!doctype html>", "")
