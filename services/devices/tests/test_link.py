"""The hub and its agents: who may link, what they are given, and that nothing is printed twice."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
import sqlalchemy as sa
from chassis.ids import uuid7
from contracts.agent_link import (
    PROOF_TYPE,
    Enrolled,
    Heartbeat,
    LinkRefused,
    Proof,
    ScanRead,
    Scans,
)
from contracts.devices import PrintJobChanged, Scanned
from contracts.identity import Role
from contracts.orders import CustomerErased
from devices.domain import TOO_LONG

from . import conftest
from .conftest import HARBOUR, MARKET, customer_state, long_paper, states_of


async def test_a_code_makes_an_agent_a_device_once(hub, gate, agent, make_agent):
    """The second agent with the same code is refused, and the registry shows one device."""
    code = await gate.code(HARBOUR)
    assert isinstance(await gate.enrol(agent, code=code), Enrolled)
    refused = await gate.enrol(make_agent(), code=code)
    assert (refused.type, refused.reason) == ("refused", "code_refused")
    (device,) = (await hub.http.get("/devices")).json()["items"]
    assert (device["name"], device["store_ids"]) == ("till", [str(HARBOUR)])
    assert (device["id"], device["state"]) == (str(agent.device_id), "away")


async def test_a_code_that_ended_enrols_nobody(hub, gate, agent):
    """After fifteen minutes it is paper."""
    code = await gate.code()
    async with hub.db.engine.begin() as tx:
        await tx.execute(sa.text("UPDATE enrolment_codes SET expires_at = now()"))
    assert (await gate.enrol(agent, code=code)).reason == "code_refused"


async def test_a_code_is_not_kept_readable(hub, gate):
    """Who reads the database cannot enrol with what is there."""
    code = await gate.code()
    async with hub.db.reading() as tx:
        row = (await tx.execute(sa.text("SELECT * FROM enrolment_codes"))).one()
    assert code not in str(row)
    assert code.replace("-", "") not in str(row)


async def test_an_agent_that_does_not_hold_the_key_is_refused(gate, agent, make_agent):
    """A device's id without its key opens nothing, nor does a proof of another connection."""
    await gate.enrol(agent)
    thief = make_agent()
    thief.device_id = agent.device_id
    async with gate.open(thief) as (line, nonce):
        await line.say(thief.hello(nonce))
        assert (await line.hear()).reason == "proof_refused"
    async with gate.open(agent) as (_, old_nonce):
        pass
    async with gate.open(agent) as (line, _):
        await line.say(agent.hello(old_nonce))
        assert (await line.hear()).reason == "proof_refused"


async def test_a_proof_for_something_else_does_not_link(gate, agent):
    """A proof that names another device is none for this one."""
    await gate.enrol(agent)
    async with gate.open(agent) as (line, nonce):
        proof = agent.sign(PROOF_TYPE, Proof(nonce=nonce, subject=str(UUID(int=5))))
        await line.say(agent.hello(nonce).model_copy(update={"proof": proof}))
        assert (await line.hear()).reason == "proof_refused"


@pytest.mark.parametrize("frame", ["{}", "not json", '{"type":"heartbeat"}'])
async def test_who_does_not_speak_the_links_language_is_cut(gate, agent, frame):
    """Noise ends the connection with a word, not with an error of ours."""
    async with gate.open(agent) as (line, _):
        await line.socket.send(frame)
        assert (await line.hear()).reason == "not_understood"


async def test_a_paper_reaches_the_agent_of_its_store_with_the_customers_name(
    hub, gate, agent, wish
):
    """The name joins the figures only inside the seal; the agent's word ends the job."""
    await gate.enrol(agent, HARBOUR)
    await hub.deliver(customer_state("c-1", "Айгүл Нұрланқызы"))
    async with gate.linked(agent) as line:
        asked = wish(customer_key="c-1")
        await hub.deliver(asked)
        (order,) = await line.jobs()
        assert (order.customer_name, order.language) == ("Айгүл Нұрланқызы", "kk")
        assert (order.store_code, order.store_name) == ("S1", "Harbour Street")
        assert (order.order_number, order.due, order.copy_number) == ("2026-000123", asked.due, 1)
        await line.report(order, "printed")
        assert await states_of(hub, asked.order_id) == [("printed", 1)]
    said = await hub.said(PrintJobChanged)
    assert [fact.state for fact in said] == ["queued", "printing", "printed"]
    assert all(fact.sealed is None for fact in said)
    async with hub.db.reading() as tx:
        payloads = (await tx.execute(sa.text("SELECT payload FROM outbox"))).scalars().all()
        versions = (await tx.execute(sa.text("SELECT version FROM outbox"))).scalars().all()
    assert not any("Айгүл".encode() in payload for payload in payloads)
    assert versions == [1, 2, 3]


