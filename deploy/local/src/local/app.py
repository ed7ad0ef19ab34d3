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
import typer
from rich.console import Console
from rich.table import Table

from local import instance as instances
from local import kafka, keeping, postgres, rehearsal, steps, suite
from local.backup import read_manifest
from local.checks import alone, check_disk, check_ports
from local.instance import Instance
from local.refusals import CannotStart
from local.steady_load import Left, figures
from local.supervision import Supervisor, clear_left_behind, resident_mib
from local.topology import (
    BROKERS,
    DEMO_DOMAIN,
    DEMO_LOGINS,
    DEMO_PASSWORD,
    INFRASTRUCTURE,
    KINDS,
    POSTGRES,
    REPLICAS_MAX,
    Scale,
)

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__
)
console = Console(stderr=True, highlight=False)
Only = Annotated[str, typer.Option(help="These processes alone, with commas between them.")]


@app.command()
def up(
    only: Only = "",
    replicas: Annotated[
        int | None, typer.Option(min=1, max=REPLICAS_MAX, help="Processes of each service.")
    ] = None,
    brokers: Annotated[int | None, typer.Option(help="Kafka brokers: 1, 3 or 5.")] = None,
) -> None:
    """Start whatever is not up yet, wait until it is ready, and print the address.

    How many of everything run is remembered; given another number, everything starts anew.
    """
    instance = instances.from_environment()
    kinds = _chosen(only)
    started = time.monotonic()
    with alone(instance), _stoppable():
        _rescale(instance, replicas, brokers)
        supervisor = Supervisor(instance)
        before = supervisor.running() if supervisor.is_running() else None
        wanted = set(instance.scale.names(kinds))
        if before is not None and wanted <= before and _is_ready(instance, kinds):
            _greet(instance, kinds, "Already up")
            return
        try:
            _start(instance, kinds, before)
        except BaseException:
            _undo(instance, kinds, before)
            raise
    _greet(instance, kinds, f"Ready after {time.monotonic() - started:.0f} s")


def _rescale(instance: Instance, replicas: int | None, brokers: int | None) -> None:
    """Take over other numbers; what runs in the old ones is stopped first."""
    if brokers is not None and brokers not in BROKERS:
        raise CannotStart(f"BROKERS={brokers}: choose from {', '.join(map(str, BROKERS))}.")
    old = instance.scale
    new = Scale(replicas or old.replicas, brokers or old.brokers)
    if new == old:
        return
    kafka.refuse_another_number(instance, new)
    if Supervisor(instance).is_running():
        console.print("Stopping first: another number of processes is asked for.")
        _stop_everything(instance)
    instance.remember(new)


def _start(instance: Instance, kinds: list[str], before: set[str] | None) -> None:
    check_disk(instance)
    if before is None:
        ended = clear_left_behind(instance)
        if ended:
            console.print(f"Ended {ended} processes that an earlier start had left behind.")
    processes = instance.scale.processes(kinds)
    check_ports(instance.ports, processes, before)
    with console.status("Starting") as status:
        said: list[str] = []

        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal and text not in said and not text.startswith("Waiting"):
                console.print(text)
            said.append(text)

        asyncio.run(steps.bring_up(instance, kinds, say))


