"""The rolling restart: what it restarts, in which order, and what it says of the orders."""

from pathlib import Path

import pytest
from local import rehearsal
from local.instance import Instance
from local.refusals import CannotStart
from local.steady_load import Answer, figures
from local.topology import BY_NAME, Ports, Scale

from .running import free_ports


def test_what_is_there_once_stays_but_for_those_who_are_waited_for(tmp_path: Path) -> None:
    """Every numbered process has its turn, never two of a kind; database and door have none."""
    instance = Instance(Ports(8080), tmp_path)
    instance.remember(Scale(replicas=2, brokers=3))
    running = set(instance.scale.names())
    planned = [[process.name for process in turn] for turn in rehearsal.turns(instance, running)]
    first, *others = planned
    assert first == [*(f"{name}-1" for name in BY_NAME), "device-agent", "mail"]
    seconds = [f"{name}-2" for name in BY_NAME]
    assert others == [["kafka-1"], ["gateway-1"], seconds, ["kafka-2"], ["gateway-2"], ["kafka-3"]]


def test_only_what_runs_is_restarted(tmp_path: Path) -> None:
    """What was stopped on purpose stays so."""
    instance = Instance(Ports(8080), tmp_path)
    instance.remember(Scale(replicas=2))
    planned = rehearsal.turns(instance, {"orders-2", "mail"})
    assert [[process.name for process in turn] for turn in planned] == [["mail"], ["orders-2"]]


async def test_one_of_each_cannot_be_rehearsed(tmp_path: Path) -> None:
    """Where nothing stands in for another, the command says how to start several."""
    with pytest.raises(CannotStart, match="REPLICAS=2"):
        await rehearsal.rehearse(Instance(Ports(free_ports()), tmp_path), 1.0, print)


def test_every_answer_is_counted_and_whatever_was_not_answered_well_has_failed() -> None:
    """Only 200 and 201 are good; the slowest is named with what went on meanwhile."""
    orders, pages = "/api/v1/orders", "/sign-in"
    answers = [
        Answer(orders, "201", 0.1, "restart of orders-1", "a"),
        Answer(pages, "200", 0.1, "restart of orders-1"),
        Answer(orders, "503", 0.2, "restart of orders-2"),
        Answer(pages, "ReadError", 2.0, "restart of gateway-1"),
    ]
    assert [one.outcome for one in rehearsal.failures(answers)] == ["503", "ReadError"]
    assert figures(answers) == [
        ("sent", "4"),
        ("orders answered 201", "1"),
        ("orders answered 503", "1"),
        ("questions answered 200", "1"),
        ("questions answered ReadError", "1"),
        ("slowest", "2.0 s, /sign-in, during: restart of gateway-1"),
    ]
