"""The one door: readiness, the merged API, unknown paths, and no way round it."""

import os

import httpx
import pytest

from .chain import Caller


def test_everything_is_ready(base_url: str) -> None:
    """200 only when every service is."""
    assert httpx.get(f"{base_url}/readyz").status_code == 200


def test_the_api_document_has_every_service(base_url: str) -> None:
    """One OpenAPI 3.1 document for integrators, with each service's calls."""
    document = httpx.get(f"{base_url}/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    paths = " ".join(document["paths"])
    for call in ("/tokens", "/orders", "/stock", "/payments", "/shipments", "/messages"):
        assert f"/api/v1{call}" in paths or call in paths, call


@pytest.mark.parametrize("page", ["/api/v1/docs", "/api/v1/events/docs"])
def test_the_references_come_from_here(base_url: str, page: str) -> None:
    """Playground and event reference are served without asking anyone outside."""
    answer = httpx.get(f"{base_url}{page}", follow_redirects=True)
    assert answer.status_code == 200
    assert "//cdn" not in answer.text
    assert "https://unpkg" not in answer.text


def test_an_unknown_call_is_a_problem_document(base_url: str) -> None:
    """404 as JSON for programs, not as a page."""
    answer = httpx.get(f"{base_url}/api/v1/no-such-thing")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_identity_headers_from_outside_count_for_nothing(base_url: str) -> None:
    """Who one is comes from the token alone."""
    headers = {"X-User": "owner", "X-Roles": "owner", "X-Forwarded-User": "owner"}
    answer = httpx.get(f"{base_url}/api/v1/orders", headers=headers)
    assert answer.status_code == 401


def test_pages_have_security_headers(base_url: str) -> None:
    """A strict policy, no sniffing, no framing."""
    answer = httpx.get(f"{base_url}/", follow_redirects=True)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_logins_are_limited(base_url: str) -> None:
    """Guessing a password is stopped with 429 and a time to wait."""
    body = {"username": "nobody@demo.example", "password": "wrong"}
    answers = [httpx.post(f"{base_url}/api/v1/tokens", json=body) for _ in range(25)]
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {401, 429}
    assert 429 in statuses
    assert "Retry-After" in next(a for a in answers if a.status_code == 429).headers


def test_services_listen_on_loopback_only() -> None:
    """Nothing of the embedded default can be reached from another machine."""
    ports = range(int(os.environ["HOLDFAST_PORT"]), int(os.environ["HOLDFAST_PORT"]) + 17)
    with open("/proc/net/tcp") as table:
        rows = [line.split()[1].split(":") for line in table.readlines()[1:]]
    open_to_all = [int(port, 16) for address, port in rows if address == "00000000"]
    assert not set(open_to_all) & set(ports)


def test_the_matrix_of_rights(base_url: str, customer: Caller) -> None:
    """Every call that is not a customer's own is refused to a customer, and to nobody at all."""
    document = httpx.get(f"{base_url}/api/v1/openapi.json").json()
    open_calls = {"/tokens", "/tokens/refresh", "/tokens/revoke", "/jwks.json"}
    checked = 0
    for path, methods in document["paths"].items():
        call = path.removeprefix("/api/v1")
        if call in open_calls or call in ("/live", "/openapi.json", "/docs", "/events/docs"):
            continue
        for method in methods:
            if method not in ("get", "post", "patch", "put", "delete"):
                continue
            url = f"{base_url}/api/v1{call}".replace("{id}", "00000000-0000-4000-8000-000000000000")
            answer = httpx.request(method, url, headers={"Idempotency-Key": "matrix"})
            assert answer.status_code in (401, 404), f"{method} {call}: {answer.status_code}"
            if not call.startswith("/me/") and "/me" not in call:
                held = customer.http.request(method, url, headers={"Idempotency-Key": "matrix"})
                assert held.status_code in (401, 403, 404), f"{method} {call}: {held.status_code}"
            checked += 1
    assert checked > 40
