"""Every call of the public API, with bodies that its own description makes, good ones and bad ones.

Left out, each for a reason: see `LEFT_OUT`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from chassis.ids import uuid7
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from local.topology import API, SERVICES, routed_paths
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .chain import Caller, Json, Store, soon

EXAMPLES = 4  # Of good requests, and as many of bad ones, for each call.
SEED = 20260510
TIMEOUT_S = 30
OFTEN = st.sampled_from([True, True, True, False])  # Most requests are about what exists.
LEFT_OUT = {
    "POST /tokens": "its attempts count against the login limit of everyone at this address",
    "POST /staff/me/password": "a wrong password counts against the account that the tests use",
    "GET /live": "a stream of events that does not end",
    # A record that was parked here must stay for whoever looks why; libs/chassis tries these.
    "POST /system/{service}/parked/{id}/replay": "would handle it again",
    "POST /system/{service}/parked/{id}/mend": "would write over it",
    "POST /system/{service}/parked/{id}/discard": "would give it up",
}
# Paths that the gateway refuses by themselves, with 400 and nothing else, before any service.
AMBIGUOUS = re.compile(r"%(2F|5C|00)", re.IGNORECASE)
SERVED = [service.name for service in SERVICES if service.name != "web"]  # Web has /live alone.
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
load_all_checks()


def call_of(service: str, method: str, path: str) -> str:
    """The call as the list of those left out names it."""
    call = path.removeprefix(API).replace(f"/system/{service}/", "/system/{service}/")
    return f"{method.upper()} {call}"


def left_out(service: str, method: str, path: str) -> bool:
    """Whether this call is on the list of those that are not tried."""
    return call_of(service, method, path) in LEFT_OUT


def paths_of(document: Json, service: str) -> Json:
    """The service's paths in the document of all."""
    [row] = [one for one in SERVICES if one.name == service]
    prefixes = tuple(f"{API}{path}" for path in routed_paths(row))
    return {path: item for path, item in document["paths"].items() if path.startswith(prefixes)}


@pytest.fixture(scope="module")
def document(base_url: str) -> Json:
    """The API as integrators read it, of every service: the first time each has to make its own."""

    def whole() -> Json | None:
        found: Json = httpx.get(f"{base_url}{API}/openapi.json", timeout=TIMEOUT_S).json()
        described = [paths_of(found, service) for service in SERVED]
        return found if all(described) else None

    return soon(whole, "every service's description")


@pytest.fixture(scope="module")
def settings_kept(owner: Caller) -> Iterator[None]:
    """What the chain and the accounts in use are set to, as it was when the module is over."""
    before, me = owner.get("/order-settings"), owner.get("/staff/me")
    yield
    names = ("prepayment_percent", "first_status")
    owner.patch("/order-settings", {name: before[name] for name in names})
    owner.patch("/staff/me", {"language": me["language"]})


@pytest.fixture(scope="module")
def known(manager: Caller, owner: Caller) -> dict[str, str]:
    """One of everything, so that calls reach what they are about, by what the API calls it."""
    store = manager.post("/stores", {"code": f"F{uuid7().hex[-8:].upper()}", "name": "Store"})
    body = {"store_id": store["id"], "name": "Main", "kind": "main"}
    here = Store(manager, store["id"], manager.post("/warehouses", body)["id"])
    sku = here.item("100.00", stock="1000")
    card = manager.post("/customers", {"name": "Ada Byron"})
    order = here.order((sku, "9"), customer_id=card["id"], customer_name=None)
    payment = here.pay(order, "200.00")
    invoice = here.document(order, "invoice")
    shipment = here.ship(order, "1", post=False)
    staff = {"username": f"{uuid7().hex}@demo.example", "password": uuid7().hex}
    account = owner.post("/staff", {**staff, "role": "cashier", "store_ids": [store["id"]]})
    return {
        "stores": store["id"],
        "warehouses": here.warehouse_id,
        "items": sku,
        "customers": card["id"],
        "orders": order["id"],
        "lines": order["lines"][0]["id"],
        "payments": payment["id"],
        "documents": invoice["id"],
        "shipments": shipment["id"],
        "holds": manager.get("/holds", order_id=order["id"])["items"][0]["id"],
        "staff": account["id"],
        "currencies": "EUR",
    }


REFERENCES = {
    "store_id": "stores",
    "warehouse_id": "warehouses",
    "sku": "items",
    "customer_id": "customers",
    "order_id": "orders",
    "line_id": "lines",
    "document_id": "documents",
    "hold_id": "holds",
    "payment_id": "payments",
    "currency": "currencies",
}


