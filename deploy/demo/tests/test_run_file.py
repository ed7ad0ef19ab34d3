"""An interrupted run goes on as the same run."""

from datetime import date
from pathlib import Path

from demo.run_file import RunFile

from .fake_api import new_id
from .samples import NOW, SETTINGS

DAY = date(2017, 5, 17)


def test_a_run_that_is_read_again_has_the_same_keys_and_ids(tmp_path: Path) -> None:
    """Keys, ids, settings and what is done survive the process."""
    run = RunFile.at(tmp_path, DAY, 1, new_id)
    run.begin(SETTINGS, NOW)
    order = run.id_of("order:5")
    run.mark_done("order:5")
    again = RunFile.at(tmp_path, DAY, 1, new_id)
    assert again.begun
    assert again.finished_at is None
    assert again.key(5, "place") == run.key(5, "place")
    assert again.id_of("order:5") == order
    assert again.is_done("order:5")
    assert not again.is_done("order:6")
    assert again.settings == SETTINGS
    assert again.started_at == NOW


def test_a_line_cut_off_by_a_kill_is_dropped(tmp_path: Path) -> None:
    """The run goes on with what was written whole, and writes on after it."""
    run = RunFile.at(tmp_path, DAY, 1, new_id)
    run.begin(SETTINGS, NOW)
    kept = run.id_of("order:5")
    with run.path.open("a") as file:
        file.write('["id:order:6", "0198')
    again = RunFile.at(tmp_path, DAY, 1, new_id)
    assert again.id_of("order:5") == kept
    fresh = again.id_of("order:6")
    assert RunFile.at(tmp_path, DAY, 1, new_id).id_of("order:6") == fresh


def test_a_run_killed_while_it_began_begins_again(tmp_path: Path) -> None:
    """Without its settings a run has not begun."""
    run = RunFile.at(tmp_path, DAY, 1, new_id)
    run.begin(SETTINGS, NOW)
    first = run.path.read_text().splitlines()[0]
    run.path.write_text(first + "\n")
    assert not RunFile.at(tmp_path, DAY, 1, new_id).begun


def test_other_days_are_another_run(tmp_path: Path) -> None:
    """The week does not take the day's keys."""
    day, week = (RunFile.at(tmp_path, DAY, count, new_id) for count in (1, 7))
    day.begin(SETTINGS, NOW)
    assert not week.begun
    week.begin(SETTINGS, NOW)
    assert day.key("x") != week.key("x")
