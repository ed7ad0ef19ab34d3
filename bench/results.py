"""What a run says: the shape of its file, and the bars that its figures are held against."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

Result = dict[str, Any]

RATIOS = ("accept", "batch", "flow", "hot", "growth")


@dataclass(frozen=True)
class Bar:
    """A bar of the quality page: `least` or not, a figure must reach it or stay below it."""

    what: str
    path: tuple[str, ...]
    value: float
    least: bool
    unit: str = ""

    def holds(self, figure: float) -> bool:
        """Whether a figure is on the right side."""
        return figure >= self.value if self.least else figure <= self.value


BARS = (
    Bar("accept, of the limit", ("ratios", "accept"), 0.20, True),
    Bar("batches, of the limit", ("ratios", "batch"), 1.0, True),
    Bar("whole flow, of the limit", ("ratios", "flow"), 0.15, True),
    Bar("hot item, of spread items", ("ratios", "hot"), 0.9, True),
    Bar("cost at the large size, of the small", ("ratios", "growth"), 1.15, False),
    Bar("accept p99", ("latency_ms", "accept", "p99"), 50, False, "ms"),
    Bar("accept to holds decided p99", ("latency_ms", "decided", "p99"), 250, False, "ms"),
    Bar("payment to paper printed p99", ("latency_ms", "printed", "p99"), 500, False, "ms"),
    Bar("journal page p99, worst filter", ("latency_ms", "journal", "p99"), 50, False, "ms"),
    Bar("a real year, part closed in 600 s", ("stages", "year", "share_in_time"), 1.0, True),
    Bar("ready", ("ready_s",), 60, False, "s"),
    Bar("memory of all processes", ("memory_mib",), 2560, False, "MiB"),
)


def figure_at(result: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    """The figure at this place of the result; None when it was not measured."""
    found: Any = result
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return None if found is None else float(found)


def result_of(
    stages: Mapping[str, Result], not_measured: Mapping[str, str], about: Mapping[str, Any]
) -> Result:
    """The run's file: first what is asked most, then every stage with its details."""
    latency = stages.get("latency", {})
    latency_ms: Result = {}
    for name in ("accept", "decided", "printed"):
        if name in latency:
            latency_ms[name] = latency[name]
    if "journal" in stages:
        latency_ms["journal"] = stages["journal"]["worst_ms"]
    memory = stages.get("memory", {})
    return {
        **about,
        "ratios": {name: stages[name]["ratio"] for name in RATIOS if name in stages},
        "latency_ms": latency_ms,
        "cpu_ms_per_order": {
            name: stage["cpu_ms_per_order"]
            for name, stage in stages.items()
            if "cpu_ms_per_order" in stage
        },
        "memory_mib": memory.get("together_mib"),
        "ready_s": stages.get("start", {}).get("ready_s"),
        "year_s": stages.get("year", {}).get("year_s"),
        "not_measured": dict(not_measured),
        "stages": dict(stages),
    }


def write(result: Result, folder: Path, at: datetime) -> Path:
    """Keep the run as `<UTC time>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{at:%Y-%m-%dT%H%M%SZ}.json"
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    return path
