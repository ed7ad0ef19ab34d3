"""The run's own memory: its keys and ids, so that an interrupted run goes on as the same run.

One JSON record a line, added before the thing that it names is sent. A line cut off by a kill is
dropped when the file is read again; nothing was sent under it.
"""

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from demo.plan import Settings

NewId = Callable[[], UUID]


class RunFile:
    """What a run has decided and finished; every change is on disk before it returns."""

    def __init__(self, path: Path, new_id: NewId) -> None:
        self.path = path
        self._new_id = new_id
        self._facts: dict[str, Any] = {}
        if path.exists():
            self._load()

    @staticmethod
    def at(state: Path, first: date, count: int, new_id: NewId) -> "RunFile":
        """The run of these days in a state folder; a run of other days is another run."""
        return RunFile(state / "demo" / f"{first.isoformat()}-{count}.jsonl", new_id)

    @property
    def begun(self) -> bool:
        """Whether the run was started before."""
        return "settings" in self._facts  # The last thing that `begin` writes.

    @property
    def id(self) -> str:
        """The run's own id, the stem of its keys."""
        return str(self._facts["run"])

    @property
    def short(self) -> str:
        """The end of the run's id, for codes that people read."""
        return self.id[-6:]

    @property
    def started_at(self) -> datetime:
        """When the run was first started."""
        return datetime.fromisoformat(self._facts["started_at"])

    @property
    def finished_at(self) -> datetime | None:
        """When its last order was closed; None while it goes on."""
        text = self._facts.get("finished_at")
        return datetime.fromisoformat(text) if text else None

    @property
    def settings(self) -> Settings:
        """The order settings that the run began with."""
        kept = self._facts["settings"]
        return Settings(Decimal(kept["prepayment_percent"]), kept["first_status"])

    def begin(self, settings: Settings, now: datetime) -> None:
        """Start a new run, forgetting whatever the file said before."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("")
        self._facts = {}
        self._keep("run", str(self._new_id()))
        self._keep("started_at", now.isoformat())
        self._keep(
            "settings",
            {
                "prepayment_percent": str(settings.prepayment_percent),
                "first_status": dict(settings.first_status),
            },
        )

    def finish(self, now: datetime) -> None:
        """All orders are closed."""
        if self.finished_at is None:
            self._keep("finished_at", now.isoformat())

    def key(self, *words: object) -> str:
        """The Idempotency-Key of one step: the same in every try of this run."""
        return "-".join(["demo", self.id, *map(str, words)])

    def id_of(self, name: str) -> str:
        """The id minted for a thing of this run, kept before its first use."""
        if f"id:{name}" not in self._facts:
            self._keep(f"id:{name}", str(self._new_id()))
        return str(self._facts[f"id:{name}"])

    def known_id(self, name: str) -> str | None:
        """The id that a thing of this run has, if it has one yet."""
        return self._facts.get(f"id:{name}")

    def names_of(self, kind: str) -> list[str]:
        """The names of the run's things of a kind, in the order of their making."""
        begin = f"id:{kind}:"
        return [name[len("id:") :] for name in self._facts if name.startswith(begin)]

    def mark_done(self, name: str) -> None:
        """Remember that a thing needs no more work."""
        self._keep(f"done:{name}", True)

    def is_done(self, name: str) -> bool:
        """Whether a thing needs no more work."""
        return f"done:{name}" in self._facts

    def note(self, name: str, value: str) -> None:
        """Remember an id that the system gave."""
        if self._facts.get(f"id:{name}") != value:
            self._keep(f"id:{name}", value)

    def _keep(self, name: str, value: object) -> None:
        self._facts[name] = value
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([name, value]) + "\n")

    def _load(self) -> None:
        text = self.path.read_text(encoding="utf-8")
        whole, _, cut_off = text.rpartition("\n")
        for line in whole.splitlines():
            name, value = json.loads(line)
            self._facts[name] = value
        if cut_off:
            self.path.write_text(whole + "\n" if whole else "", encoding="utf-8")
