"""Who may ship what, and what a wrong request hears."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from chassis.ids import uuid7
from chassis.testing import Bench
from contracts.identity import Role

from .conftest import (
    Placed,
    asked_for,
    drafted,
    line,
    read,
    store_state,
    wish,
)


async def test_unknown_references(shipping: Bench) -> None:
    """A fresh order id may still arrive (409), an old one is wrong (422); so for the store."""
    order = Placed()
    fresh = await shipping.http.post(
        "/shipments", json=wish(order, "1"), headers={"Prefer": "wait=0"}
    )
    assert (fresh.status_code, fresh.json()["type"]) == (409, "not-known-yet")
    assert fresh.headers["Retry-After"] == "1"
    order.order_id = uuid4()
    wrong = await shipping.http.post("/shipments", json=wish(order, "1"))
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/order_id")
    await shipping.deliver(order.placed())
    nowhere = await shipping.http.post("/shipments", json=wish(order, "1", store_id=str(uuid4())))
    assert (nowhere.status_code, nowhere.json()["errors"][0]["pointer"]) == (422, "/store_id")
    assert (await shipping.http.get(f"/shipments/{uuid7()}")).status_code == 404
    assert (await shipping.http.post(f"/shipments/{uuid7()}/post")).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kind": "gift"}, "/kind"),
        ({"lines": []}, "/lines"),
        ({"state": "posted"}, "/state"),
        ({"lines": [{"line_id": "x", "quantity": "1"}]}, "/lines/0/line_id"),
        ({"lines": [{"line_id": str(UUID(int=1)), "quantity": "0"}]}, "/lines/0/quantity"),
        ({"lines": [{"line_id": str(UUID(int=1)), "quantity": "-1"}]}, "/lines/0/quantity"),
        ({"lines": [{"line_id": str(UUID(int=1)), "quantity": 1.5}]}, "/lines/0/quantity"),
        ({"lines": [{"line_id": str(UUID(int=1)), "quantity": "1.2345"}]}, "/lines/0/quantity"),
        ({"lines": [{"line_id": str(UUID(int=1)), "quantity": "0.5"}]}, "/lines/0/quantity"),
        ({"lines": [{"line_id": str(UUID(int=1)), "quantity": "9" * 9}]}, "/lines/0/quantity"),
        ({"lines": [{"line_id": str(UUID(int=2)), "quantity": "1"}]}, "/lines/0/line_id"),
    ],
)
async def test_a_wrong_request_is_refused_where_it_is_wrong(
    shipping: Bench, change: dict[str, Any], pointer: str
) -> None:
    """Every mistake has a pointer and changes nothing."""
    order = Placed(lines=[line(line_id=UUID(int=1))])
    await shipping.deliver(order.placed())
    answer = await shipping.http.post(
        "/shipments", json={**wish(order, "1"), **change}, headers={"Prefer": "wait=0"}
    )
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert (await shipping.http.get("/shipments")).json()["items"] == []


async def test_breaking_a_hold_needs_the_right(shipping: Bench) -> None:
    """A cashier may not override what is held for others; a manager may."""
    order = Placed()
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "2")
    path, body = f"/shipments/{shipment['id']}/post", {"override": True}
    async with shipping.client(Role.CASHIER) as cashier:
        answer = await cashier.post(path, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (403, "/override")
        member = {"key": "a", "shipment": wish(order, "1"), "post": True, "override": True}
        plain = {"key": "b", "shipment": wish(order, "1")}
        batch = await cashier.post("/shipments/batch", json={"shipments": [member, plain]})
        refused, made = batch.json()["items"]
        assert (refused["status"], made["status"]) == (403, 201)
        assert refused["problem"]["errors"][0]["pointer"] == "/override"
    assert await shipping.said() == []
    assert (await shipping.http.post(path, json=body)).status_code == 202
    assert (await asked_for(shipping)).override is True


ROUTES = [
    ("POST", "/shipments"),
    ("POST", "/shipments/batch"),
    ("POST", f"/shipments/{UUID(int=1)}/post"),
    ("GET", "/shipments"),
    ("GET", f"/shipments/{UUID(int=1)}"),
]


async def test_customers_and_devices_have_no_business_here(shipping: Bench) -> None:
    """Every route is refused to them, and to whoever is not signed in."""
    for role in (Role.CUSTOMER, Role.DEVICE):
        async with shipping.client(role) as client:
            for method, path in ROUTES:
                assert (await client.request(method, path, json={})).status_code == 403, path
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(shipping.app), base_url="http://service/api/v1"
    ) as stranger:
        for method, path in ROUTES:
            assert (await stranger.request(method, path, json={})).status_code == 401, path


async def test_another_stores_shipments_do_not_exist(shipping: Bench) -> None:
    """Outside the own stores everything is 404, in bodies and in paths."""
    order = Placed()
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "2")
    async with shipping.client(Role.CASHIER, store_ids=[uuid7()]) as stranger:
        path = f"/shipments/{shipment['id']}"
        assert (await stranger.get(path)).status_code == 404
        assert (await stranger.post(f"{path}/post")).status_code == 404
        assert (await stranger.post("/shipments", json=wish(order, "1"))).status_code == 404
        assert (await stranger.get("/shipments")).json()["items"] == []
        foreign = {"order_id": str(order.order_id)}
        assert (await stranger.get("/shipments", params=foreign)).status_code == 404
        foreign = {"store_id": str(order.store_id)}
        assert (await stranger.get("/shipments", params=foreign)).status_code == 404
    assert (await read(shipping, shipment))["state"] == "draft"


async def test_the_store_that_has_the_goods_hands_them_over(shipping: Bench) -> None:
    """An order of store one whose goods lie in store two is handed over there, and seen by both."""
    order, two, three = Placed(), uuid7(), uuid7()
    await shipping.deliver(order.placed())
    await shipping.deliver(store_state(two, order.warehouse_id))
    await shipping.deliver(store_state(three))
    async with shipping.client(Role.CASHIER, store_ids=[two]) as cashier:
        answer = await cashier.post("/shipments", json=wish(order, "2", store_id=str(two)))
        assert answer.status_code == 201, answer.text
        path = f"/shipments/{answer.json()['id']}"
        assert (await cashier.post(f"{path}/post")).status_code == 202
    async with shipping.client(Role.CASHIER, store_ids=[order.store_id]) as seller:
        assert (await seller.get(path)).json()["store_id"] == str(two)
        assert len((await seller.get("/shipments")).json()["items"]) == 1
    async with shipping.client(Role.CASHIER, store_ids=[three]) as other:
        answer = await other.post("/shipments", json=wish(order, "1", store_id=str(three)))
        assert answer.status_code == 404
