"""What a run of faults decides by itself: which faults, what counts as missed, what is written."""

import json
import random
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import httpx
from demo.days import TYPICAL_DAY, read_days
from demo.plan import hold_method

from faults.chain import LINES_OF_A_BASKET_MAX, small
from faults.injections import ALL, SHORT
from faults.report import Injected, Report
from faults.run import Wanted, order_of_faults, told
from faults.system import NeverHappened

AT = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)


def codes(wanted: Wanted, number: int) -> list[str]:
    chosen = order_of_faults(wanted, random.Random(wanted.seed))
    return [fault.what for fault in islice(chosen, number)]


def report(*, short: bool = False, recovery_s: float = 3.0) -> Report:
    found = Report(7, short, AT, 30.0, promises=1200, flows={"through": 90, "begun": 100})
    found.injected.append(Injected("E1", "killed orders", 12.0, recovery_s, 15.0))
    return found


def test_a_seed_gives_the_same_faults_again() -> None:
    """Any failure can be run again by the seed that was printed."""
    wanted = Wanted(11, 30, False, (), 1.5)
    assert codes(wanted, 40) == codes(wanted, 40)
    assert codes(wanted, 16) != codes(Wanted(12, 30, False, (), 1.5), 16)


def test_every_fault_comes_once_before_any_comes_again() -> None:
    """A run long enough for all of them leaves none out."""
    assert sorted(codes(Wanted(3, 30, False, (), 1.5), len(ALL))) == sorted(f.what for f in ALL)


def test_the_faults_of_ones_choice_come_alone() -> None:
    """To look into one fault, the others are left out."""
    chosen = order_of_faults(Wanted(3, 30, False, ("E1", "E15"), 1.5), random.Random(3))
    assert {fault.code for fault in islice(chosen, 20)} == {"E1", "E15"}


def test_a_short_run_ends_by_itself() -> None:
    """CI gets its few faults in their order, once."""
    wanted = Wanted(7, 30, True, (), 0.5)
    assert codes(wanted, 100) == [fault.what for fault in SHORT]


def test_a_recovery_above_its_bar_is_missed() -> None:
    """The bar itself is met, a moment more is not."""
    assert report(recovery_s=15.0).missed == []
    [missed] = report(recovery_s=15.1).missed
    assert "killed orders" in missed


def test_the_report_says_what_was_found(tmp_path: Path) -> None:
    """People find each violation in the text, programs in the JSON."""
    found = report(recovery_s=20)
    found.violations.append("I3 shelf: 6 held of 5")
    path = found.write(tmp_path / "results")
    told = json.loads(path.with_suffix(".json").read_text())
    assert path.name == "20260517T093000Z-7.md"
    assert "- I3 shelf: 6 held of 5" in path.read_text()
    assert "| 12 s | E1 | killed orders | 20.0 s | 15 s |" in path.read_text()
    assert told["violations"] == ["I3 shelf: 6 held of 5"]
    assert told["injected"][0]["recovery_s"] == 20
    assert len(told["missed"]) == 1


def test_the_small_chain_has_stores_of_both_hold_methods() -> None:
    """Both ways of holding goods are under load, with few lines an order."""
    days = small(read_days(TYPICAL_DAY, 1))
    methods = [hold_method(store, days.every_store) for store in days.stores]
    assert sorted(methods) == ["nominal", "nominal", "separate", "separate"]
    assert max(len(basket.lines) for basket in days.baskets) <= LINES_OF_A_BASKET_MAX
    assert {line.product for b in days.baskets for line in b.lines} == set(days.products)


def test_an_error_names_the_request_that_failed() -> None:
    """Whoever reads the log of CI must see what was asked, alone or in a group."""
    request = httpx.Request("POST", "http://127.0.0.1:1/api/v1/items")
    lost = httpx.ConnectError("refused", request=request)
    group = ExceptionGroup("several", [lost, NeverHappened("recovery did not happen")])
    assert told(group) == (
        "POST http://127.0.0.1:1/api/v1/items: ConnectError: refused; "
        "NeverHappened: recovery did not happen"
    )
