"""The simulation against what is known without one."""

import itertools
from collections import Counter

import pytest
import simpy
from chassis import bus, gather, relay
from chassis.service import Service
from contracts import topics

from bench import simulation
from bench.arrivals import arrivals_s
from bench.cores import Cores, Log, Steps, Thread
from bench.figures import percentile
from bench.simulation import HOP_MS, ROUND_TRIPS, Cost, Costs, Load, Machine, simulate
from bench.steps import (
    ACCEPT,
    FLOW,
    GATEWAY,
    MESSAGES,
    POSTGRES,
    SERVICES,
    WRITTEN,
    Job,
    amounts,
)

SOME = Costs(
    {
        **{name: Cost(batch_ms=0.4, unit_ms=0.05) for name in SERVICES},
        "orders": Cost(batch_ms=0.4, unit_ms=0.05, request_ms=0.5),
        POSTGRES: Cost(batch_ms=0.2, unit_ms=0.03),
        GATEWAY: Cost(request_ms=0.3),
    },
    aside={"web": 0.2},
)


def test_one_thread_waits_as_the_formula_says() -> None:
    """M/D/1: with load rho the mean wait is rho / (2 (1 - rho)) services."""
    env = simpy.Environment()
    thread = Thread(env, Cores(env, 1), "one")
    rho, service_ms, waits = 0.7, 1.0, []

    def visit() -> Steps:
        begun = env.now
        yield thread.run(service_ms)
        waits.append(env.now - begun - service_ms)

    def arrive() -> Steps:
        for at in arrivals_s(1000 * rho / service_ms, 40, seed=5):
            yield env.timeout(1000 * at - env.now)
            env.process(visit())

    env.process(arrive())
    env.run()
    expected = rho / (2 * (1 - rho)) * service_ms
    assert sum(waits) / len(waits) == pytest.approx(expected, rel=0.05)


def test_cores_are_shared_in_equal_parts() -> None:
    """Three equal pieces on two cores take half as long again; one alone is not slowed."""
    env = simpy.Environment()
    cores = Cores(env, 2)
    ends: list[float] = []

    def run(ms: float) -> Steps:
        yield cores.work("one", ms)
        ends.append(env.now)

    for _ in range(3):
        env.process(run(10))
    env.run()
    assert ends == pytest.approx([15, 15, 15])
    env.process(run(10))
    env.run()
    assert ends[-1] == pytest.approx(25)
    assert cores.spent_ms == {"one": 40}


def test_a_stolen_core_is_a_slow_one() -> None:
    """A host that takes a fifth makes everything a quarter longer."""
    env = simpy.Environment()
    cores = Cores(env, 2, speed=0.8)
    env.run(cores.work("one", 8))
    assert env.now == pytest.approx(10)


def test_commits_that_come_together_share_a_flush() -> None:
    """The first is flushed alone, and all that came meanwhile with the next flush."""
    env = simpy.Environment()
    log = Log(env, 2.0)
    ends: list[float] = []

    def commit(at: float) -> Steps:
        yield env.timeout(at)
        yield log.flush()
        ends.append(env.now)

    for at in (0.0, 0.5, 1.0, 1.5):
        env.process(commit(at))
    env.run()
    assert ends == pytest.approx([2, 4, 4, 4])
    assert log.flushes == 2


def test_an_idle_system_answers_after_the_sum_of_its_steps() -> None:
    """Arrivals far apart: each answer takes hops, CPU time and one flush, and nothing else."""
    flush_ms = 1.5
    outcome = simulate(ACCEPT, Load(60, rate=1.0, seed=3), Machine(2, flush_ms), SOME)
    orders, postgres = SOME.of("orders"), SOME.of(POSTGRES)
    cpu = SOME.of(GATEWAY).request_ms + orders.request_ms
    cpu += orders.of(WRITTEN) + postgres.of(WRITTEN)
    hops = (4 + 2 * ROUND_TRIPS) * HOP_MS
    took = [1000 * seconds for seconds in outcome.accepted.took()]
    assert len(took) > 40
    assert percentile(took, 50) == pytest.approx(cpu + hops + flush_ms)


@pytest.mark.parametrize(("job", "callers"), [(ACCEPT, 64), (FLOW, 48)])
def test_a_saturated_machine_gives_its_cores_over_the_cost(job: Job, callers: int) -> None:
    """With work for everyone the rate is cores / CPU time of a job."""
    costs = Costs({name: Cost(unit_ms=0.2) for name in SERVICES})
    machine = Machine(2, flush_ms=0.1)
    outcome = simulate(job, Load(8, callers=callers), machine, costs)
    work = amounts(job)
    cost_ms = sum(0.2 * work.units(name) for name in SERVICES)
    assert outcome.ended.rate(2, 8) == pytest.approx(2000 / cost_ms, rel=0.1)


def test_a_process_has_one_core_at_most() -> None:
    """With cores to spare, the dearest service's event loop is the limit; a second one helps."""
    costs = Costs({"orders": Cost(unit_ms=1.0)})
    cost_ms = amounts(ACCEPT).units("orders")
    one = simulate(ACCEPT, Load(4, callers=64), Machine(16, 0.1), costs)
    two = simulate(ACCEPT, Load(4, callers=64), Machine(16, 0.1, processes={"orders": 2}), costs)
    assert one.ended.rate(1, 4) <= 1000 / cost_ms * 1.05
    assert one.accepted.rate(1, 4) == pytest.approx(1000 / cost_ms, rel=0.2)
    assert two.accepted.rate(1, 4) > 1.4 * one.accepted.rate(1, 4)


def test_the_same_seed_is_the_same_run() -> None:
    """Nothing depends on the clock or on chance that is not seeded."""
    runs = [
        simulate(FLOW, Load(1, rate=40, seed=seed), Machine(2, 1.0), SOME) for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_groups_grow_with_the_load() -> None:
    """What makes a saturated system cheaper: fewer groups, rounds and batches for each job."""
    few = simulate(ACCEPT, Load(4, rate=20), Machine(2, 1.0), SOME)
    many = simulate(ACCEPT, Load(3, callers=64), Machine(2, 1.0), SOME)
    for process in ("orders", "inventory", POSTGRES):
        assert many.batches_per_job(process) < few.batches_per_job(process) / 3


def test_a_job_brings_what_the_flow_says() -> None:
    """Every message has a speaker; an accept says what the list has of it."""
    work = amounts(ACCEPT)
    assert work.requests == Counter(orders=1)
    assert work.relayed == Counter(orders=3, inventory=4, notifications=1)
    assert set(itertools.chain(*(message.then for message in MESSAGES.values()))) <= set(SERVICES)
    known = {topic.name for topic in topics.TOPICS}
    assert {message.topic for message in MESSAGES.values()} <= known


def test_its_figures_are_those_of_the_chassis() -> None:
    """A figure that changes in the chassis changes here, or the simulation tells of another one."""
    assert (simulation.GROUP_MAX, simulation.WRITERS) == (gather.GROUP_MAX, gather.WRITERS)
    assert simulation.ROWS_MAX == relay.ROWS_MAX
    assert pytest.approx(1000 * relay.PAUSE_S) == simulation.RELAY_PAUSE_MS
    assert (simulation.RECORDS_MAX, simulation.POLL_MS) == (bus.RECORDS_MAX, bus.BATCH_TIMEOUT_MS)
    assert topics.PARTITIONS == simulation.PARTITIONS
    assert pytest.approx(1000 * Service.linger_s) == simulation.LINGER_MS_ELSE