def _undo(instance: Instance, kinds: list[str], before: set[str] | None) -> None:
    """Leave nothing running that this start has brought up."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # A second Ctrl-C must not stop the stopping.
    console.print("Stopping what was started.")
    if before is None:
        _stop_everything(instance)
    elif Supervisor(instance).is_running():
        _stop_in_order(instance, set(instance.scale.names(kinds)) - before)


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
        _stop_in_order(instance, supervisor.running())
        supervisor.shutdown()
    return clear_left_behind(instance) > 0 or was_running


def _stop_in_order(instance: Instance, names: set[str]) -> None:
    """Services first, so that they can finish what they have begun with the database."""
    supervisor = Supervisor(instance)
    infrastructure = set(instance.scale.names(INFRASTRUCTURE))
    supervisor.stop(names - infrastructure)
    supervisor.stop(names & infrastructure)


def _delete_state(instance: Instance) -> None:
    """Delete what an instance makes, by name: another instance may live in the same folder."""
    # Never the folder itself: the lock that we hold is in it.
    shutil.rmtree(postgres.data_folder(instance), ignore_errors=True)
    for name in ("kafka", "logs", "mail", "gateway", "agent", "keys", "postgres"):
        shutil.rmtree(instance.state / name, ignore_errors=True)
    for name in ("secrets.json", "supervisor.conf", "supervisor.pid", "postgres.url", "scale.json"):
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
    for process in instance.scale.processes():
        row: dict[str, Any] = rows[process.name]
        mib = resident_mib(row["pid"])
        total += mib
        ports = " ".join(map(str, instance.ports.of_process(process)))
        age = str(int(time.time()) - row["start"]) if row["pid"] else ""
        state, pid = row["statename"].lower(), str(row["pid"] or "")
        table.add_row(process.name, state, pid, ports, age, f"{mib:.0f}")
    table.add_row("together", "", "", "", "", f"{total:.0f}")
    Console().print(table)
    everything = set(instance.scale.names())
    ready = _is_ready(instance, list(KINDS)) and supervisor.running() >= everything
    console.print("Ready." if ready else "Not ready: `make logs` shows why.")
    if not ready:
        raise typer.Exit(1)


@app.command()
def rehearse(
    rate: Annotated[float, typer.Option(min=0.1, help="Requests a second meanwhile.")] = 5.0,
) -> None:
    """Restart all under load, one of a kind at a time; fails when a request or an order is lost."""
    instance = instances.from_environment()
    with alone(instance):
        load = asyncio.run(rehearsal.rehearse(instance, rate, console.print))
        left = load.look_again()
    table = Table("requests", "count")
    for name, value in figures(load.answers):
        table.add_row(name, value)
    table.add_row("orders lost", str(len(left.missing)))
    table.add_row("orders undecided", str(len(left.undecided)))
    table.add_row("records parked", str(sum(left.parked.values())))
    Console().print(table)
    failed = rehearsal.failures(load.answers)
    for one in failed[:10]:
        console.print(
            f"{one.path}: {one.outcome} after {one.seconds:.1f} s, during: {one.meanwhile}"
        )
    if failed or left != Left([], [], {}):
        raise typer.Exit(1)


@app.command()
def backup(to: Annotated[Path, typer.Option(help="A new folder for it.")]) -> None:
    """Put aside all databases, topics, keys and secrets; the services stand still meanwhile."""
    instance = instances.from_environment()
    with alone(instance), _stoppable():
        keeping.back_up(instance, to, _say)
    console.print(f"Everything is in {to}; it holds every secret of this instance: lock it away.")


@app.command()
def restore(
    source: Annotated[Path, typer.Option("--from", help="A folder that `backup` has made.")],
    only: Annotated[str, typer.Option(help="One service's database alone.")] = "",
) -> None:
    """Bring an instance back as it was; or one database, which then hears again what it missed."""
    instance = instances.from_environment()
    with alone(instance), _stoppable():
        if only:
            lost = keeping.bring_one_back(instance, source, only, _say)
            _tell(only, lost, keeping.write_down(instance, only, lost))
            return
        read_manifest(source)  # Before anything is deleted.
        _stop_everything(instance)
        _delete_state(instance)
        keeping.bring_back(instance, source, _say)
    _greet(instance, list(KINDS), "Brought back")


def _say(text: str) -> None:
    """One line for each step, none for each moment of waiting."""
    if not text.startswith("Waiting"):
        console.print(text)


def _tell(service: str, lost: keeping.Lost, path: Path) -> None:
    table = Table("topic", "key", "versions", "what")
    for stretch in (*lost.heard, *lost.said):
        versions = f"{stretch.first_version} to {stretch.last_version}"
        table.add_row(stretch.topic, stretch.key, versions, ", ".join(stretch.types))
    Console().print(table)
    console.print(
        f"{service} hears {len(lost.heard)} of these keys again. Of {len(lost.said)} it had itself "
        f"said what it no longer knows: a person must decide, see {path} and "
        f"docs/operations/backup.md. {service} stays stopped until `make up`."
    )


@app.command()
def logs(
    process: Annotated[str, typer.Argument(help="One process; all when left out.")] = "",
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(help="How many lines of each.")] = 40,
) -> None:
    """Print the last lines that the processes have written."""
    instance = instances.from_environment()
    patterns = (f"{process or '*'}.log", f"{process or '*'}-[0-9].log")
    files = sorted({path for glob in patterns for path in instance.folder("logs").glob(glob)})
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
    wanted = [name.strip() for name in only.split(",") if name.strip()] or list(KINDS)
    for name in wanted:
        if name not in KINDS:
            raise CannotStart(f"There is no process {name}: choose from {', '.join(KINDS)}.")
    return [kind for kind in KINDS if kind in wanted]


def _is_ready(instance: Instance, kinds: list[str]) -> bool:
    return all(map(_answers, steps.readiness(instance, kinds).values())) and (
        POSTGRES not in kinds or steps.postgres_answers(instance)
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _greet(instance: Instance, kinds: list[str], what: str) -> None:
    if set(kinds) != set(KINDS):
        console.print(f"{what}: {', '.join(kinds)}.")
        return
    console.print(f"{what}: [bold]{steps.address(instance)}[/bold]")
    names = ", ".join(f"{name}@{DEMO_DOMAIN}" for name in DEMO_LOGINS)
    console.print(f"Sign in as {names}; the password is {DEMO_PASSWORD}.")


class _Interrupted(KeyboardInterrupt):
    """Ctrl-C in a class of its own.

    A plain one that meets Python at an `exec`, as there are in imports, sets a mark there: at the
    end Python kills itself by the signal, whatever was made of the exception.
    """


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Being ended from outside is Ctrl-C: what was begun is undone."""

    def interrupt(number: int, frame: object) -> None:
        raise _Interrupted

    # Ctrl-C too: the handler of asyncio only cancels a task, and a wait may swallow that.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
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