async def test_a_paper_asked_for_twice_is_printed_once(hub, gate, agent, wish):
    """The same job id is the same paper, whoever asks again."""
    await gate.enrol(agent)
    async with gate.linked(agent) as line:
        asked = wish()
        await hub.deliver(asked, asked, asked)
        (order,) = await line.jobs()
        await line.report(order, "printed")
        await hub.deliver(asked)
        assert await states_of(hub, asked.order_id) == [("printed", 1)]
        await line.say(Heartbeat())
        other = wish()
        await hub.deliver(other)
        assert [one.job_id for one in await line.jobs()] == [other.job_id]


async def test_a_paper_waits_for_the_agent_of_its_store(hub, gate, agent, make_agent, wish):
    """Another store's agent does not get it; its own gets it on linking."""
    market = make_agent()
    await gate.enrol(agent, HARBOUR)
    await gate.enrol(market, MARKET)
    async with gate.linked(market) as line:
        there, here = wish(store_id=MARKET), wish(store_id=HARBOUR)
        await hub.deliver(here, there)
        assert [one.job_id for one in await line.jobs()] == [there.job_id]
        assert await states_of(hub, here.order_id) == [("queued", 1)]
        async with gate.linked(agent) as own:
            assert [one.job_id for one in await own.jobs()] == [here.job_id]


async def test_a_stores_own_agent_comes_before_one_for_every_store(
    hub, gate, agent, make_agent, wish
):
    """The chain's spare agent prints only where nobody else does."""
    everywhere = make_agent()
    await gate.enrol(everywhere)
    await gate.enrol(agent, HARBOUR)
    async with gate.linked(everywhere) as spare, gate.linked(agent) as own:
        here, there = wish(store_id=HARBOUR), wish(store_id=MARKET)
        await hub.deliver(here, there)
        assert [one.job_id for one in await own.jobs()] == [here.job_id]
        assert [one.job_id for one in await spare.jobs()] == [there.job_id]


async def test_a_paper_that_was_under_way_when_the_line_broke_is_sent_again(hub, gate, agent, wish):
    """The agent that knows it prints nothing; the one that never got it does."""
    await gate.enrol(agent)
    asked = wish()
    async with gate.linked(agent) as line:
        await hub.deliver(asked)
        (first,) = await line.jobs()
    async with gate.linked(agent) as line:
        (again,) = await line.jobs()
        assert again == first
        await line.report(again, "printed")
    assert await states_of(hub, asked.order_id) == [("printed", 1)]


async def test_a_paper_waits_a_moment_for_the_customers_name(hub, gate, agent, wish):
    """The name comes on another topic and may come later than the payment."""
    await gate.enrol(agent)
    async with gate.linked(agent) as line:
        await hub.deliver(wish(customer_key="late"))
        with pytest.raises(TimeoutError):
            await line.hear(seconds=1.5)
        await hub.deliver(customer_state("late", "Ada Byron"))
        (order,) = await line.jobs()
        assert order.customer_name == "Ada Byron"


async def test_an_erased_customers_paper_is_printed_without_the_name(hub, gate, agent, wish):
    """Erased is erased, on a reprint too."""
    await gate.enrol(agent)
    await hub.deliver(customer_state("c-1", "Ada Byron"))
    await hub.deliver(CustomerErased(customer_key="c-1"))
    async with hub.db.reading() as tx:
        names = (await tx.execute(sa.text("SELECT name FROM customers"))).scalars().all()
    assert names == [None]
    async with gate.linked(agent) as line:
        await hub.deliver(wish(customer_key="c-1"))
        (order,) = await line.jobs()
        assert order.customer_name is None


async def test_unknown_is_not_printed_again_until_somebody_asks(hub, gate, agent, wish):
    """I6: a paper in doubt stays in doubt; the explicit reprint is copy two."""
    await gate.enrol(agent)
    asked = wish()
    async with gate.linked(agent) as line:
        await hub.deliver(asked)
        (order,) = await line.jobs()
        await line.report(order, "unknown", "power cut")
    async with gate.linked(agent) as line:
        with pytest.raises(TimeoutError):
            await line.hear(seconds=1.5)
        answer = await hub.http.post("/print-jobs", json={"order_id": str(asked.order_id)})
        assert (answer.status_code, answer.json()["copies"]) == (202, 2)
        (copy,) = await line.jobs()
        assert (copy.job_id, copy.copy_number) == (asked.job_id, 2)
        await line.report(copy, "printed")
    assert await states_of(hub, asked.order_id) == [("printed", 2)]


async def test_a_revoked_agent_is_cut_and_its_paper_is_in_doubt(hub, gate, agent, wish):
    """Cut well within a minute, and it cannot link again."""
    await gate.enrol(agent)
    asked = wish()
    async with gate.linked(agent) as line:
        await hub.deliver(asked)
        await line.jobs()
        answer = await hub.http.post(f"/devices/{agent.device_id}/revoke")
        assert answer.json()["state"] == "revoked"
        cut = await line.hear(seconds=30)
        assert (cut.type, cut.reason) == ("refused", "revoked")
    assert await states_of(hub, asked.order_id) == [("unknown", 1)]
    async with gate.open(agent) as (line, nonce):
        await line.say(agent.hello(nonce))
        assert (await line.hear()).reason == "revoked"


