"""The agent's journal on the store's own disk: what was asked, what was done, what is still to say.

SQLite in WAL mode with synchronous=FULL: what is written here survives a power cut. A job goes
`queued → printing → printed | failed | unknown`; it is `printing` from before the first byte
goes to the printer, so a job found `printing` at start may or may not be on paper: unless the
printer can tell, it becomes `unknown`, is reported, and is never printed again silently.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from contracts.agent_link import JobReport, PrintOrder, ScanRead
from contracts.devices import JobState
from joserfc.jwk import OKPKey
from pydantic import TypeAdapter

from device_agent.keys import AgentKeys, Identity, public_half

KEPT_AFTER_END = timedelta(days=30)
POWER_CUT = "the agent stopped while this was printing"
FINAL: tuple[JobState, ...] = ("printed", "failed", "unknown")
SCHEMA = """
CREATE TABLE IF NOT EXISTS agent (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    signing_key TEXT NOT NULL, sealing_key TEXT NOT NULL,
    device_id TEXT, hub_key TEXT, store_ids TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS jobs (
    job_id TEXT NOT NULL, copy_number INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'printing', 'printed', 'failed', 'unknown')),
    reason TEXT, at TEXT NOT NULL, expires_at TEXT NOT NULL,
    paper TEXT, reported INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, copy_number)
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_unreported ON jobs (at)
    WHERE reported = 0 AND state IN ('printed', 'failed', 'unknown');
