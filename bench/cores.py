"""The simulated machine: cores that are shared, threads that do one thing at a time, a log."""

import heapq
import itertools
from collections import defaultdict, deque
from collections.abc import Generator
from typing import Any

import simpy

Steps = Generator[simpy.Event, Any, None]
EPSILON_MS = 1e-9


class Cores:
    """Cores shared in equal parts by all that runs on them, one thing on at most one core.

    `speed` is what a core does in a ms of its time: less than 1 where the host takes some away.
    """

    def __init__(self, env: simpy.Environment, count: float, speed: float = 1.0) -> None:
        self._env, self._count, self._speed = env, count, speed
        self._served = 0.0  # What each thing has had that has run since the beginning.
        self._at = 0.0
        self._plan_number = 0
        self._turn = itertools.count()
        self._running: list[tuple[float, int, simpy.Event]] = []
        self.spent_ms: defaultdict[str, float] = defaultdict(float)

    def work(self, who: str, ms: float) -> simpy.Event:
        """An event for when this much CPU time was had, counted as that of `who`."""
        done = self._env.event()
        self.spent_ms[who] += ms
        if ms <= 0:
            return done.succeed()
        self._advance()
        heapq.heappush(self._running, (self._served + ms, next(self._turn), done))
        self._plan()
        return done

    def _share(self) -> float:
        return self._speed * min(1.0, self._count / len(self._running))

    def _advance(self) -> None:
        if self._running:
            self._served += (self._env.now - self._at) * self._share()
        self._at = self._env.now

    def _plan(self) -> None:
        """When the next one is done, as long as nothing else begins: earlier plans are void."""
        self._plan_number += 1
        if not self._running:
            return
        number = self._plan_number
        left = max(0.0, self._running[0][0] - self._served)
        wake = self._env.timeout(left / self._share())
        assert wake.callbacks is not None
        wake.callbacks.append(lambda _: self._finish(number))

    def _finish(self, number: int) -> None:
        if number != self._plan_number:
            return
        self._advance()
        # The one that was planned is done whatever the rounding says.
        self._served = max(self._served, self._running[0][0])
        while self._running and self._running[0][0] <= self._served + EPSILON_MS:
            heapq.heappop(self._running)[2].succeed()
        self._plan()


class Thread:
    """A Python process: its pieces run one after another, in the order in which they came."""

    def __init__(self, env: simpy.Environment, cores: Cores, name: str) -> None:
        self._env, self._cores, self.name = env, cores, name
        self._waiting: deque[tuple[float, simpy.Event]] = deque()
        self._busy = False

    def run(self, ms: float) -> simpy.Event:
        """An event for when the turn has come and the CPU time was had."""
        done = self._env.event()
        self._waiting.append((ms, done))
        if not self._busy:
            self._begin()
        return done

    def _begin(self) -> None:
        self._busy = bool(self._waiting)
        if not self._waiting:
            return
        ms, done = self._waiting.popleft()
        work = self._cores.work(self.name, ms)
        assert work.callbacks is not None
        work.callbacks.append(lambda _: self._end(done))

    def _end(self, done: simpy.Event) -> None:
        done.succeed()
        self._begin()


class Log:
    """PostgreSQL's write-ahead log: one flush at a time, for all that commit before it begins."""

    def __init__(self, env: simpy.Environment, flush_ms: float) -> None:
        self._env, self._flush_ms = env, flush_ms
        self._waiting: deque[simpy.Event] = deque()
        self._flushing = False
        self.flushes = 0

    def flush(self) -> simpy.Event:
        """An event for when what was written until now is on the disk."""
        done = self._env.event()
        self._waiting.append(done)
        if not self._flushing:
            self._flushing = True
            self._env.process(self._flush())
        return done

    def _flush(self) -> Steps:
        while self._waiting:
            group, self._waiting = self._waiting, deque()
            yield self._env.timeout(self._flush_ms)
            self.flushes += 1
            for done in group:
                done.succeed()
        self._flushing = False
