"""The commands that start, stop and show one instance: up, down, reset, status, logs."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer
from rich.console import Console
from rich.table import Table

from local import instance as instances
from local import postgres, steps, suite
from local.checks import alone, check_disk, check_ports
from local.instance import Instance
from local.refusals import CannotStart
from local.supervision import Supervisor, clear_left_behind
from local.topology import (
    BY_NAME,
    DEMO_DOMAIN,
    DEMO_LOGINS,
    DEMO_PASSWORD,
    INFRASTRUCTURE,
    POSTGRES,
    PROCESSES,
)

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__
)
console = Console(stderr=True, highlight=False)
Only = Annotated[str, typer.Option(help="These processes alone, with commas between them.")]


@app.command()
def up(only: Only = "") -> None:
    """Start whatever is not up yet, wait until it is ready, and print the address."""
    instance = instances.from_environment()
    processes = _chosen(only)
    started = time.monotonic()
    with alone(instance), _stoppable():
        supervisor = Supervisor(instance)
        before = supervisor.running() if supervisor.is_running() else None
        if before is not None and set(processes) <= before and _is_ready(instance, processes):
            _greet(instance, processes, "Already up")
            return
        try:
            _start(instance, processes, before)
        except BaseException:
            _undo(instance, processes, before)
            raise
    _greet(instance, processes, f"Ready after {time.monotonic() - started:.0f} s")


def _start(instance: Instance, processes: list[str], before: set[str] | None) -> None:
    check_disk(instance)
    if before is None:
        ended = clear_left_behind(instance)
        if ended:
            console.print(f"Ended {ended} processes that an earlier start had left behind.")
    missing = [name for name in processes if name not in (before or set())]
    check_ports(instance.ports, missing, supervisor=before is None)
    with console.status("Starting") as status:
        said: list[str] = []

        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal and text not in said and not text.startswith("Waiting"):
                console.print(text)
            said.append(text)

        asyncio.run(steps.bring_up(instance, processes, say))


def _undo(instance: Instance, processes: list[str], before: set[str] | None) -> None:
    """Leave nothing running that this start has brought up."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # A second Ctrl-C must not stop the stopping.
    console.print("Stopping what was started.")
    if before is None:
        _stop_everything(instance)
    elif Supervisor(instance).is_running():
        _stop_in_order(Supervisor(instance), set(processes) - before)


@app.command()
def down() -> None:
    """Stop every process; what they have stored stays."""
    instance = instances.from_environment()
    with alone(instance):
        stopped = _stop_everything(instance)
    console.print("Stopped." if stopped else "Nothing was running.")


@app.command()
def reset() -> None:
    """Stop every process and delete all that the instance has stored."""
    instance = instances.from_environment()
    with alone(instance):
        _stop_everything(instance)
        _delete_state(instance)
    console.print(f"Deleted what was stored in {instance.state}.")


def _stop_everything(instance: Instance) -> bool:
    supervisor = Supervisor(instance)
    was_running = supervisor.is_running()
    if was_running:
        _stop_in_order(supervisor, set(PROCESSES))
        supervisor.shutdown()
    return clear_left_behind(instance) > 0 or was_running


def _stop_in_order(supervisor: Supervisor, names: set[str]) -> None:
    """Services first, so that they can finish what they have begun with the database."""
    supervisor.stop(names - set(INFRASTRUCTURE))
    supervisor.stop(names & set(INFRASTRUCTURE))


def _delete_state(instance: Instance) -> None:
    """Delete what an instance makes, by name: another instance may live in the same folder."""
    # Never the folder itself: the lock that we hold is in it.
    shutil.rmtree(postgres.data_folder(instance), ignore_errors=True)
    for name in ("kafka", "logs", "mail", "gateway", "agent", "keys", "postgres"):
        shutil.rmtree(instance.state / name, ignore_errors=True)
    for name in ("secrets.json", "supervisor.conf", "supervisor.pid", "postgres.url"):
        (instance.state / name).unlink(missing_ok=True)


