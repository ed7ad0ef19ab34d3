"""Throughput and latency over time, a picture of two panels for each stage that has them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # No screen is needed, and none is asked for.

from matplotlib import pyplot as plt

from bench.figures import Second

INCHES_WIDE, INCHES_A_STAGE = 11, 2.6


def timelines(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, Sequence[Second]]:
    """The stages' courses by second, those inside a stage by both names."""
    found: dict[str, Sequence[Second]] = {}
    for name, stage in stages.items():
        parts = {name: stage, **{f"{name} {k}": v for k, v in stage.items() if isinstance(v, dict)}}
        found |= {part: one["timeline"] for part, one in parts.items() if one.get("timeline")}
    return found


def plot(stages: Mapping[str, Mapping[str, Any]], path: Path) -> bool:
    """Draw them all into one PNG; False when there is nothing to draw."""
    courses = timelines(stages)
    if not courses:
        return False
    figure, rows = plt.subplots(
        len(courses), 2, squeeze=False, figsize=(INCHES_WIDE, INCHES_A_STAGE * len(courses))
    )
    for (rate, delay), (name, seconds) in zip(rows, courses.items(), strict=True):
        at = [second for second, *_ in seconds]
        rate.plot(at, [count for _, count, *_ in seconds], linewidth=1)
        rate.set(title=f"{name}: orders a second", xlabel="s", ylim=(0, None))
        timed = [(second, p50, p99) for second, _, p50, p99 in seconds if p50 is not None]
        delay.plot([t[0] for t in timed], [t[1] for t in timed], linewidth=1, label="p50")
        delay.plot([t[0] for t in timed], [t[2] for t in timed], linewidth=1, label="p99")
        delay.set(title=f"{name}: ms", xlabel="s", yscale="log")
        delay.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)
    return True