def point_at(known: dict[str, str], value: Any) -> Any:
    """The same body with its references made those of things that exist."""
    if isinstance(value, dict):
        return {
            name: known[REFERENCES[name]]
            if name in REFERENCES and isinstance(inner, str)
            else point_at(known, inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [point_at(known, inner) for inner in value]
    return value


def make_known(known: dict[str, str], case: Case) -> None:
    """Point the case at what exists, in its path, its query and its body."""
    collection = case.path.removeprefix(f"{API}/").removeprefix("me/").split("/")[0]
    for name in case.path_parameters:
        kind = REFERENCES.get(name) or (collection if name == "id" else None)
        if kind in known:
            case.path_parameters[name] = known[kind]
    case.query = point_at(known, dict(case.query or {}))
    case.body = point_at(known, case.body)


def judge(case: Case, response: schemathesis.Response) -> None:
    """Success and refusal are as described, a refusal says what to do; nothing is our fault."""
    told = f"{case.method} {case.formatted_path} {response.status_code} {response.content[:500]!r}"
    assert response.status_code < 500, told
    if response.status_code < 300:
        case.validate_response(response, checks=CHECKS)
        return
    if response.status_code == 400 and AMBIGUOUS.search(case.formatted_path):
        return
    [kind] = response.headers.get("content-type", [""])
    assert kind.startswith("application/problem+json"), told
    problem = json.loads(response.content)
    assert problem["status"] == response.status_code, told
    assert problem["title"], told
    assert problem["detail"], told
    case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])


def who_calls(path: str, staff: Caller, owner: Caller, customer: Caller) -> Caller:
    """The one whose call this is: what nobody may do is refused before it is looked at."""
    call = path.removeprefix(API)
    if call.startswith("/me/"):
        return customer
    return owner if call.startswith(("/staff", "/system")) else staff


def try_call(
    operation: APIOperation, caller: Caller, base_url: str, known: dict[str, str]
) -> set[int]:
    """Send good and bad requests until one is answered wrongly; the statuses that were seen."""
    token = caller.http.headers["Authorization"]
    statuses: set[int] = set()

    def send(case: Case, at_known: bool) -> None:
        if at_known:
            make_known(known, case)
        # Nothing is waited for: what is not known is refused at once.
        headers = {"Authorization": token, "Idempotency-Key": str(uuid7()), "Prefer": "wait=0"}
        if operation.method in ("patch", "delete"):
            headers["If-Match"] = "*"
        response = case.call(base_url=base_url, headers=headers, timeout=TIMEOUT_S)
        statuses.add(response.status_code)
        judge(case, response)

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        if mode is GenerationMode.NEGATIVE and not takes_anything(operation):
            continue
        bounded = settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        bounded(given(operation.as_strategy(mode), OFTEN)(send))()
    return statuses


def takes_anything(operation: APIOperation) -> bool:
    """Whether a request can be wrong at all."""
    return bool(operation.body or operation.query or operation.path_parameters or operation.headers)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("service", SERVED)
def test_every_call_answers_as_it_is_described(
    service: str,
    document: Json,
    base_url: str,
    known: dict[str, str],
    settings_kept: None,
    manager: Caller,
    owner: Caller,
    customer: Caller,
) -> None:
    """Whatever is sent: a described success or a problem document, and never a fault of ours."""
    schema = schemathesis.openapi.from_dict(
        {**document, "paths": paths_of(document, service)}, config=SchemathesisConfig(seed=SEED)
    )
    schema.config.generation.update(with_security_parameters=False)  # The token is a real one.
    wrong: list[str] = []
    statuses: set[int] = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        if left_out(service, operation.method, operation.path):
            continue
        caller = who_calls(operation.path, manager, owner, customer)
        try:
            statuses |= try_call(operation, caller, base_url, known)
        except (AssertionError, Failure, FailureGroup) as error:
            reasons = error.exceptions if isinstance(error, FailureGroup) else [error]
            wrong += [f"{operation.label}: {reason}" for reason in reasons]
    assert not wrong, "\n\n".join(wrong)
    assert {200, 422} <= statuses, "neither good nor bad requests may be missing"


def test_no_service_is_left_out(document: Json) -> None:
    """Each call in the document is tried by one of the tests above, or left out by name."""
    prefixes = {s.name: tuple(f"{API}{p}" for p in routed_paths(s)) for s in SERVICES}
    calls = set()
    for path, item in document["paths"].items():
        [service] = [name for name, known in prefixes.items() if path.startswith(known)]
        assert service in SERVED or all(left_out(service, method, path) for method in item), path
        calls |= {call_of(service, method, path) for method in item}
    assert set(LEFT_OUT) <= calls
