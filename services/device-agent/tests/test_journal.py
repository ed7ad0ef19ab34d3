"""The journal keeps its word over a power cut, and never lets a paper out twice."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from device_agent.journal import JobKey, Journal
from device_agent.scribe import Scribe

NOW = datetime(2026, 5, 10, 9, 0, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite3")
    yield journal
    journal.close()


def key_of(order):
    return JobKey(order.job_id, order.copy_number)


def nobody_knows(_):
    return None


def test_a_job_goes_from_queued_over_printing_to_printed_and_is_reported_once(journal, order):
    """The hub hears of a paper until it says that it knows."""
    job = order()
    assert journal.take_jobs([job], NOW) == [job]
    assert journal.unreported(9) == ()
    journal.start_printing(key_of(job), NOW)
    journal.finish(key_of(job), "printed", None, NOW)
    (report,) = journal.unreported(9)
    assert (report.job_id, report.state) == (job.job_id, "printed")
    journal.acknowledged([report])
    assert journal.unreported(9) == ()


def test_a_job_that_comes_again_is_not_new_but_its_end_is_said_again(journal, order):
    """The hub that missed the report gets it, not a second paper."""
    job = order()
    journal.take_jobs([job], NOW)
    journal.start_printing(key_of(job), NOW)
    journal.finish(key_of(job), "printed", None, NOW)
    journal.acknowledged(journal.unreported(9))
    assert journal.take_jobs([job], NOW) == []
    assert [report.state for report in journal.unreported(9)] == ["printed"]


def test_a_reprint_is_a_paper_of_its_own(journal, order):
    """Copy two of a printed job is new."""
    job = order()
    journal.take_jobs([job], NOW)
    copy = job.model_copy(update={"copy_number": 2})
    assert journal.take_jobs([job, copy], NOW) == [copy]


def test_after_a_power_cut_what_was_printing_is_unknown_and_what_was_queued_is_printed(
    tmp_path, order
):
    """Nobody can know whether the paper came out, so nobody prints it again silently."""
    begun, waiting = order(), order()
    before = Journal(tmp_path / "journal.sqlite3")
    before.take_jobs([begun, waiting], NOW)
    before.start_printing(key_of(begun), NOW)
    before.close()
    after = Journal(tmp_path / "journal.sqlite3")
    assert after.recover(nobody_knows, NOW) == [waiting]
    assert [(r.job_id, r.state) for r in after.unreported(9)] == [(begun.job_id, "unknown")]
    assert after.recover(nobody_knows, NOW) == [waiting]
    after.close()


@pytest.mark.parametrize(("out", "printed_again"), [(True, False), (False, True)])
def test_a_printer_that_can_tell_leaves_no_doubt_after_a_power_cut(
    journal, order, out, printed_again
):
    """A folder shows whether the paper is there: then it is printed, else it is printed now."""
    job = order()
    journal.take_jobs([job], NOW)
    journal.start_printing(key_of(job), NOW)
    assert journal.recover(lambda _: out, NOW) == ([job] if printed_again else [])
    assert [r.state for r in journal.unreported(9)] == ([] if printed_again else ["printed"])


def test_a_finished_job_leaves_no_name_behind(tmp_path, order):
    """Once the paper is out, the customer's name is not on the store's disk any more."""
    job = order(customer_name="Zebedee Quillfeather")
    journal = Journal(tmp_path / "journal.sqlite3")
    journal.take_jobs([job], NOW)
    journal.start_printing(key_of(job), NOW)
    journal.finish(key_of(job), "printed", None, NOW)
    journal.close()  # The last connection writes the log back into the file.
    for file in tmp_path.iterdir():
        assert b"Quillfeather" not in file.read_bytes()


def test_an_illegal_step_raises(journal, order):
    """A job that is over neither starts nor ends again."""
    job = order()
    journal.take_jobs([job], NOW)
    journal.finish(key_of(job), "failed", "no printer", NOW)
    with pytest.raises(AssertionError):
        journal.start_printing(key_of(job), NOW)
    with pytest.raises(AssertionError):
        journal.finish(key_of(job), "printed", None, NOW)


def test_scans_are_numbered_without_gaps_and_kept_until_they_are_sent(journal):
    """What was read while the line was down is there when it is up again, in order."""
    for code in ("4006381333931", "2026-000123", "x"):
        journal.add_scan(uuid4(), None, "till", code, NOW)
    assert [(scan.number, scan.code) for scan in journal.unsent_scans(2)] == [
        (1, "4006381333931"),
        (2, "2026-000123"),
    ]
    journal.scans_sent(2)
    assert [scan.code for scan in journal.unsent_scans(9)] == ["x"]
    journal.scans_sent(3)
    journal.add_scan(uuid4(), None, "till", "y", NOW)
    assert [scan.number for scan in journal.unsent_scans(9)] == [4]


def test_old_jobs_are_forgotten_only_after_the_hub_knows_their_end(journal, order):
    """A report that never got through outlives the clean-up."""
    said, unsaid = order(expires_at=NOW), order(expires_at=NOW)
    journal.take_jobs([said, unsaid], NOW)
    for job in (said, unsaid):
        journal.finish(key_of(job), "failed", "late", NOW)
    journal.acknowledged([r for r in journal.unreported(9) if r.job_id == said.job_id])
    journal.forget_before(NOW + timedelta(days=31))
    assert [report.job_id for report in journal.unreported(9)] == [unsaid.job_id]


def test_the_journal_is_for_the_agents_own_eyes(tmp_path, journal):
    """The keys inside are readable by nobody else on the machine."""
    assert (tmp_path / "journal.sqlite3").stat().st_mode & 0o077 == 0


async def test_changes_that_wait_together_are_all_written_and_one_that_fails_fails_alone(
    tmp_path, order
):
    """One broken change takes no other down with it."""
    scribe = Scribe(Journal(tmp_path / "group.sqlite3"))
    jobs = [order() for _ in range(20)]
    taking = [scribe.write(Journal.take_jobs, [job], NOW) for job in jobs]
    broken = scribe.write(Journal.start_printing, JobKey(uuid4(), 1), NOW)
    *taken, refused = await asyncio.gather(*taking, broken, return_exceptions=True)
    assert taken == [[job] for job in jobs]
    assert isinstance(refused, AssertionError)
    assert await scribe.write(Journal.states) == {"queued": 20}
    await scribe.close()
