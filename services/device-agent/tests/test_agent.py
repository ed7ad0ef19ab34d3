"""The agent against a hub: enrolled, linked, printing once, telling the truth."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from contracts.agent_link import FRAME_BYTES_MAX
from device_agent import app
from device_agent.link import HubRefused


@pytest.fixture
async def linked(hub, agent_here, waits):
    """An enrolled agent with a virtual printer, on its link."""
    agent = agent_here(hub.url)
    await waits(lambda: hub.links, "the link")
    return agent


def papers_of(agent):
    return sorted(file.name for file in agent.papers.rglob("*.bin"))


async def test_a_new_agent_enrols_by_its_code_and_prints_what_the_hub_seals(
    hub, linked, order, waits
):
    """From the code in the settings to the paper in the store's folder."""
    job = order()
    await hub.print(job)
    await waits(lambda: hub.reports, "the report")
    assert hub.states() == [(job.job_id, "printed")]
    assert papers_of(linked) == [f"2026-000123-{job.job_id}-1.bin"]
    paper = linked.papers / "S1" / papers_of(linked)[0]
    app.render(linked.papers)
    assert paper.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


async def test_a_code_that_is_not_good_is_tried_again_when_the_settings_change(
    hub, agent_here, waits
):
    """A clerk who mistypes the code corrects the file; nothing is restarted."""
    hub.code = "OPEN-BARLEY"
    agent = agent_here(hub.url)
    await waits(lambda: hub.refusals, "the refusal")
    agent.config.write_text(agent.config.read_text().replace("OPEN-SESAME", "OPEN-BARLEY"))
    await waits(lambda: hub.links, "the link")


async def test_many_jobs_at_once_are_each_printed_once(hub, linked, order, waits):
    """A busy minute: three hundred papers for ten stores, none lost, none doubled."""
    jobs = [order(store_code=f"S{n % 10}", order_number=f"2026-{n:06}") for n in range(300)]
    await hub.print(*jobs)
    await waits(lambda: len(hub.reports) >= 300, "all reports")
    assert sorted(hub.states()) == sorted((job.job_id, "printed") for job in jobs)
    assert len(papers_of(linked)) == 300
    assert len(hub.seal(*jobs)) < FRAME_BYTES_MAX


async def test_a_job_that_comes_twice_is_printed_once(hub, linked, order, waits):
    """The hub may repeat itself; the printer does not."""
    job = order()
    await hub.print(job)
    await waits(lambda: len(hub.reports) == 1)
    await hub.print(job, job)
    await waits(lambda: len(hub.reports) == 2, "the report again")
    assert hub.states() == [(job.job_id, "printed")] * 2
    assert len(papers_of(linked)) == 1


async def test_a_job_that_comes_again_right_behind_an_acknowledgement_is_reported_again(
    hub, linked, order, waits
):
    """The acknowledgement is for the first report, not for the one that the repetition asks for."""
    job = order()
    hub.repeats = [hub.seal(job)]
    await hub.print(job)
    await waits(lambda: len(hub.reports) == 2, "the report again")
    assert hub.states() == [(job.job_id, "printed")] * 2
    assert len(papers_of(linked)) == 1


