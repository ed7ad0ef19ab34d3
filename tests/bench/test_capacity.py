"""Other sizes: what the real year says, what is full first, and the page that is written."""

import json
import math
from pathlib import Path

import pytest

from bench import chain
from bench.capacity import (
    BEGIN,
    END,
    NEEDED,
    PAGE,
    limit_table,
    measure_flush_ms,
    newest,
    with_figures,
)
from bench.chain import BUSY, WORK, Chain, Year, growing_share, limits, need, with_lines
from bench.limit import CannotMeasure
from bench.simulation import Cost, Costs
from bench.steps import KAFKA, POSTGRES, SERVICES

YEAR = Year(lines=9.0, peak_hour=0.1, peak_day=1.5, peak_partition=2.0)
COSTS = Costs(
    {
        **{name: Cost(batch_ms=0.4, unit_ms=0.06) for name in SERVICES},
        POSTGRES: Cost(batch_ms=0.1, unit_ms=0.02),
        KAFKA: Cost(batch_ms=0.1, unit_ms=0.01),
    }
)


def test_the_real_year_is_counted() -> None:
    """Its baskets and lines are those that the quality page names, its shares are shares."""
    year = chain.real_year()
    assert year.lines == pytest.approx(1_469_307 / 155_848, rel=0.001)
    assert 1 / 24 < year.peak_hour < 0.5
    assert 1 < year.peak_day < 5
    assert 1 <= year.peak_partition < 12


def test_a_chain_asks_most_in_its_busiest_hour() -> None:
    """A thousand stores of 24 orders a day: a tenth of them, and half as many again, in an hour."""
    assert Chain(1_000, 24).rate(YEAR) == pytest.approx(1_000 * 24 * 0.1 * 1.5 / 3600)


def test_the_share_that_grows_with_lines_is_measured_or_assumed() -> None:
    """Orders of one line at twice the rate cost half: three quarters of an order are its lines."""
    stages = {"accept": {"per_s": 100.0}, "hot": {"spread_per_s": [150.0, 200.0, 400.0]}}
    share, measured = growing_share({"stages": stages})
    assert measured
    assert share == pytest.approx(0.75)
    assert growing_share({"stages": {}}) == (chain.GROWING_SHARE, False)
    slow = {**stages, "hot": {"spread_per_s": [90.0]}}
    assert growing_share({"stages": slow}) == (chain.GROWING_SHARE, False)


def test_more_lines_cost_more() -> None:
    """Nine lines instead of three, half of the cost being theirs: twice as much, groups as dear."""
    dearer = with_lines(COSTS, 9, 0.5).of("orders")
    assert dearer.unit_ms == pytest.approx(2 * 0.06)
    assert dearer.batch_ms == 0.4


def test_the_first_limit_is_the_one_that_is_reached_first() -> None:
    """Limits stand in their order, and a dearer inventory is full before all else."""
    found = limits(COSTS, YEAR)
    assert [limit.per_s for limit in found] == sorted(limit.per_s for limit in found)
    dear = Costs({**COSTS.by_process, "inventory": Cost(unit_ms=1.0)})
    assert limits(dear, YEAR)[0].what == "inventory: the relay's leader"
    assert limits(dear, YEAR)[0].per_s == pytest.approx(1000 / WORK.relayed["inventory"])
    assert len(limit_table(found, YEAR, 1_000)) == 2 + len(found)


def test_a_chain_ten_times_as_large_needs_ten_times_as_much() -> None:
    """Processes and cells follow the rate, and nothing is busier than it should be."""
    large, larger = (need(Chain(n, 1_000), YEAR, COSTS, 1.0) for n in (20_000, 200_000))
    assert larger.rate == pytest.approx(10 * large.rate)
    full = limits(COSTS, YEAR)[0].per_s
    for one in (large, larger):
        assert one.cells == math.ceil(one.rate / (BUSY * full))
        assert one.outcome.ended.ended
    assert sum(larger.cores.values()) == pytest.approx(10 * sum(large.cores.values()), rel=0.25)


def test_the_tables_go_between_their_marks() -> None:
    """What people wrote around them stays; a page without marks is refused."""
    page = f"# A\n\n{BEGIN}\nold\n{END}\n\nB\n"
    assert with_figures(page, "new") == f"# A\n\n{BEGIN}\n\nnew\n\n{END}\n\nB\n"
    assert with_figures(PAGE.read_text(), "new").count("new") >= 1
    with pytest.raises(CannotMeasure, match="marks"):
        with_figures("# A\n", "new")


def test_the_newest_run_that_can_be_used_is_taken(tmp_path: Path) -> None:
    """Names are times; a run of some stages is passed over; where none is kept, a line says so."""
    with pytest.raises(CannotMeasure, match="make bench"):
        newest(tmp_path)
    for day, stages in ((1, NEEDED), (2, NEEDED), (3, {"accept"})):
        run = {"stages": {name: {} for name in stages}}
        (tmp_path / f"2026-01-0{day}T000000Z.json").write_text(json.dumps(run))
    assert newest(tmp_path).name == "2026-01-02T000000Z.json"


def test_a_flush_takes_time(tmp_path: Path) -> None:
    """The disk is asked, not a table."""
    assert measure_flush_ms(tmp_path) > 0
