"""The rolling restart: what it restarts, in which order, and what it says of the orders."""

from pathlib import Path

import pytest
from local import rehearsal
from local.instance import Instance
from local.refusals import CannotStart
from local.steady_load import Answer, figures
from local.topology import Ports, Scale

from .running import free_ports


def test_what_is_there_once_stays_but_for_those_who_are_waited_for(tmp_path: Path) -> None:
    """Every numbered process takes its turn, services first; database and door are left alone."""
    instance = Instance(Ports(8080), tmp_path)
    instance.remember(Scale(replicas=2, brokers=3))
    running = set(instance.scale.names())
    names = [process.name for process in rehearsal.restarted(instance, running)]
    assert set(names) == running - {"postgres", "gateway"}
    assert names[:3] == ["identity-1", "identity-2", "orders-1"]
    assert names[-5:] == ["kafka-1", "kafka-2", "kafka-3", "gateway-1", "gateway-2"]
    assert [p.name for p in rehearsal.restarted(instance, {"orders-2", "mail"})] == [
        "orders-2",
        "mail",
    ]


async def test_one_of_each_cannot_be_rehearsed(tmp_path: Path) -> None:
    """Where nothing stands in for another, the command says how to start several."""
    with pytest.raises(CannotStart, match="REPLICAS=2"):
        await rehearsal.rehearse(Instance(Ports(free_ports()), tmp_path), 1.0, print)


def test_every_answer_is_counted_and_whatever_was_not_accepted_has_failed() -> None:
    """Only a 201 is good; the slowest is named with what went on meanwhile."""
    answers = [
        Answer("201", 0.1, "restart of orders-1", "a"),
        Answer("503", 0.2, "restart of orders-2"),
        Answer("ReadError", 2.0, "restart of gateway-1"),
    ]
    assert [one.outcome for one in rehearsal.failures(answers)] == ["503", "ReadError"]
    assert figures(answers) == [
        ("sent", "3"),
        ("answered 201", "1"),
        ("answered 503", "1"),
        ("answered ReadError", "1"),
        ("slowest", "2.0 s, during: restart of gateway-1"),
    ]
