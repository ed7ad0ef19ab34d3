"""Percentiles, rates and what happened in each second: arithmetic without I/O."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

Second = tuple[int, int, float | None, float | None]  # Second, how many, p50 ms, p99 ms.


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least this share of all does not exceed (nearest rank)."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the greatest, in ms; empty when nothing was measured."""
    if not seconds:
        return {}
    marks = {f"p{percent}": percentile(seconds, percent) for percent in (50, 95, 99)}
    return {name: round(1000 * value, 1) for name, value in {**marks, "max": max(seconds)}.items()}


def median(values: Sequence[float]) -> float:
    """The middle one, or the mean of the two in the middle."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


@dataclass
class Course:
    """Things that ended, each with when (seconds since the start) and how long it took."""

    ended: list[tuple[float, float]] = field(default_factory=list)

    def add(self, at_s: float, took_s: float) -> None:
        self.ended.append((at_s, took_s))

    def took(self, begin_s: float = 0.0, end_s: float = math.inf) -> list[float]:
        """How long those took that ended in this time, in seconds."""
        return [took for at, took in self.ended if begin_s <= at < end_s]

    def rate(self, begin_s: float, end_s: float) -> float:
        """How many ended in a second of this time."""
        return len(self.took(begin_s, end_s)) / (end_s - begin_s)

    def by_second(self) -> list[Second]:
        """Throughput and latency over time."""
        if not self.ended:
            return []
        rows: list[Second] = []
        for second in range(int(max(at for at, _ in self.ended)) + 1):
            took = [1000 * value for value in self.took(second, second + 1)]
            marks = [round(percentile(took, p), 1) if took else None for p in (50, 99)]
            rows.append((second, len(took), marks[0], marks[1]))
        return rows
