"""Use cases of print jobs on a real database: expiry, doubt, and agents on Kafka."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from contracts.agent_link import JobReport
from contracts.devices import PrintJobChanged, PrintReported
from devices import handlers, store
from devices.domain import ENDED, TOO_LONG, UNHEARD
from devices.handlers import Asked

from .conftest import HARBOUR, customer_state, long_paper

DAY = timedelta(days=1)


@pytest.fixture
def run(hub):
    return hub.db.run


@pytest.fixture
def key(hub):
    return hub.app.state.runtime.parts.key


async def job_of(hub, asked):
    answer = await hub.http.get("/print-jobs", params={"order_id": str(asked.order_id)})
    (job,) = answer.json()["items"]
    return job


def report_on(asked, state="printed", **changes):
    figures = {
        "job_id": asked.job_id,
        "copy_number": 1,
        "state": state,
        "reason": None,
        "at": datetime.now(UTC),
    }
    return JobReport.model_validate({**figures, **changes})


def said_on_kafka(agent, report, proof=None):
    return PrintReported(
        job_id=report.job_id,
        device_id=agent.device_id,
        copy_number=report.copy_number,
        state=report.state,
        reason=report.reason,
        proof=proof or agent.prove_report(report),
        at=report.at,
    )


@pytest.fixture
async def on_kafka(hub, gate, agent, key, run, wish):
    """A paper that was handed over to an agent on Kafka."""
    await gate.enrol(agent, HARBOUR, transport="kafka")
    await hub.deliver(customer_state("c-1", "Ada Byron"))
    asked = wish(customer_key="c-1")
    await hub.deliver(asked)
    now = datetime.now(UTC)
    assert await run(lambda tx: handlers.hand_over_on_kafka(tx, key, "en", now, timedelta())) == 1
    return asked


async def test_a_paper_that_no_agent_printed_in_time_fails_and_says_why(hub, run, wish):
    """Eight days later nobody waits for it; it is not printed then."""
    asked = wish(expires_at=datetime.now(UTC) + 8 * DAY)
    await hub.deliver(asked)
    assert await run(lambda tx: handlers.end_late_jobs(tx, datetime.now(UTC) + 7 * DAY, DAY)) == 0
    assert await run(lambda tx: handlers.end_late_jobs(tx, datetime.now(UTC) + 9 * DAY, DAY)) == 1
    job = await job_of(hub, asked)
    assert (job["state"], job["reason"]) == ("failed", ENDED)


async def test_a_paper_that_names_no_end_lives_a_day(hub, wish):
    """The default is a setting; what orders say goes before it."""
    asked = wish()
    await hub.deliver(asked)
    ends = datetime.fromisoformat((await job_of(hub, asked))["expires_at"])
    assert timedelta(hours=23) < ends - datetime.now(UTC) < timedelta(hours=25)


async def test_the_newest_of_papers_asked_for_together_is_the_last_of_them(hub, run, wish):
    """Two payments within a moment, heard in one batch: their order counts, not their ids."""
    order = uuid4()
    wishes = [wish(job_id=UUID(int=id), order_id=order) for id in (3, 1, 2)]
    asked = [Asked(one, None) for one in wishes]
    await run(lambda tx: handlers.ask_for_papers(tx, asked, datetime.now(UTC), DAY))
    newest = await run(lambda tx: store.lock_newest_of_order(tx, order))
    assert newest.id == wishes[-1].job_id
    listed = await hub.http.get("/print-jobs", params={"order_id": str(order)})
    ids = [job["id"] for job in listed.json()["items"]]
    assert ids == [str(one.job_id) for one in reversed(wishes)]


async def test_an_agent_on_kafka_finds_its_sealed_job_on_the_topic(hub, on_kafka, agent):
    """The fact that hands the job over carries it, for that agent's eyes only."""
    queued, printing = await hub.said(PrintJobChanged)
    assert (queued.state, queued.sealed) == ("queued", None)
    assert (printing.state, printing.device_id) == ("printing", agent.device_id)
    (order,) = agent.open(printing.sealed)
    assert (order.job_id, order.customer_name) == (on_kafka.job_id, "Ada Byron")
    assert "Ada" not in printing.model_dump_json()