async def test_a_second_connection_of_a_device_takes_over(hub, gate, agent, wish):
    """A link that died unnoticed does not keep the new one from its jobs."""
    await gate.enrol(agent)
    async with gate.linked(agent) as old, gate.linked(agent) as new:
        await hub.deliver(wish())
        assert len(await new.jobs()) == 1
        refused = await old.hear(seconds=30)
        assert isinstance(refused, LinkRefused)
        assert refused.reason == "replaced"


async def test_scans_are_said_once_each_in_the_devices_order(hub, gate, agent):
    """Sent again after a broken line, they are not said again."""
    await gate.enrol(agent, HARBOUR)

    def scan(number, code, store_id=None):
        return ScanRead(
            scan_id=uuid7(),
            number=number,
            store_id=store_id,
            scanner="till",
            code=code,
            symbology=None,
            at=datetime.now(UTC),
        )

    first, second = scan(1, "4006381333931"), scan(2, "2026-000123", MARKET)
    async with gate.linked(agent) as line:
        await line.say(Scans(scans=(first,)))
        assert (await line.hear()).scans_up_to == 1
        await line.say(Scans(scans=(first, second)))
        assert (await line.hear()).scans_up_to == 2
    said = await hub.said(Scanned)
    assert [fact.code for fact in said] == ["4006381333931", "2026-000123"]
    assert [fact.store_id for fact in said] == [HARBOUR, HARBOUR]  # It does not serve the market.


async def test_many_papers_are_handed_over_in_few_frames(hub, gate, agent, wish):
    """A busy minute: three hundred papers, each handed over once, in the order asked for."""
    await gate.enrol(agent)
    asked = [wish() for _ in range(300)]
    await hub.deliver(*asked)
    got, frames = [], 0
    async with gate.linked(agent) as line:
        while len(got) < len(asked):
            got += [one.job_id for one in await line.jobs()]
            frames += 1
    assert got == [one.job_id for one in asked]
    assert frames < 10


async def test_two_replicas_hand_each_paper_over_once(hub, gate, agent, make_agent, wish, key_file):
    """Jobs come from the database: whichever replica has the store's link gives it."""
    market = make_agent()
    await gate.enrol(agent, HARBOUR)
    await gate.enrol(market, MARKET)
    async with (
        conftest.replica(hub, key_file) as other,
        gate.linked(agent) as here,
        other.linked(market) as there,
    ):
        asked = [wish(store_id=store) for store in (HARBOUR, MARKET) * 10]
        await hub.deliver(*asked)
        for line, store in ((here, HARBOUR), (there, MARKET)):
            got = []
            while len(got) < 10:
                got += [one.job_id for one in await line.jobs()]
            assert got == [one.job_id for one in asked if one.store_id == store]


async def test_a_manager_of_one_store_cannot_touch_another_stores_agent(hub, gate, agent):
    """What one may not see does not exist."""
    await gate.enrol(agent, MARKET)
    async with hub.client(Role.MANAGER, store_ids=[HARBOUR]) as other:
        assert (await other.get("/devices")).json()["items"] == []
        assert (await other.post(f"/devices/{agent.device_id}/revoke")).status_code == 404
        body = {"name": "mine", "store_ids": [str(MARKET)]}
        assert (await other.post("/devices/enrolment-codes", json=body)).status_code == 404
        body = {"name": "all"}
        assert (await other.post("/devices/enrolment-codes", json=body)).status_code == 404
    async with hub.client(Role.CASHIER) as cashier:
        assert (await cashier.get("/devices")).status_code == 403


async def test_silence_ends_a_link(hub, gate, agent, wish):
    """An agent that fell silent is away, and its jobs wait for it in the database."""
    await gate.enrol(agent)
    hub.app.state.runtime.parts.hub.settings = hub.app.state.runtime.settings.model_copy(
        update={"heartbeat_s": 0.5}
    )
    async with gate.linked(agent) as line:
        refused = await line.hear(seconds=30)
        assert refused.reason == "replaced"
        await asyncio.wait_for(line.socket.wait_closed(), 10)
    (device,) = (await hub.http.get("/devices")).json()["items"]
    assert device["state"] == "away"


async def test_a_paper_too_long_for_the_link_fails_and_a_long_one_arrives(hub, gate, agent, wish):
    """An order of a thousand lines is printed; one that no frame can hold fails and says why."""
    await gate.enrol(agent)
    too_long, long = wish(**long_paper(1000, 400)), wish(**long_paper(1000, 80))
    await hub.deliver(too_long, long)
    async with gate.linked(agent) as line:
        (order,) = await line.jobs()
        assert (order.job_id, len(order.lines)) == (long.job_id, 1000)
    query = {"order_id": str(too_long.order_id)}
    (job,) = (await hub.http.get("/print-jobs", params=query)).json()["items"]
    assert (job["state"], job["reason"]) == ("failed", TOO_LONG)