CREATE TABLE IF NOT EXISTS scans (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    scan_id TEXT NOT NULL, store_id TEXT, scanner TEXT NOT NULL,
    code TEXT NOT NULL, symbology TEXT, at TEXT NOT NULL
) STRICT;
"""
_STORE_IDS = TypeAdapter(tuple[UUID, ...])
_PUBLIC_KEY = TypeAdapter(dict[str, str])


class JobKey(NamedTuple):
    job_id: UUID
    copy_number: int


class Journal:
    """One connection; every method that writes is one transaction unless told to join a group."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    # Who the agent is.

    def keys(self) -> AgentKeys:
        """The agent's keys, made on first use."""
        row = self._db.execute("SELECT signing_key, sealing_key FROM agent").fetchone()
        if row:
            return AgentKeys.load(*row)
        keys = AgentKeys.make()
        self._db.execute(
            "INSERT INTO agent (one, signing_key, sealing_key) VALUES (1, ?, ?)", keys.saved()
        )
        return keys

    def identity(self) -> Identity | None:
        row = self._db.execute(
            "SELECT device_id, hub_key, store_ids FROM agent WHERE device_id IS NOT NULL"
        ).fetchone()
        if not row:
            return None
        return Identity(
            device_id=UUID(row[0]),
            keys=self.keys(),
            hub_key=OKPKey.import_key({**_PUBLIC_KEY.validate_json(row[1])}),
            store_ids=_STORE_IDS.validate_json(row[2]),
        )

    def enrolled(self, identity: Identity) -> None:
        self._db.execute(
            "UPDATE agent SET device_id = ?, hub_key = ?, store_ids = ?",
            (
                str(identity.device_id),
                _PUBLIC_KEY.dump_json(public_half(identity.hub_key)).decode(),
                _STORE_IDS.dump_json(identity.store_ids).decode(),
            ),
        )

    # Jobs.

    def take_jobs(self, orders: Sequence[PrintOrder], now: datetime) -> list[PrintOrder]:
        """Journal the jobs; those not seen before come back, a known one is only said again."""
        new = []
        for order in orders:
            added = self._db.execute(
                "INSERT INTO jobs (job_id, copy_number, state, at, expires_at, paper)"
                " VALUES (?, ?, 'queued', ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    str(order.job_id),
                    order.copy_number,
                    now.isoformat(),
                    order.expires_at.astimezone(UTC).isoformat(),
                    order.model_dump_json(),
                ),
            )
            if added.rowcount:
                new.append(order)
            else:
                self._db.execute(
                    "UPDATE jobs SET reported = 0 WHERE job_id = ? AND copy_number = ?",
                    (str(order.job_id), order.copy_number),
                )
        return new

    def start_printing(self, key: JobKey, now: datetime) -> None:
        """From here on the job may be on paper."""
        started = self._db.execute(
            "UPDATE jobs SET state = 'printing', at = ?"
            " WHERE job_id = ? AND copy_number = ? AND state = 'queued'",
            (now.isoformat(), str(key.job_id), key.copy_number),
        )
        assert started.rowcount == 1, f"{key} is not queued"

    def finish(self, key: JobKey, state: JobState, reason: str | None, now: datetime) -> None:
        """The job is over, and what it said is forgotten here; how it ended is still to report."""
        assert state in FINAL
        done = self._db.execute(
            "UPDATE jobs SET state = ?, reason = ?, at = ?, paper = NULL"
            " WHERE job_id = ? AND copy_number = ? AND state IN ('queued', 'printing')",
            (state, reason, now.isoformat(), str(key.job_id), key.copy_number),
        )
        assert done.rowcount == 1, f"{key} is over already"

    def recover(
        self, came_out: Callable[[PrintOrder], bool | None], now: datetime
    ) -> list[PrintOrder]:
        """After a start: settle what was printing; what is to be printed comes back.

        `came_out` says whether a paper that was begun is out, or None when nobody can know: then
        the job is `unknown`. Only what surely is not out is queued again.
        """
        rows = self._db.execute("SELECT paper FROM jobs WHERE state = 'printing'").fetchall()
        for order in (PrintOrder.model_validate_json(paper) for (paper,) in rows):
            key = JobKey(order.job_id, order.copy_number)
            match came_out(order):
                case True:
                    self.finish(key, "printed", None, now)
                case False:
                    self._queue_again(key, now)
                case None:
                    self.finish(key, "unknown", POWER_CUT, now)
        queued = self._db.execute("SELECT paper FROM jobs WHERE state = 'queued' ORDER BY rowid")
        return [PrintOrder.model_validate_json(paper) for (paper,) in queued.fetchall()]

    def _queue_again(self, key: JobKey, now: datetime) -> None:
        self._db.execute(
            "UPDATE jobs SET state = 'queued', at = ? WHERE job_id = ? AND copy_number = ?",
            (now.isoformat(), str(key.job_id), key.copy_number),
        )

    def unreported(self, limit: int) -> tuple[JobReport, ...]:
        rows = self._db.execute(
            "SELECT job_id, copy_number, state, reason, at FROM jobs"
            " WHERE reported = 0 AND state IN ('printed', 'failed', 'unknown')"
            " ORDER BY at LIMIT ?",
            (limit,),
        )
        return tuple(
            JobReport(job_id=job, copy_number=copy, state=state, reason=reason, at=at)
            for job, copy, state, reason, at in rows.fetchall()
        )

    def acknowledged(self, reports: Iterable[JobReport]) -> None:
        """The hub has them. A job that changed since is still to report."""
        self._db.executemany(
            "UPDATE jobs SET reported = 1 WHERE job_id = ? AND copy_number = ? AND state = ?",
            [(str(report.job_id), report.copy_number, report.state) for report in reports],
        )

    def states(self) -> dict[str, int]:
        """How many jobs are in each state: for an operator's eyes."""
        return dict(self._db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())

    def forget_before(self, now: datetime) -> None:
        """Drop what ended so long ago that the hub cannot send it again."""
        self._db.execute(
            "DELETE FROM jobs WHERE reported = 1 AND expires_at < ?",
            ((now - KEPT_AFTER_END).astimezone(UTC).isoformat(),),
        )

    # Scans.

    def add_scan(
        self, scan_id: UUID, store_id: UUID | None, scanner: str, code: str, now: datetime
    ) -> None:
        self._db.execute(
            "INSERT INTO scans (scan_id, store_id, scanner, code, symbology, at)"
            " VALUES (?, ?, ?, ?, NULL, ?)",
            (str(scan_id), str(store_id) if store_id else None, scanner, code, now.isoformat()),
        )

    def unsent_scans(self, limit: int) -> tuple[ScanRead, ...]:
        rows = self._db.execute(
            "SELECT scan_id, number, store_id, scanner, code, symbology, at FROM scans"
            " ORDER BY number LIMIT ?",
            (limit,),
        )
        names = ("scan_id", "number", "store_id", "scanner", "code", "symbology", "at")
        return tuple(
            ScanRead.model_validate(dict(zip(names, row, strict=True))) for row in rows.fetchall()
        )

    def scans_sent(self, up_to: int) -> None:
        self._db.execute("DELETE FROM scans WHERE number <= ?", (up_to,))
