"""The costs that are taken from a run: CPU time in, the costs that made it out."""

import copy

import pytest

from bench.capacity import check_table, checks
from bench.costs import Calibrated, by_service, calibrate_both
from bench.figures import percentiles_ms
from bench.limit import CannotMeasure
from bench.results import Result
from bench.simulation import Cost, Costs, Load, Machine, Outcome, simulate
from bench.steps import ACCEPT, FLOW, GATEWAY, GENERATOR, KAFKA, POSTGRES, Job, amounts

MACHINE = Machine(2, flush_ms=1.0)
TRUE = Costs(
    {
        "orders": Cost(0.6, 0.08, 0.7),
        "inventory": Cost(0.9, 0.12),
        "billing": Cost(0.5, 0.06, 0.7),
        "shipping": Cost(0.5, 0.05, 0.7),
        "notifications": Cost(0.4, 0.05),
        "devices": Cost(0.4, 0.1),
        POSTGRES: Cost(0.15, 0.03),
        KAFKA: Cost(0.25, 0.02),
        GATEWAY: Cost(request_ms=0.4),
        GENERATOR: Cost(request_ms=0.6),
    },
    aside={"web": 0.1},
)


def _stage(job: Job, load: Load) -> tuple[Result, Outcome]:
    """A stage as the bench writes it, of a system whose costs are known."""
    outcome = simulate(job, load, MACHINE, TRUE)
    jobs = len(outcome.accepted.ended)
    cpu_ms = {name: ms / jobs for name, ms in outcome.spent_ms.items()}
    return {
        "cpu_ms_per_order": {**cpu_ms, "system": sum(cpu_ms.values())},
        "orders": jobs,
        "stolen": 0.0,
        "others": 0.0,
        "callers": load.callers,
        "arrivals_per_s": load.rate,
        "per_s": outcome.ended.rate(0.5, load.seconds),
        "accepted_ms": percentiles_ms(outcome.accepted.took()),
        "decided_ms": percentiles_ms(outcome.ended.took()),
        "closed_ms": percentiles_ms(outcome.ended.took()),
    }, outcome


@pytest.fixture(scope="module")
def result() -> Result:
    """What the bench would have written of a system with the true costs."""
    work = amounts(ACCEPT)
    bulk = {name: cost.unit_ms * work.units(name) for name, cost in TRUE.by_process.items()}
    return {
        "stages": {
            "accept": _stage(ACCEPT, Load(5, callers=48, seed=9))[0],
            "flow": _stage(FLOW, Load(5, callers=48, seed=9))[0],
            "batch": {"cpu_ms_per_order": bulk},
            "latency": {
                "accepts": _stage(ACCEPT, Load(10, rate=60, seed=9))[0],
                "flows": _stage(FLOW, Load(10, rate=12, seed=9))[0],
            },
        },
    }


@pytest.fixture(scope="module")
def calibrated(result: Result) -> tuple[Calibrated, Calibrated]:
    """Accept and flow, calibrated by that result."""
    return calibrate_both(result, MACHINE)


def test_calibrating_finds_the_costs_that_made_the_figures(
    calibrated: tuple[Calibrated, Calibrated],
) -> None:
    """From CPU time at two loads alone: what a group costs, what is in it, and the requests."""
    accept, flow = calibrated
    for name in ("orders", "inventory", POSTGRES, KAFKA):
        found, true = accept.costs.of(name), TRUE.of(name)
        assert found.batch_ms == pytest.approx(true.batch_ms, rel=0.2), name
        assert found.unit_ms == pytest.approx(true.unit_ms, rel=0.2), name
    assert accept.costs.of("orders").request_ms == pytest.approx(0.7, rel=0.2)
    assert accept.costs.of(GATEWAY).request_ms == pytest.approx(0.4, rel=0.1)
    assert accept.costs.aside["web"] == pytest.approx(0.1, rel=0.1)
    for name in ("billing", "shipping"):
        assert flow.costs.of(name).request_ms == pytest.approx(0.7, rel=0.25), name
        assert flow.costs.of(name).unit_ms == pytest.approx(TRUE.of(name).unit_ms, rel=0.2), name


def test_what_was_calibrated_by_costs_shows_the_rates_and_times(
    result: Result, calibrated: tuple[Calibrated, Calibrated]
) -> None:
    """Rates and latencies come out although calibrating never saw them."""
    found = checks(result, *calibrated)
    assert len(found) == 8
    assert all(check.near for check in found), found


def test_a_figure_that_does_not_fit_is_told(
    result: Result, calibrated: tuple[Calibrated, Calibrated]
) -> None:
    """A run that was twice as fast as its costs allow is not within a fifth."""
    faster = copy.deepcopy(result)
    faster["stages"]["accept"]["per_s"] *= 2
    rate = checks(faster, *calibrated)[0]
    assert not rate.near
    assert rate.off == pytest.approx(-0.5, abs=0.05)
    assert check_table([rate])[-1].endswith("| no |")


def test_the_processes_of_a_service_count_as_one() -> None:
    """Replicas and brokers are summed, and the sum of all is left out."""
    cpu_ms = {"orders": 1.0, "orders-2": 0.5, "kafka-1": 1, "kafka-2": 1, "system": 3.5}
    assert by_service(cpu_ms) == {"orders": 1.5, "kafka": 2}


def test_a_result_without_what_is_needed_says_so(result: Result) -> None:
    """A run of some stages alone calibrates nothing."""
    stages = {"accept": result["stages"]["accept"]}
    with pytest.raises(CannotMeasure, match="latency"):
        calibrate_both({"stages": stages, "not_measured": {}}, MACHINE)