async def test_the_signed_report_of_an_agent_on_kafka_ends_the_job(hub, on_kafka, agent):
    """What the device signed counts, once."""
    said = said_on_kafka(agent, report_on(on_kafka))
    await hub.deliver(said)
    await hub.deliver(said, version=1)
    assert (await job_of(hub, on_kafka))["state"] == "printed"
    assert [fact.state for fact in await hub.said(PrintJobChanged)][-1] == "printed"


async def test_a_report_without_the_devices_proof_changes_nothing(hub, on_kafka, agent, make_agent):
    """Who can write to the topic still cannot speak for a device, nor hold up its true word."""
    report = report_on(on_kafka, "failed")
    forged = make_agent().prove_report(report)
    await hub.deliver(said_on_kafka(agent, report, forged))
    assert (await job_of(hub, on_kafka))["state"] == "printing"
    assert await hub.parked() == []
    await hub.deliver(said_on_kafka(agent, report_on(on_kafka)), version=2)
    assert (await job_of(hub, on_kafka))["state"] == "printed"


async def test_the_paper_of_an_agent_on_kafka_is_waited_for(hub, on_kafka):
    """Such an agent shows no sign of life between its papers: nobody can say that it is gone."""
    async with hub.db.engine.begin() as tx:
        await tx.execute(sa.text("UPDATE devices SET seen_at = now() - interval '1 day'"))
    refused = await hub.http.post("/print-jobs", json={"job_id": str(on_kafka.job_id)})
    assert (refused.status_code, refused.json()["type"]) == (409, "still-printing")


async def test_a_job_of_which_nothing_is_heard_becomes_unknown(hub, run, on_kafka):
    """A day after its end the hub stops believing that it will hear more."""
    later = datetime.now(UTC) + 3 * DAY
    assert await run(lambda tx: handlers.end_late_jobs(tx, later, DAY)) == 1
    job = await job_of(hub, on_kafka)
    assert (job["state"], job["reason"]) == ("unknown", UNHEARD)


async def test_another_devices_report_is_no_news(hub, run, on_kafka):
    """Only the agent that has the paper can say how it ended."""
    report = report_on(on_kafka)
    now = datetime.now(UTC)
    assert await run(lambda tx: handlers.record_reports(tx, uuid4(), [report], now)) == 0
    assert (await job_of(hub, on_kafka))["state"] == "printing"


async def test_a_batch_of_reports_names_each_job_once(hub, run, on_kafka, agent):
    """Two words on one paper in a batch: the first one stands, and the versions have no hole."""
    reports = [report_on(on_kafka), report_on(on_kafka, "failed"), report_on(on_kafka)]
    unknown = report_on(on_kafka, job_id=UUID(int=77))
    now = datetime.now(UTC)
    recorded = await run(
        lambda tx: handlers.record_reports(tx, agent.device_id, [*reports, unknown], now)
    )
    assert recorded == 1
    assert (await job_of(hub, on_kafka))["state"] == "printed"


async def test_a_paper_too_long_for_kafka_fails_at_once(hub, gate, agent, key, run, wish):
    """It would never arrive: it fails and says why, and the paper behind it is handed over."""
    await gate.enrol(agent, HARBOUR, transport="kafka")
    long, short = wish(**long_paper(1000, 400)), wish()
    await hub.deliver(long, short)
    now = datetime.now(UTC)
    assert await run(lambda tx: handlers.hand_over_on_kafka(tx, key, "en", now, timedelta())) == 1
    job = await job_of(hub, long)
    assert (job["state"], job["reason"]) == ("failed", TOO_LONG)
    assert (await job_of(hub, short))["state"] == "printing"
    said = [fact for fact in await hub.said(PrintJobChanged) if fact.job_id == long.job_id]
    assert [fact.state for fact in said] == ["queued", "failed"]