@app.command()
def status() -> None:
    """Show every process: state, process id, port, age and memory; fails unless all run."""
    instance = instances.from_environment()
    supervisor = Supervisor(instance)
    if not supervisor.is_running():
        console.print("Not running: `make up` starts it.")
        raise typer.Exit(1)
    rows = supervisor.processes()
    table = Table("process", "state", "pid", "ports", "up s", "MiB")
    total = 0.0
    for name in PROCESSES:
        row: dict[str, Any] = rows[name]
        mib = _resident_mib(row["pid"])
        total += mib
        ports = " ".join(map(str, instance.ports.of_process(name)))
        age = str(int(time.time()) - row["start"]) if row["pid"] else ""
        table.add_row(
            name, row["statename"].lower(), str(row["pid"] or ""), ports, age, f"{mib:.0f}"
        )
    table.add_row("together", "", "", "", "", f"{total:.0f}")
    Console().print(table)
    ready = _is_ready(instance, list(PROCESSES)) and supervisor.running() >= set(PROCESSES)
    console.print("Ready." if ready else "Not ready: `make logs` shows why.")
    if not ready:
        raise typer.Exit(1)


def _resident_mib(pid: int) -> float:
    """Memory of a process and its children, pages that they share counted once."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid) if pid else None
        for part in [process, *process.children(recursive=True)] if process else []:
            with contextlib.suppress(psutil.Error):
                total += part.memory_full_info().pss
    return total / 1024 / 1024


@app.command()
def logs(
    process: Annotated[str, typer.Argument(help="One process; all when left out.")] = "",
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(help="How many lines of each.")] = 40,
) -> None:
    """Print the last lines that the processes have written."""
    instance = instances.from_environment()
    files = sorted(instance.folder("logs").glob(f"{process or '*'}.log"))
    if not files:
        raise CannotStart(f"No log of {process or 'any process'} in {instance.folder('logs')}.")
    options = ["-n", str(lines), *(["-F"] if follow else [])]
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run(["tail", *options, *map(str, files)], check=False)


@app.command()
def exports() -> None:
    """Print what tests need to reach the databases and Kafka of this instance, for the shell."""
    for name, value in suite.environment_of(instances.from_environment()).items():
        print(f"export {name}={value}")


def _chosen(only: str) -> list[str]:
    wanted = [name.strip() for name in only.split(",") if name.strip()] or list(PROCESSES)
    for name in wanted:
        if name not in PROCESSES:
            raise CannotStart(f"There is no process {name}: choose from {', '.join(PROCESSES)}.")
    return [name for name in PROCESSES if name in wanted]


def _is_ready(instance: Instance, processes: list[str]) -> bool:
    services = [name for name in processes if name in BY_NAME]
    return all(map(_answers, steps.readiness(instance, services).values())) and (
        POSTGRES not in processes or steps.postgres_answers(instance)
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _greet(instance: Instance, processes: list[str], what: str) -> None:
    if set(processes) != set(PROCESSES):
        console.print(f"{what}: {', '.join(processes)}.")
        return
    console.print(f"{what}: [bold]{steps.address(instance)}[/bold]")
    names = ", ".join(f"{name}@{DEMO_DOMAIN}" for name in DEMO_LOGINS)
    console.print(f"Sign in as {names}; the password is {DEMO_PASSWORD}.")


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Being ended from outside is Ctrl-C: what was begun is undone."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, interrupt)
    yield


def main() -> None:
    """Run a command; what it refuses is one line and exit code 1."""
    try:
        app()
    except CannotStart as refusal:
        console.print(str(refusal), style="red", markup=False, soft_wrap=True)
        raise SystemExit(1) from None
    except OSError as error:
        place = f" ({Path(str(error.filename))})" if error.filename else ""
        console.print(f"{error.strerror or error}{place}: mend that, then run again.", style="red")
        raise SystemExit(1) from None
