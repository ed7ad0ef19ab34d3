"""What a run found: for people as a table, for programs as JSON."""

import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import psutil
from local.instance import REPOSITORY


@dataclass(frozen=True)
class Injected:
    """One fault, what came of it, and how long the system took to be well again."""

    code: str
    what: str
    at_s: float  # Since the load began.
    recovery_s: float
    bar_s: float
    missed: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)


@dataclass
class Report:
    """A whole run; `violations` must be empty, `missed` bars fail a run that measures."""

    seed: int
    short: bool
    began_at: datetime
    minutes: float = 0.0
    injected: list[Injected] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    promises: int = 0
    flows: dict[str, int] = field(default_factory=dict)

    @property
    def missed(self) -> list[str]:
        """Every bar of time, memory or rate that was not met."""
        late = [
            f"{one.code} {one.what}: well after {one.recovery_s:.1f} s, the bar is {one.bar_s:.0f}"
            for one in self.injected
            if one.recovery_s > one.bar_s
        ]
        return [*late, *(text for one in self.injected for text in one.missed)]

    def write(self, folder: Path) -> Path:
        """Write both forms into a folder; the path of the one for people."""
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / f"{self.began_at:%Y%m%dT%H%M%SZ}-{self.seed}"
        told = {
            **asdict(self),
            "began_at": self.began_at.isoformat(),
            "missed": self.missed,
            "machine": machine(),
        }
        stem.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")
        stem.with_suffix(".md").write_text(self.text())
        return stem.with_suffix(".md")

    def text(self) -> str:
        """The report as Markdown."""
        lines = [
            f"# Faults, seed {self.seed}, {self.began_at:%Y-%m-%d %H:%M} UTC",
            "",
            f"{self.minutes:.1f} minutes of load; {self.promises:,} requests were answered 2xx and "
            f"looked for again; flows: {_counts(self.flows)}.",
            "",
            "| at | fault | what | well again after | bar |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {one.at_s:.0f} s | {one.code} | {one.what}{_figures(one.figures)} "
            f"| {one.recovery_s:.1f} s | {one.bar_s:.0f} s |"
            for one in self.injected
        ]
        for title, found in (
            ("Violations", self.violations),
            ("Bars missed", self.missed),
            ("Skipped", self.skipped),
        ):
            lines += ["", f"{title}: {len(found) or 'none'}", *(f"- {text}" for text in found)]
        return "\n".join(lines) + "\n"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items())) or "none"


def _figures(figures: dict[str, float]) -> str:
    said = ", ".join(f"{name} {value:g}" for name, value in figures.items())
    return f" ({said})" if said else ""


def machine() -> dict[str, object]:
    """What the run ran on; the commit only where git is."""
    try:
        asked = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
        commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        commit = ""
    return {
        "cpus": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "commit": commit,
    }
