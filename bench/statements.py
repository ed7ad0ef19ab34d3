"""Where PostgreSQL's time goes under load: its dearest statements, by pg_stat_statements."""

import os
import re
import signal
import time
from pathlib import Path

import psycopg
from local import postgres
from local.instance import Instance

from bench.limit import CannotMeasure
from bench.system import System

BACK_S = 60.0
SHOWN = 25
TEXT_MAX = 110
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "on",
    "pg_stat_statements.track_utility": "off",
}
DEAREST = """
SELECT d.datname, s.calls, s.rows, s.total_plan_time, s.total_exec_time, s.wal_bytes, s.query
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE s.calls > 0 ORDER BY s.total_plan_time + s.total_exec_time DESC"""


def watch(system: System) -> None:
    """Let the system's PostgreSQL count its statements, for which it has to start anew."""
    with _connect(system.instance) as server:
        for name, value in SETTINGS.items():
            server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    os.kill(system.pids()["postgres"], signal.SIGINT)
    deadline = time.monotonic() + BACK_S
    while True:
        time.sleep(0.5)
        try:
            with _connect(system.instance) as server:
                server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
                server.execute("SELECT FROM pg_stat_statements")  # Refused before the new start.
                return
        except psycopg.Error as error:
            if time.monotonic() > deadline:
                raise CannotMeasure(f"PostgreSQL counts no statements: {error}") from error


def forget(system: System) -> None:
    """Count from now on."""
    with _connect(system.instance) as server:
        server.execute("SELECT pg_stat_statements_reset()")


def write(system: System, path: Path, journey: str, orders: int) -> None:
    """Keep the dearest statements since `forget`, each figure for one of these orders."""
    if not orders:
        raise CannotMeasure("No order came to its end while PostgreSQL was looked at.")
    with _connect(system.instance) as server:
        rows = server.execute(DEAREST).fetchall()
    planned = sum(row[3] for row in rows)
    ms = sum(row[3] + row[4] for row in rows)
    lines = [
        f"# PostgreSQL's statements, {journey}",
        "",
        f"{orders} orders, {sum(row[1] for row in rows) / orders:.2f} statements each. Together "
        f"{ms / orders:.2f} ms an order by the clock, {planned / orders:.2f} of them planning; "
        "waiting for a lock counts, BEGIN and COMMIT do not.",
        "",
        "| database | ms | calls | rows | µs a call | WAL bytes | statement |",
        "|---|---|---|---|---|---|---|",
    ]
    for database, calls, count, plan_ms, exec_ms, wal, query in rows[:SHOWN]:
        spent = plan_ms + exec_ms
        lines.append(
            f"| {database} | {spent / orders:.3f} | {calls / orders:.3f} | {count / orders:.2f} "
            f"| {1000 * spent / calls:.0f} | {wal / orders:.0f} | `{_text(query)}` |"
        )
    path.write_text("\n".join(lines) + "\n")


def _text(query: str) -> str:
    return re.sub(r"\s+", " ", query).strip()[:TEXT_MAX].replace("|", "\\|")


def _connect(instance: Instance) -> psycopg.Connection:
    return psycopg.connect(postgres.superuser_url(instance), autocommit=True)
