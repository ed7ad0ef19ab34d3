"""Everything here runs against a whole system: `make test` starts one on ports of its own."""

from collections.abc import Callable

import httpx
import pytest
from chassis.ids import uuid7

from . import chain


@pytest.fixture(scope="session")
def base_url() -> str:
    """The gateway; the run stops with one clear line when nothing answers there."""
    url = chain.base_url()
    try:
        ready = httpx.get(f"{url}/readyz", timeout=10)
    except httpx.HTTPError as error:
        pytest.exit(f"Nothing answers at {url} ({error!r}): run `make e2e`.", returncode=3)
    assert ready.status_code == 200, ready.text
    return url


@pytest.fixture(scope="session")
def manager(base_url: str) -> chain.Caller:
    return chain.Caller("manager@demo.example")


@pytest.fixture(scope="session")
def owner(base_url: str) -> chain.Caller:
    return chain.Caller("owner@demo.example")


@pytest.fixture(scope="session")
def cashier(base_url: str) -> chain.Caller:
    return chain.Caller("cashier@demo.example")


@pytest.fixture(scope="session")
def customer(base_url: str) -> chain.Caller:
    return chain.Caller("customer@demo.example")


@pytest.fixture
def open_store(manager: chain.Caller) -> Callable[..., chain.Store]:
    """Opens a new store with one main warehouse; settings as asked for."""

    def open_one(**settings: object) -> chain.Store:
        code = f"S{uuid7().hex[-8:].upper()}"
        store = manager.post("/stores", {"code": code, "name": f"Store {code}", **settings})
        body = {"store_id": store["id"], "name": "Main", "kind": "main"}
        warehouse = manager.post("/warehouses", body)
        return chain.Store(manager, store["id"], warehouse["id"])

    return open_one


@pytest.fixture
def store(open_store: Callable[..., chain.Store]) -> chain.Store:
    return open_store()
