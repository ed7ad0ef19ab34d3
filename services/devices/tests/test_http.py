"""The devices' API: papers to look at and to print again, codes, and who may ask."""

import base64
from uuid import uuid4

import pytest
import sqlalchemy as sa
from chassis.ids import uuid7
from contracts.devices import PrintJobChanged
from contracts.identity import Role

from .conftest import HARBOUR, MARKET, states_of


async def printed(hub, gate, agent, asked):
    await hub.deliver(asked)
    await print_next(gate, agent)


async def print_next(gate, agent):
    async with gate.linked(agent) as line:
        (order,) = await line.jobs()
        await line.report(order, "printed")


async def age_devices(hub, minutes):
    """Let time pass since anything was heard of any device."""
    aged = sa.text("UPDATE devices SET seen_at = seen_at - make_interval(mins => :minutes)")
    async with hub.db.engine.begin() as tx:
        await tx.execute(aged, {"minutes": minutes})


async def test_an_orders_papers_are_listed(hub, wish):
    """Each with its state and how many were asked for."""
    asked = wish()
    await hub.deliver(asked, wish())
    answer = await hub.http.get("/print-jobs", params={"order_id": str(asked.order_id)})
    (job,) = answer.json()["items"]
    assert job["id"] == str(asked.job_id)
    assert (job["kind"], job["state"], job["device_id"]) == ("deposit_receipt", "queued", None)
    assert job["copies"] == 1
    assert job["at"].endswith("Z")


async def test_papers_come_in_pages_and_by_state(hub, wish):
    """Every paper once, newest first, whatever the page's size."""
    wishes = [wish() for _ in range(5)]
    for one in wishes:
        await hub.deliver(one)
    ids, cursor = [], None
    while True:
        params = {"limit": 2, "state": "queued", **({"cursor": cursor} if cursor else {})}
        page = (await hub.http.get("/print-jobs", params=params)).json()
        ids += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert ids == [str(one.job_id) for one in reversed(wishes)]
    nothing = await hub.http.get("/print-jobs", params={"state": "printed"})
    assert nothing.json()["items"] == []


async def test_a_cursor_of_somebodys_own_is_refused(hub):
    """A page begins only where a page before ended."""
    for place in ("x", '["a","b"]', '["2026-05-10","0"]', f'["2026-05-10","{uuid4()}"]'):
        cursor = base64.urlsafe_b64encode(place.encode()).decode()
        for path in ("/print-jobs", "/devices"):
            answer = await hub.http.get(path, params={"cursor": cursor})
            assert answer.status_code == 422, place


async def test_a_reprint_is_one_copy_more_and_repeating_the_request_adds_none(
    hub, gate, agent, wish
):
    """The same key is the same copy; a second copy waits until the first is printed."""
    await gate.enrol(agent)
    asked = wish()
    await printed(hub, gate, agent, asked)
    body = {"job_id": str(asked.job_id), "reprint": True}
    again = {"Idempotency-Key": "again"}
    for _ in range(2):
        answer = await hub.http.post("/print-jobs", json=body, headers=again)
        assert answer.status_code == 202, answer.text
        assert (answer.json()["state"], answer.json()["copies"]) == ("queued", 2)
    refused = await hub.http.post("/print-jobs", json=body)
    assert (refused.status_code, refused.json()["type"]) == (409, "still-printing")
    other = {"order_id": str(asked.order_id)}
    reused = await hub.http.post("/print-jobs", json=other, headers=again)
    assert reused.status_code == 422
    assert [f.copies for f in await hub.said(PrintJobChanged)] == [1, 1, 1, 2]


async def test_a_copy_of_an_older_paper_does_not_make_it_the_newest(hub, gate, agent, wish):
    """Two deposits, the first receipt copied: the order's newest is still the second's."""
    await gate.enrol(agent)
    order = uuid7()
    first, second = wish(order_id=order), wish(order_id=order)
    for asked in (first, second):
        await printed(hub, gate, agent, asked)
    older = await hub.http.post("/print-jobs", json={"job_id": str(first.job_id)})
    assert older.status_code == 202, older.text
    await print_next(gate, agent)
    newest = await hub.http.post("/print-jobs", json={"order_id": str(order)})
    assert (newest.json()["id"], newest.json()["copies"]) == (str(second.job_id), 2)
    listed = await hub.http.get("/print-jobs", params={"order_id": str(order)})
    ids = [job["id"] for job in listed.json()["items"]]
    assert ids == [str(second.job_id), str(first.job_id)]


