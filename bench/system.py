"""The system that is measured: an instance of its own, its processes, their CPU time and memory."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from local import steps, suite
from local.instance import REPOSITORY, Instance
from local.kafka import jars_folder
from local.supervision import Supervisor, resident_mib
from local.topology import Ports

from bench.limit import CannotMeasure

STATE = REPOSITORY / ".holdfast" / "bench"
BENCH = Instance(Ports(19_080), STATE)
GENERATOR = "generator"


@dataclass(frozen=True)
class System:
    """A running instance; `ready_s` is None when its start also had to download something."""

    instance: Instance
    ready_s: float | None

    @property
    def address(self) -> str:
        return steps.address(self.instance)

    @property
    def kafka(self) -> str:
        return self.instance.kafka

    def pids(self) -> dict[str, int]:
        """The process id of each process that the supervisor keeps."""
        rows = Supervisor(self.instance).processes().items()
        return {name: row["pid"] for name, row in rows if row["pid"]}

    def memory_mib(self) -> dict[str, float]:
        """What each process holds in memory, as `status` shows it."""
        return {name: round(resident_mib(pid), 1) for name, pid in self.pids().items()}


@contextlib.contextmanager
def fresh_system(instance: Instance = BENCH) -> Iterator[System]:
    """A system that has just been made; what it stored stays to be looked at until the next."""
    suite.local(instance, "reset")
    nothing_to_fetch = jars_folder().is_dir()
    begun = time.monotonic()
    try:
        if not suite.local(instance, "up", quiet=False):
            raise CannotMeasure("the system did not start; what it said stands above")
        took = time.monotonic() - begun
        yield System(instance, took if nothing_to_fetch else None)
    finally:
        suite.local(instance, "down")


def cpu_s(pid: int) -> float:
    """The CPU time of a process, of its children, and of those of its children that have ended."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                spent = process.cpu_times()
                total += spent.user + spent.system
                total += spent.children_user + spent.children_system
    return total


def stolen_of(before: str, after: str) -> float:
    """The share of CPU time that the host gave to others between two readings of /proc/stat."""
    spent = [b - a for a, b in zip(_ticks(before), _ticks(after), strict=True)]
    return spent[7] / sum(spent) if sum(spent) else 0.0


def others_of(before: str, after: str, own_s: float) -> float:
    """The share of CPU time that went to neither this much own work nor the host, nor was idle."""
    spent = [b - a for a, b in zip(_ticks(before), _ticks(after), strict=True)]
    user, nice, system, _idle, _iowait, irq, softirq, _steal = spent
    others = user + nice + system + irq + softirq - own_s * os.sysconf("SC_CLK_TCK")
    return max(0.0, others / sum(spent)) if sum(spent) else 0.0


def _ticks(stat: str) -> list[int]:
    """user nice system idle iowait irq softirq steal; guests are in user already."""
    return [int(word) for word in stat.split("\n", 1)[0].split()[1:9]]


class Meter:
    """What a stage cost: CPU time by process, and what the host took away meanwhile."""

    def __init__(self, pids: Mapping[str, int], generator: list[int]) -> None:
        self._pids, self._generator = pids, generator
        self._before = self._reading()
        self._stat = Path("/proc/stat").read_text()
        self._begun = time.monotonic()

    def _reading(self) -> dict[str, float]:
        spent = {name: cpu_s(pid) for name, pid in self._pids.items()}
        own = [psutil.Process(pid).cpu_times() for pid in self._generator]
        return {**spent, GENERATOR: sum(one.user + one.system for one in own)}

    def ms_per_order(self, orders: int) -> dict[str, float]:
        """CPU ms an order of each process, of the system together, and of the generator apart."""
        if not orders:
            return {}
        after = self._reading()
        ms = {name: 1000 * (after[name] - self._before[name]) / orders for name in after}
        system = sum(value for name, value in ms.items() if name != GENERATOR)
        return {name: round(value, 3) for name, value in {**ms, "system": system}.items()}

    def stolen(self) -> float:
        """The share of CPU time stolen by the host since the beginning."""
        return round(stolen_of(self._stat, Path("/proc/stat").read_text()), 4)

    def others(self) -> float:
        """The share of CPU time that other programs of the machine had since the beginning."""
        own_s = sum(self._reading().values()) - sum(self._before.values())
        return round(others_of(self._stat, Path("/proc/stat").read_text(), own_s), 4)

    def seconds(self) -> float:
        """How long ago the beginning is."""
        return time.monotonic() - self._begun
