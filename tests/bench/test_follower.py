"""What the bench hears in the facts, and how it matches it with what it sent."""

import json

from bench.follower import Matches, heard_in


def test_only_the_first_decision_of_an_order_counts() -> None:
    """The time runs from the sending to the first fact; later facts change nothing."""
    told: list[tuple[float, float]] = []
    matches = Matches(lambda at, took: told.append((at, took)))
    matches.send("a", 10.0)
    matches.hear("a", 10.5)
    matches.hear("a", 11.0)
    assert told == [(10.5, 0.5)]
    assert matches.waiting == 0


def test_a_fact_may_be_heard_before_the_bench_waits_for_it() -> None:
    """Facts overtake answers; the order is matched all the same."""
    told: list[tuple[float, float]] = []
    matches = Matches(lambda at, took: told.append((at, took)))
    matches.hear("a", 10.5)
    matches.send("b", 10.0)
    matches.send("a", 10.2)
    assert [round(took, 3) for _, took in told] == [0.3]
    assert matches.waiting == 1


def test_each_fact_tells_of_its_order() -> None:
    """Decided by the type, printed and closed by what the body says."""
    printed = json.dumps({"order_id": "o", "state": "printed"}).encode()
    queued = json.dumps({"order_id": "o", "state": "queued"}).encode()
    closed = json.dumps({"status": "closed"}).encode()
    open_still = json.dumps({"status": "ready"}).encode()
    assert heard_in("o", "holds_decided.v1", None) == ("decided", "o")
    assert heard_in("job", "print_job_changed.v1", printed) == ("printed", "o")
    assert heard_in("job", "print_job_changed.v1", queued) is None
    assert heard_in("o", "order_progressed.v1", closed) == ("closed", "o")
    assert heard_in("o", "order_progressed.v1", open_still) is None
    assert heard_in("o", "holds_changed.v1", b"{}") is None