async def test_a_job_after_its_end_is_not_printed_and_the_hub_hears_why(hub, linked, order, waits):
    """Nobody waits for yesterday's receipt."""
    job = order(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await hub.print(job)
    await waits(lambda: hub.reports)
    assert hub.states() == [(job.job_id, "failed")]
    assert "time was over" in hub.reports[0].reason
    assert papers_of(linked) == []


async def test_an_altered_job_breaks_the_link_and_the_true_one_is_printed_afterwards(
    hub, linked, order, waits
):
    """What was tampered with on the way is not printed; sent again whole, it is."""
    job = order()
    sealed = hub.seal(job)
    await hub.send(sealed[:-4] + ("AAAA" if not sealed.endswith("AAAA") else "BBBB"))
    hub.to_send = [sealed]
    await waits(lambda: hub.reports)
    assert hub.links == 2
    assert hub.states() == [(job.job_id, "printed")]
    assert len(papers_of(linked)) == 1


async def test_a_result_is_told_until_the_hub_acknowledges_it(hub, linked, order, waits):
    """The line breaks before the hub could note the result: it hears it again, no second paper."""
    hub.acknowledges = False
    job = order()
    await hub.print(job)
    await waits(lambda: hub.reports)
    hub.acknowledges = True
    await hub.cut()
    await waits(lambda: len(hub.reports) == 2, "the report again")
    assert set(hub.states()) == {(job.job_id, "printed")}
    assert len(papers_of(linked)) == 1


async def test_a_power_cut_after_the_paper_leaves_unknown_and_no_second_paper(
    hub, agent_in, order, waits, paper_printer
):
    """E14: the paper is out, the journal does not know yet, the power goes: no silent reprint."""
    paper_printer.silent_when_done = True
    agent = agent_in(
        hub.url,
        f'[printer]\nkind = "network"\nhost = "127.0.0.1"\nport = {paper_printer.port}\n'
        "confirm_timeout_s = 60\n",
    )
    agent.start()
    await waits(lambda: hub.links)
    job = order()
    await hub.print(job)
    await waits(lambda: len(paper_printer.papers) == 1, "the paper")
    agent.kill()
    hub.to_send = [hub.seal(job)]
    paper_printer.silent_when_done = False
    agent.start()
    await waits(lambda: hub.reports, "the report")
    assert set(hub.states()) == {(job.job_id, "unknown")}
    copy = job.model_copy(update={"copy_number": 2})
    await hub.print(copy)
    await waits(lambda: hub.states()[-1] == (job.job_id, "printed"), "the explicit reprint")
    assert len(paper_printer.papers) == 2
    assert paper_printer.printed.count(b"COPY 1") == 2  # Once on each part of the reprint.


async def test_out_of_paper_is_told_to_the_hub_and_the_next_job_prints(
    hub, agent_here, order, waits, paper_printer
):
    """E13: the job fails with the reason; a new roll, and the printer works on."""
    paper_printer.paper_out = True
    agent_here(
        hub.url,
        f'[printer]\nkind = "network"\nhost = "127.0.0.1"\nport = {paper_printer.port}\n',
    )
    await waits(lambda: hub.links)
    first, second = order(), order()
    await hub.print(first)
    await waits(lambda: hub.reports)
    assert (hub.reports[0].state, hub.reports[0].reason) == ("failed", "out of paper")
    paper_printer.paper_out = False
    await hub.print(second)
    await waits(lambda: len(hub.reports) == 2)
    assert hub.states()[1] == (second.job_id, "printed")


async def test_a_store_without_a_printer_fails_its_jobs(hub, agent_here, order, waits):
    """The hub hears that nothing can be printed there, instead of waiting for ever."""
    agent_here(hub.url, "printers = []")
    await waits(lambda: hub.links)
    await hub.print(order())
    await waits(lambda: hub.reports)
    assert hub.reports[0].state == "failed"
    assert "no printer" in hub.reports[0].reason


async def test_scans_reach_the_hub_in_order_even_over_a_broken_line(hub, agent_in, waits):
    """What was scanned while the hub did not listen is there afterwards, each once acknowledged."""
    agent = agent_in(hub.url, '[[scanners]]\nname = "till"\nkind = "stdin"\n')
    agent.start()
    await waits(lambda: hub.links)
    hub.acknowledges = False
    agent.type("4006381333931")
    await waits(lambda: hub.scans)
    hub.acknowledges = True
    await hub.cut()
    agent.type("2026-000123")
    await waits(lambda: hub.scans[-1].code == "2026-000123")
    numbered = {scan.number: (scan.scan_id, scan.code) for scan in hub.scans}
    assert [code for _, (_, code) in sorted(numbered.items())] == ["4006381333931", "2026-000123"]
    assert len({id for id, _ in numbered.values()}) == 2


async def test_a_revoked_agent_stops(hub, linked):
    """The hub says revoked; the agent ends and does not try again."""
    hub.revoked = True
    await hub.cut()
    with pytest.raises(ExceptionGroup) as ended:
        await linked.task
    assert ended.group_contains(HubRefused, match="revoked")


async def test_a_journal_that_cannot_be_written_ends_the_agent_and_the_next_run_prints(
    hub, linked, order, waits
):
    """A full disk leaves no printer silently dead: who keeps the agent starts it anew."""
    with contextlib.closing(sqlite3.connect(linked.journal)) as journal:
        journal.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON jobs BEGIN SELECT RAISE(FAIL, 'full'); END"
        )
        journal.commit()
        job = order()
        await hub.print(job)
        with pytest.raises(ExceptionGroup) as ended:
            await asyncio.wait_for(linked.task, 30)
        assert ended.group_contains(sqlite3.Error, match="full")
        journal.execute("DROP TRIGGER full")
        journal.commit()
    linked.start()
    await waits(lambda: hub.reports, "the report")
    assert hub.states() == [(job.job_id, "printed")]
    assert len(papers_of(linked)) == 1


async def test_an_agent_that_is_told_to_stop_ends_cleanly(hub, agent_in, waits):
    """A supervisor's SIGTERM is obeyed, and nothing is left half done."""
    agent = agent_in(hub.url)
    agent.start()
    await waits(lambda: hub.links)
    assert await asyncio.to_thread(agent.stop) == 0


def test_without_settings_there_is_one_clear_line(tmp_path):
    """A missing settings file says so, without a stack trace."""
    ended = subprocess.run(
        [sys.executable, "-m", "device_agent.app"],
        env={"HOLDFAST_AGENT_CONFIG": str(tmp_path / "none.toml")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("Cannot read")
    assert len(ended.stderr.strip().splitlines()) == 1


async def test_an_agent_killed_at_work_prints_every_paper_once(hub, agent_in, order, waits):
    """Killed again and again amid two hundred papers: each is in its folder, none twice."""
    agent = agent_in(hub.url)
    jobs = [order(store_code=f"S{n % 5}") for n in range(200)]
    agent.start()
    await waits(lambda: hub.links)
    await hub.print(*jobs)
    for kills in (20, 80):
        await waits(lambda so_far=kills: len(papers_of(agent)) >= so_far, f"{kills} papers")
        agent.kill()
        hub.to_send = [hub.seal(*jobs)]
        agent.start()
    await waits(lambda: len({job for job, _ in hub.states()}) == 200, "every report")
    assert {state for _, state in hub.states()} == {"printed"}
    expected = sorted(f"2026-000123-{job.job_id}-1.bin" for job in jobs)
    assert papers_of(agent) == expected
