"""Percentiles, rates, arrivals: the arithmetic that every figure of the bench passes through."""

import asyncio

import pytest

from bench.arrivals import arrivals_s, closed_loop, open_loop
from bench.figures import Course, median, percentile, percentiles_ms


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """Of a hundred values the 99th is the 99th, and of three it is the greatest."""
    assert percentile([float(n) for n in range(100, 0, -1)], 99) == 99
    assert percentile([3.0, 1.0, 2.0], 99) == 3
    assert percentile([3.0, 1.0, 2.0], 50) == 2
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_latencies_are_told_in_ms() -> None:
    """Seconds in, milliseconds out, and nothing is told of nothing."""
    assert percentiles_ms([0.010, 0.020]) == {"p50": 10.0, "p95": 20.0, "p99": 20.0, "max": 20.0}
    assert percentiles_ms([]) == {}


def test_the_median_of_three_is_the_middle_one() -> None:
    """One odd round does not decide; of an even number the two middle ones share."""
    assert median([900.0, 10.0, 11.0]) == 11
    assert median([1.0, 2.0]) == 1.5


def test_a_rate_counts_only_its_window() -> None:
    """What ended before the ramp was over, or after the load, is not in the rate."""
    course = Course()
    for at in (0.5, 1.0, 1.5, 2.5, 3.0):
        course.add(at, 0.1)
    assert course.rate(1.0, 3.0) == 1.5


def test_a_second_in_which_nothing_ended_is_seen() -> None:
    """A stall is a row with 0, not a row that is missing."""
    course = Course()
    course.add(0.2, 0.010)
    course.add(2.1, 0.030)
    assert course.by_second() == [(0, 1, 10.0, 10.0), (1, 0, None, None), (2, 1, 30.0, 30.0)]


def test_arrivals_follow_their_rate_and_their_seed() -> None:
    """The same seed is the same plan, and the plan has the rate that was asked for."""
    plan = list(arrivals_s(200, 50, seed=7))
    assert plan == list(arrivals_s(200, 50, seed=7))
    assert plan != list(arrivals_s(200, 50, seed=8))
    assert plan == sorted(plan)
    assert plan[0] > 0
    assert plan[-1] < 50
    assert 9_500 < len(plan) < 10_500


async def test_arrivals_do_not_wait_for_answers() -> None:
    """A stalled system gets its next orders all the same, and their wait counts from when due."""
    begun: list[float] = []
    answered = asyncio.Event()
    planned = len(list(arrivals_s(1_000, 0.05, seed=3)))

    async def work(due: float) -> None:
        begun.append(due)
        if len(begun) == planned:
            answered.set()  # Only when the last has begun does anyone get an answer.
        await answered.wait()

    async with asyncio.timeout(30):
        left_out = await open_loop(1_000, 0.05, 3, work)
    assert left_out == 0
    assert len(begun) == planned
    assert begun == sorted(begun)


async def test_callers_wait_for_their_own_answers_only() -> None:
    """As many pieces are under way as there are callers, never more."""
    under_way = most = 0

    async def work(due: float) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    await closed_loop(5, 0.02, work)
    assert most == 5
