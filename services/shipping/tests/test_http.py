"""Shipping as a till and a manager call it."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from chassis.ids import uuid7
from chassis.testing import Bench
from contracts.identity import Role
from contracts.inventory import TakeOut
from contracts.shipping import ShipmentPosted, ShipmentPosting, ShipmentRefused

from .conftest import (
    Placed,
    deliver_together,
    drafted,
    line,
    post,
    read,
    refused,
    settlement,
    store_state,
    taken,
    until_somebody_waits,
    wish,
)


async def test_an_unposted_shipment_ships_nothing(shipping: Bench) -> None:
    """Scenario 27: saved it is a draft and nobody hears of it; posted it asks for the goods."""
    order = Placed()
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "2")
    assert (shipment["state"], shipment["due_now"], shipment["store_id"]) == (
        "draft",
        None,
        str(order.store_id),
    )
    assert await shipping.said() == []
    answer = await post(shipping, shipment)
    assert (answer.status_code, answer.json()["state"]) == (202, "posting")
    posting, wanted = await shipping.said()
    assert isinstance(posting, ShipmentPosting)
    assert isinstance(wanted, TakeOut)
    assert (wanted.warehouse_id, wanted.override) == (order.warehouse_id, False)
    assert [(one.sku, one.quantity) for one in wanted.lines] == [("SKU-1", Decimal(2))]


async def test_the_till_hears_what_is_due(shipping: Bench) -> None:
    """Scenario 14: with a wait the answer comes when billing has settled, and asks for 500."""
    order = Placed(lines=[line("5", "200")])
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "5")
    answering = asyncio.create_task(post(shipping, shipment, wait=5))
    wanted = await asked_for(shipping)
    await shipping.deliver(taken(wanted))
    await shipping.deliver(settlement(wanted.shipment_id, order.order_id, "500.00", "500.00"))
    answer = await answering
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["state"], body["due_now"], body["consumed"]) == ("posted", "500.00", "500.00")
    assert (body["value"], body["lines"][0]["amount"]) == ("1000.00", "1000.00")
    [posted] = await shipping.said(ShipmentPosted)
    assert (posted.value, posted.left_before) == (Decimal(1000), Decimal(1000))


async def asked_for(shipping: Bench, count: int = 1) -> TakeOut:
    """The newest take-out, once as many were asked for."""
    async with asyncio.timeout(10):
        while True:
            wanted: list[TakeOut] = await shipping.said(TakeOut)
            if len(wanted) >= count:
                return wanted[-1]
            await asyncio.sleep(0.02)


async def test_a_refused_hand_over_says_why(shipping: Bench) -> None:
    """Goods that are not there: 200, refused, the shortage in words; then less is handed over."""
    order = Placed()
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "3")
    answering = asyncio.create_task(post(shipping, shipment, wait=5))
    await shipping.deliver(refused(await asked_for(shipping), available="1"))
    answer = await answering
    body = answer.json()
    assert (answer.status_code, body["state"], body["reason_code"]) == (
        200,
        "refused",
        "goods_missing",
    )
    assert "receive them" in body["reason"]
    assert body["shortages"][0]["detail"] == "3 of SKU-1 are wanted, 1 can be handed over."
    [said] = await shipping.said(ShipmentRefused)
    assert said.shortages[0].available == Decimal(1)
    again = await drafted(shipping, order, "5")
    assert (await post(shipping, again)).status_code == 202, "all five are left again"


async def test_scenario_12_settlement_in_parts(shipping: Bench) -> None:
    """Of 5 at 200 two are handed over, then three: 400 of 1,000, then 600 of 600."""
    order = Placed(lines=[line("5", "200")])
    await shipping.deliver(order.placed())
    for count, quantity in enumerate(("2", "3"), 1):
        await post(shipping, await drafted(shipping, order, quantity))
        await shipping.deliver(taken(await asked_for(shipping, count)))
    first, second = await shipping.said(ShipmentPosted)
    assert (first.value, first.left_before) == (Decimal(400), Decimal(1000))
    assert (second.value, second.left_before) == (Decimal(600), Decimal(600))
    nothing = await shipping.http.post(
        "/shipments", json=wish(order, "1"), headers={"Prefer": "wait=0"}
    )
    assert nothing.status_code == 422
    assert nothing.json()["errors"] == [
        {
            "pointer": "/lines/0/quantity",
            "detail": "Nothing of this line is left to hand over: leave it out.",
        }
    ]


async def test_the_last_piece_goes_once(shipping: Bench) -> None:
    """Two tills post the last piece at the same moment: one asks for it, the other is refused."""
    order = Placed(lines=[line("1", "100")])
    await shipping.deliver(order.placed())
    shipments = [await drafted(shipping, order, "1") for _ in range(6)]
    answers = await asyncio.gather(*(post(shipping, one, wait=0) for one in shipments))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409, 409]
    loser = next(answer.json() for answer in answers if answer.status_code == 409)
    assert loser["type"] == "left-meanwhile"
    assert loser["errors"][0]["pointer"] == "/lines/0/quantity"
    assert len(await shipping.said(TakeOut)) == 1


async def test_posting_twice_posts_once(shipping: Bench) -> None:
    """The same key, and another one: the answer is how the shipment stands."""
    order = Placed()
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "2")
    path, key = f"/shipments/{shipment['id']}/post", {"Idempotency-Key": "post"}
    answers = [await shipping.http.post(path, headers=key) for _ in range(2)]
    answers.append(await post(shipping, shipment))
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    wanted = await asked_for(shipping)
    assert len(await shipping.said(TakeOut)) == 1
    await shipping.deliver(taken(wanted))
    await shipping.deliver(settlement(wanted.shipment_id, order.order_id, "400.00", "0.00"))
    for headers in (key, {}):
        answer = await shipping.http.post(path, headers=headers)
        assert (answer.status_code, answer.json()["due_now"]) == (200, "400.00")
    assert len(await shipping.said(ShipmentPosting)) == 1


async def test_the_same_request_makes_one_draft(shipping: Bench) -> None:
    """Twenty times at once under one key: one shipment. Another body under it is refused."""
    order = Placed()
    await shipping.deliver(order.placed())
    key = {"Idempotency-Key": "draft"}
    body = wish(order, "2")
    answers = await asyncio.gather(
        *(shipping.http.post("/shipments", json=body, headers=key) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    again = await shipping.http.post("/shipments", json=body, headers=key)
    assert again.status_code == 201
    ids = {answer.json()["id"] for answer in [*answers, again] if answer.status_code == 201}
    assert len(ids) == 1
    assert len((await shipping.http.get("/shipments")).json()["items"]) == 1
    other = await shipping.http.post("/shipments", json=wish(order, "3"), headers=key)
    assert other.status_code == 422
    missing = await shipping.http.post("/shipments", json=body, headers={"Idempotency-Key": " "})
    assert missing.status_code == 400


async def test_the_clients_own_id(shipping: Bench) -> None:
    """The same id with the same content is the same shipment; with another it is refused."""
    order = Placed()
    await shipping.deliver(order.placed())
    id = str(uuid7())
    first = await drafted(shipping, order, "2", id=id)
    assert first["id"] == id
    assert await drafted(shipping, order, "2", id=id) == first
    other = await shipping.http.post("/shipments", json=wish(order, "1", id=id))
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (409, "/id")


async def test_an_order_that_is_on_its_way_is_waited_for(shipping: Bench) -> None:
    """A draft of an order that was placed a moment ago waits until its fact arrives."""
    order = Placed()
    asking = asyncio.create_task(
        shipping.http.post("/shipments", json=wish(order, "2"), headers={"Prefer": "wait=5"})
    )
    await until_somebody_waits(shipping)
    await shipping.deliver(order.placed())
    assert (await asking).status_code == 201


async def test_an_agreement_that_is_on_its_way_is_waited_for(shipping: Bench) -> None:
    """Posting an order that was agreed a moment ago waits for that fact, and refuses without it."""
    order = Placed(status="pending_approval")
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "2")
    early = await post(shipping, shipment, wait=0)
    assert (early.status_code, early.json()["type"]) == (409, "not-agreed")
    asking = asyncio.create_task(post(shipping, shipment))
    await until_somebody_waits(shipping)
    await shipping.deliver(order.agreed())
    assert (await asking).status_code == 202


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


async def test_a_cancelled_order_is_not_shipped(shipping: Bench) -> None:
    """Neither a draft written before, nor a new one, and a marked order until it is restored."""
    order = Placed()
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "2")
    await shipping.deliver(order.marked())
    marked = await post(shipping, shipment, wait=0)
    assert (marked.status_code, marked.json()["type"]) == (409, "order-is-marked")
    await shipping.deliver(order.restored())
    await shipping.deliver(order.cancelled())
    cancelled = await post(shipping, shipment)
    assert (cancelled.status_code, cancelled.json()["type"]) == (409, "order-is-cancelled")
    new = await shipping.http.post("/shipments", json=wish(order, "1"))
    assert new.status_code == 409
    assert await shipping.said() == []


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
        batch = await cashier.post("/shipments/batch", json={"shipments": [member]})
        assert batch.status_code == 403
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


async def test_shipments_are_listed_in_pages(shipping: Bench) -> None:
    """By order and by state, the oldest first, each once; a made-up cursor is refused."""
    order, other = Placed(), Placed()
    await shipping.deliver(order.placed(), other.placed())
    made = [await drafted(shipping, order, "1") for _ in range(3)]
    await drafted(shipping, other, "1")
    await post(shipping, made[1])
    query = {"order_id": str(order.order_id), "limit": "2"}
    first = (await shipping.http.get("/shipments", params=query)).json()
    rest = (
        await shipping.http.get("/shipments", params={**query, "cursor": first["next_cursor"]})
    ).json()
    listed = [row["id"] for row in first["items"] + rest["items"]]
    assert listed == [shipment["id"] for shipment in made]
    assert rest["next_cursor"] is None
    waiting = (await shipping.http.get("/shipments?state=posting")).json()["items"]
    assert [row["id"] for row in waiting] == [made[1]["id"]]
    assert (await shipping.http.get("/shipments?cursor=abc")).status_code == 422
    assert (await shipping.http.get("/shipments?state=lost")).status_code == 422


async def test_a_batch_answers_each_member(shipping: Bench) -> None:
    """Good ones are drafted or posted, bad ones have their own problem, none spoils another."""
    order, cancelled = Placed(lines=[line("10", "7.50")]), Placed()
    await shipping.deliver(order.placed(), cancelled.placed(), cancelled.cancelled())
    members = [
        {"key": "draft", "shipment": wish(order, "1")},
        {"key": "post", "shipment": wish(order, "4"), "post": True},
        {"key": "too much", "shipment": wish(order, "7"), "post": True},
        {"key": "cancelled", "shipment": wish(cancelled, "1"), "post": True},
        {"key": "post", "shipment": wish(order, "4"), "post": True},
        {"key": "post", "shipment": wish(order, "5"), "post": True},
    ]
    answers = []
    for _ in range(2):
        answer = await shipping.http.post(
            "/shipments/batch", json={"shipments": members}, headers={"Prefer": "wait=0"}
        )
        assert answer.status_code == 200, answer.text
        answers.append(answer.json()["items"])
    assert answers[0] == answers[1], "the same batch again changes nothing"
    assert [item["status"] for item in answers[0]] == [201, 202, 422, 409, 202, 422]
    assert [item["key"] for item in answers[0]][:2] == ["draft", "post"]
    assert answers[0][1]["shipment"]["id"] == answers[0][4]["shipment"]["id"]
    assert answers[0][2]["problem"]["errors"][0]["pointer"] == "/lines/0/quantity"
    assert answers[0][3]["problem"]["type"] == "order-is-cancelled"
    assert len((await shipping.http.get("/shipments")).json()["items"]) == 2
    [wanted] = await shipping.said(TakeOut)
    assert wanted.lines[0].quantity == Decimal(4)


async def test_a_batch_of_a_thousand_and_not_one_more(shipping: Bench) -> None:
    """A thousand orders are drafted and posted in one request; 1,001 are refused."""
    orders = [Placed() for _ in range(1000)]
    await deliver_together(shipping, [order.placed() for order in orders])
    members = [
        {"key": str(n), "shipment": wish(order, "5"), "post": True}
        for n, order in enumerate(orders)
    ]
    answer = await shipping.http.post("/shipments/batch", json={"shipments": members})
    assert {item["status"] for item in answer.json()["items"]} == {202}
    assert len(await shipping.said(TakeOut)) == 1000
    more = await shipping.http.post("/shipments/batch", json={"shipments": [*members, members[0]]})
    assert (more.status_code, more.json()["errors"][0]["pointer"]) == (422, "/shipments")