async def test_a_paper_of_an_agent_that_died_can_be_asked_for_again(
    hub, gate, agent, make_agent, wish
):
    """Not at once; after minutes of silence a copy comes out elsewhere, and the late word is heard.

    What the agent that is back says of the first paper does not end the copy.
    """
    other = make_agent()
    for one in (agent, other):
        await gate.enrol(one, HARBOUR)
    asked = wish()
    await hub.deliver(asked)
    async with gate.linked(agent) as line:
        (first,) = await line.jobs()
    body = {"job_id": str(asked.job_id)}
    early = await hub.http.post("/print-jobs", json=body)
    assert (early.status_code, early.json()["type"]) == (409, "still-printing")
    await age_devices(hub, minutes=4)
    later = await hub.http.post("/print-jobs", json=body)
    assert (later.status_code, later.json().get("copies")) == (202, 2), later.text
    async with gate.linked(other) as elsewhere:
        (copy,) = await elsewhere.jobs()
        assert (copy.job_id, copy.copy_number) == (asked.job_id, 2)
        async with gate.linked(agent) as back:
            await back.report(first, "printed")
        assert await states_of(hub, asked.order_id) == [("printing", 2)]
        await elsewhere.report(copy, "printed")
    assert await states_of(hub, asked.order_id) == [("printed", 2)]
    said = [(fact.state, fact.copies) for fact in await hub.said(PrintJobChanged)]
    assert said[1:4] == [("printing", 1), ("unknown", 1), ("queued", 2)]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"order_id": str(uuid4())}, "/order_id"),
        ({"job_id": str(uuid4())}, "/job_id"),
        ({}, ""),
        ({"order_id": str(uuid4()), "job_id": str(uuid4())}, ""),
        ({"order_id": str(uuid4()), "reprint": False}, "/reprint"),
        ({"order_id": str(uuid4()), "copies": 3}, "/copies"),
        ({"order_id": "x"}, "/order_id"),
    ],
)
async def test_a_reprint_of_nothing_says_what_is_wrong(hub, body, pointer):
    """An unknown paper, two papers or none: 422 with a pointer, and nothing is printed."""
    answer = await hub.http.post("/print-jobs", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert await hub.said() == []


async def test_a_fresh_order_may_not_be_known_yet(hub):
    """An order of this minute may still be on its way: try again."""
    answer = await hub.http.post(
        "/print-jobs", json={"order_id": str(uuid7())}, headers={"Prefer": "wait=0"}
    )
    assert (answer.status_code, answer.json()["type"]) == (409, "not-known-yet")


async def test_another_stores_papers_are_not_there(hub, gate, agent, wish):
    """A cashier of the market neither sees nor prints the harbour's papers."""
    await gate.enrol(agent)
    asked = wish(store_id=HARBOUR)
    await printed(hub, gate, agent, asked)
    async with hub.client(Role.CASHIER, store_ids=[MARKET]) as cashier:
        listed = await cashier.get("/print-jobs", params={"order_id": str(asked.order_id)})
        assert listed.json()["items"] == []
        body = {"job_id": str(asked.job_id)}
        assert (await cashier.post("/print-jobs", json=body)).status_code in (409, 422)
    async with hub.client(Role.CUSTOMER, customer_id=uuid7()) as customer:
        assert (await customer.get("/print-jobs")).status_code == 403


async def test_the_same_request_for_a_code_gets_the_same_code(hub):
    """A lost answer is asked for again; another request gets another code."""
    body, same = {"name": "till", "store_ids": []}, {"Idempotency-Key": "k"}
    first = await hub.http.post("/devices/enrolment-codes", json=body, headers=same)
    again = await hub.http.post("/devices/enrolment-codes", json=body, headers=same)
    other = await hub.http.post("/devices/enrolment-codes", json=body)
    assert first.status_code == again.status_code == other.status_code == 201
    assert first.json() == again.json()
    assert other.json()["code"] != first.json()["code"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "till", "store_ids": [str(HARBOUR), str(uuid4())]}, "/store_ids/1"),
        ({"name": ""}, "/name"),
        ({"name": "a\x1bb"}, "/name"),
        ({"store_ids": []}, "/name"),
        ({"name": "till", "colour": 1}, "/colour"),
    ],
)
async def test_a_code_for_what_is_not_there_is_refused(hub, body, pointer):
    """Unknown stores and odd names: 422 with a pointer."""
    answer = await hub.http.post("/devices/enrolment-codes", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_a_post_needs_its_key(hub):
    """Without an Idempotency-Key nothing happens."""
    bodies = {
        "/print-jobs": {"order_id": str(uuid4())},
        "/devices/enrolment-codes": {"name": "till"},
        f"/devices/{uuid4()}/revoke": {},
    }
    for path, body in bodies.items():
        answer = await hub.http.post(path, json=body, headers={"Idempotency-Key": " "})
        assert (answer.status_code, answer.json()["status"]) == (400, 400)
    assert (await hub.http.get("/devices")).json()["items"] == []


async def test_revoking_twice_changes_nothing_more(hub, gate, agent):
    """The second manager finds it done."""
    await gate.enrol(agent)
    path = f"/devices/{agent.device_id}/revoke"
    first, second = await hub.http.post(path), await hub.http.post(path)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert (await hub.http.post(f"/devices/{uuid4()}/revoke")).status_code == 404
