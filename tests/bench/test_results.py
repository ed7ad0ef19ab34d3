"""The shape of a run's file, its table and its picture."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.plots import plot, timelines
from bench.results import BARS, Bar, figure_at, result_of, write
from bench.table import bars_table, print_result

ABOUT = {
    "started_at": "2026-01-02T03:04:05+00:00",
    "short": False,
    "machine": {"processor": "a processor", "cores": 2},
    "commit": "unknown",
    "versions": {"python": "3.11"},
}
MARKS = {"p50": 5.0, "p95": 9.0, "p99": 12.0, "max": 40.0}
RATE = {"orders": 10, "per_s": 100.0, "limit_per_s": 1000.0, "behind_at_end_s": 0.1}
COSTS = {"orders": 1.5, "postgres": 0.5, "system": 2.0, "generator": 0.25}
STAGES = {
    "start": {"ready_s": 31.0},
    "accept": {
        "ratio": 0.1,
        "stolen": 0.02,
        "failures": {"429": 3},
        "cpu_ms_per_order": COSTS,
        "timeline": [(0, 4, 5.0, 12.0), (1, 0, None, None), (2, 6, 6.0, 13.0)],
        **RATE,
    },
    "latency": {
        "accept": MARKS,
        "decided": MARKS,
        "printed": MARKS,
        "flows": {"timeline": [(0, 1, 5.0, 5.0)]},
    },
    "journal": {"worst_ms": {**MARKS, "p99": 71.0}},
    "memory": {"together_mib": 2100.0},
}
NOT_MEASURED = {"year": "CannotMeasure: the disk is small"}


def test_the_file_has_the_shape_that_readers_expect(tmp_path: Path) -> None:
    """Ratios, latencies, costs, memory, start and year at the top; what is missing is named."""
    path = write(result_of(STAGES, NOT_MEASURED, ABOUT), tmp_path, datetime(2026, 1, 2, tzinfo=UTC))
    assert path.name == "2026-01-02T000000Z.json"
    result = json.loads(path.read_text())
    assert result["ratios"] == {"accept": 0.1}
    assert result["latency_ms"]["accept"]["p99"] == 12
    assert result["latency_ms"]["journal"]["p99"] == 71
    assert result["cpu_ms_per_order"] == {"accept": COSTS}
    assert result["memory_mib"] == 2100
    assert result["ready_s"] == 31
    assert result["year_s"] is None
    assert result["not_measured"] == NOT_MEASURED
    assert {"machine", "versions", "commit", "started_at", "short", "stages"} <= result.keys()


def test_every_bar_finds_its_figure_or_says_that_there_is_none() -> None:
    """A bar that looks in the wrong place would say `not measured` for ever."""
    result = result_of(STAGES, NOT_MEASURED, ABOUT)
    found = {bar.what: figure_at(result, bar.path) for bar in BARS}
    measured = {what for what, figure in found.items() if figure is not None}
    assert found["accept p99"] == 12
    assert found["memory of all processes"] == 2100
    assert measured == {
        "accept, of the limit",
        "accept p99",
        "accept to holds decided p99",
        "payment to paper printed p99",
        "journal page p99, worst filter",
        "ready",
        "memory of all processes",
    }


def test_a_bar_is_a_floor_or_a_ceiling() -> None:
    """0.2 of the limit is enough, 50 ms are not too many."""
    assert Bar("a rate", (), 0.2, True).holds(0.2)
    assert not Bar("a rate", (), 0.2, True).holds(0.19)
    assert Bar("a time", (), 50, False).holds(50)
    assert not Bar("a time", (), 50, False).holds(51)


def test_the_table_says_what_holds_and_what_does_not() -> None:
    """One screen: each bar, each rate, each process, and what was not measured and why."""
    console = Console(file=io.StringIO(), width=120)
    print_result(console, result_of(STAGES, NOT_MEASURED, ABOUT))
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "does not hold" in next(line for line in said.splitlines() if "accept, of" in line)
    assert "does not hold" not in next(line for line in said.splitlines() if "accept p99" in line)
    assert "not measured" in next(line for line in said.splitlines() if "a real year" in line)
    assert "Not measured: year: CannotMeasure: the disk is small" in said
    assert "postgres" in said


def test_the_picture_has_every_stage_that_has_a_course(tmp_path: Path) -> None:
    """Stages inside a stage are drawn too; without any there is no file."""
    assert set(timelines(STAGES)) == {"accept", "latency flows"}
    assert plot(STAGES, tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert not plot({"start": {"ready_s": 1.0}}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_year_that_is_not_whole_does_not_hold() -> None:
    """A single basket that was not closed in time is told, and the year has no seconds."""
    result = result_of({"year": {"year_s": None, "share_in_time": 155_847 / 155_848}}, {}, ABOUT)
    console = Console(file=io.StringIO(), width=120)
    console.print(bars_table(result))
    assert isinstance(console.file, io.StringIO)
    row = next(line for line in console.file.getvalue().splitlines() if "a real year" in line)
    assert "does not hold" in row
    assert result["year_s"] is None
