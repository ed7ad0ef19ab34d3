"""The same request again, lists and batches."""

import asyncio
from decimal import Decimal

from chassis.ids import uuid7
from chassis.testing import Bench
from contracts.inventory import TakeOut

from .conftest import (
    Placed,
    deliver_together,
    drafted,
    line,
    post,
    read,
    taken,
    wish,
)


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
    for made_up in ("abc", "WyJ4IiwieSJd"):
        answer = await shipping.http.get("/shipments", params={"cursor": made_up})
        assert answer.status_code == 422
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


async def test_one_batch_may_draft_and_then_post_the_same_shipment(shipping: Bench) -> None:
    """What is said of it and what is kept of it agree: it is on its way."""
    order = Placed()
    await shipping.deliver(order.placed())
    body = wish(order, "2", id=str(uuid7()))
    members = [
        {"key": "draft", "shipment": body},
        {"key": "post", "shipment": body, "post": True},
    ]
    answer = await shipping.http.post(
        "/shipments/batch", json={"shipments": members}, headers={"Prefer": "wait=0"}
    )
    assert [item["status"] for item in answer.json()["items"]] == [201, 202]
    [wanted] = await shipping.said(TakeOut)
    await shipping.deliver(taken(wanted))
    assert (await read(shipping, body))["state"] == "posted"
    assert await shipping.parked() == []


async def test_a_malformed_member_spoils_no_other(shipping: Bench) -> None:
    """Each shipment that does not fit says where; those around it are made."""
    order = Placed()
    await shipping.deliver(order.placed())
    members = [
        {"key": "good", "shipment": wish(order, "1")},
        {"key": "no quantity", "shipment": wish(order, "many")},
        {"key": "not one of ours", "shipment": wish(order, "1", colour="red")},
        {"key": "as good", "shipment": wish(order, "1")},
    ]
    answer = await shipping.http.post("/shipments/batch", json={"shipments": members})
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert [item["status"] for item in items] == [201, 422, 422, 201]
    pointers = [item["problem"]["errors"][0]["pointer"] for item in items[1:3]]
    assert pointers == ["/lines/0/quantity", "/colour"]
    answer = await shipping.http.post("/shipments/batch", json={"shipments": members[1:3]})
    assert [item["status"] for item in answer.json()["items"]] == [422, 422]
    assert len((await shipping.http.get("/shipments")).json()["items"]) == 2


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
