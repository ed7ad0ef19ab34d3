"""Print jobs and codes by the rules alone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from devices.domain import (
    COPIES_MAX,
    CodeRefused,
    Device,
    EnrolmentCode,
    JobState,
    PrintJob,
    StillPrinting,
    TooManyCopies,
    code_hash,
    in_scope,
    make_code,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 5, 10, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
AGENT, OTHER = UUID(int=1), UUID(int=2)
STORE = UUID(int=3)


def queued(**changes):
    figures = {
        "id": UUID(int=9),
        "order_id": UUID(int=8),
        "store_id": STORE,
        "state": JobState.QUEUED,
        "reason": None,
        "copies": 1,
        "device_id": None,
        "asked_at": NOW,
        "expires_at": NOW + DAY,
        "at": NOW,
        "version": 1,
    }
    return PrintJob(**{**figures, **changes})


@pytest.mark.parametrize("state", [JobState.PRINTED, JobState.FAILED, JobState.UNKNOWN])
def test_a_job_is_queued_then_printing_then_over(state):
    """Each step is one version, so that followers see no gap."""
    printing = queued().handed_to(AGENT, NOW)
    assert (printing.state, printing.device_id) == (JobState.PRINTING, AGENT)
    over = printing.reported(AGENT, 1, state, "why", NOW)
    assert (over.state, over.reason, over.version) == (state, "why", 3)


def test_only_the_agent_that_has_the_job_may_say_how_it_ended():
    """Another agent's word, or a word on an older copy, changes nothing."""
    printing = queued(copies=2).handed_to(AGENT, NOW)
    assert printing.reported(OTHER, 2, JobState.PRINTED, None, NOW) is None
    assert printing.reported(AGENT, 1, JobState.PRINTED, None, NOW) is None


def test_what_is_over_stays_over():
    """A second report of a printed paper is no news."""
    printed = queued().handed_to(AGENT, NOW).reported(AGENT, 1, JobState.PRINTED, None, NOW)
    for state in (JobState.PRINTED, JobState.FAILED, JobState.UNKNOWN):
        assert printed.reported(AGENT, 1, state, None, NOW) is None


def test_a_late_word_of_the_agent_ends_the_doubt():
    """It alone knows what nobody else could."""
    unknown = queued().handed_to(AGENT, NOW).in_doubt("silence", NOW)
    assert unknown.reported(AGENT, 1, JobState.UNKNOWN, None, NOW) is None
    assert unknown.reported(AGENT, 1, JobState.PRINTED, None, NOW).state is JobState.PRINTED


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.PRINTING])
def test_a_paper_on_its_way_is_not_asked_for_again(state):
    """The clerk who presses twice gets one paper."""
    with pytest.raises(StillPrinting):
        queued(state=state).reprinted(NOW, DAY)


@pytest.mark.parametrize("state", [JobState.PRINTED, JobState.FAILED, JobState.UNKNOWN])
def test_a_reprint_is_one_more_copy_with_a_time_of_its_own(state):
    """An unknown paper too is printed again, because somebody asked for it."""
    later = NOW + 9 * DAY
    again = queued(state=state, device_id=AGENT).reprinted(later, DAY)
    assert (again.state, again.copies, again.device_id) == (JobState.QUEUED, 2, None)
    assert again.expires_at == later + DAY


def test_copies_have_a_limit():
    """A stuck key does not empty the roll."""
    with pytest.raises(TooManyCopies):
        queued(state=JobState.PRINTED, copies=COPIES_MAX).reprinted(NOW, DAY)


def test_a_job_nobody_printed_in_time_fails():
    """Not a second before its end."""
    with pytest.raises(AssertionError):
        queued().ended(NOW)
    assert queued().ended(NOW + DAY).state is JobState.FAILED
    with pytest.raises(AssertionError):
        queued().handed_to(AGENT, NOW + DAY)


def test_a_code_is_good_once_and_for_fifteen_minutes():
    """Used or old, it opens nothing."""
    code = EnrolmentCode(UUID(int=1), "till", (), NOW + timedelta(minutes=15), None)
    code.use(NOW + timedelta(minutes=14, seconds=59))
    for bad in (
        EnrolmentCode(code.id, "till", (), code.expires_at, NOW),
        EnrolmentCode(code.id, "till", (), NOW, None),
    ):
        with pytest.raises(CodeRefused):
            bad.use(NOW)


def test_a_code_may_be_typed_with_or_without_its_dashes():
    """What counts are the letters and digits."""
    code = make_code(b"secret", "who", "key")
    assert code_hash(code) == code_hash(code.replace("-", "").lower()) == code_hash(f" {code} ")


@given(st.text(), st.text(), st.text(), st.text())
def test_each_request_has_a_code_of_its_own(who, key, other_who, other_key):
    """The same request the same code, another request another one."""
    same = (who, key) == (other_who, other_key)
    codes = (
        make_code(b"s", f"{len(who)}{who}", key),
        make_code(b"s", f"{len(other_who)}{other_who}", other_key),
    )
    assert (codes[0] == codes[1]) is same


@pytest.mark.parametrize(
    ("transport", "seen_at", "silent"),
    [
        ("websocket", NOW - timedelta(minutes=3), True),
        ("websocket", NOW - timedelta(seconds=179), False),
        ("websocket", None, False),
        ("kafka", NOW - DAY, False),
        ("kafka", None, False),
    ],
)
def test_an_agent_is_silent_when_its_link_gave_no_sign_for_minutes(transport, seen_at, silent):
    """Of an agent on Kafka nobody can say it: there is nothing that it would have to say."""
    device = Device(
        id=AGENT,
        name="till",
        store_ids=(STORE,),
        transport=transport,
        signing_key={},
        sealing_key={},
        enrolled_at=NOW - DAY,
        revoked_at=None,
        link_id=None,
        seen_at=seen_at,
        last_scan=0,
        version=0,
    )
    assert device.is_silent(NOW - timedelta(minutes=3)) is silent


@pytest.mark.parametrize(
    ("stores", "scope", "inside"),
    [
        ((), None, True),
        ((STORE,), None, True),
        ((), frozenset({STORE}), False),
        ((STORE,), frozenset({STORE}), True),
        ((STORE, OTHER), frozenset({STORE}), False),
    ],
)
def test_a_manager_of_some_stores_manages_devices_of_those_alone(stores, scope, inside):
    """A device of every store is the whole chain's."""
    assert in_scope(stores, scope) is inside
