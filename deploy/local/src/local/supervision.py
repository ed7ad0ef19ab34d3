"""Talking to the supervisor of an instance: is it there, start these, stop those, how are they."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from typing import Any

import psutil

from local import postgres
from local.instance import REPOSITORY, Instance
from local.processes import MARK
from local.refusals import CannotStart, NotReadyInTime
from local.topology import LOOPBACK

RUNNING_STATES = {"RUNNING", "STARTING", "BACKOFF", "STOPPING"}
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER")
STOP_SECONDS = 40.0


class _Transport(xmlrpc.client.Transport):
    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = 20
        return connection


class Supervisor:
    """The supervisor of one instance, which answers only those who know its password."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def _call(self, method: str, *arguments: object) -> Any:
        password = self._instance.secret("supervisor")
        url = f"http://holdfast:{password}@{LOOPBACK}:{self._instance.ports.supervisor}/RPC2"
        with xmlrpc.client.ServerProxy(url, transport=_Transport(), allow_none=True) as server:
            return getattr(server.supervisor, method)(*arguments)

    def is_running(self) -> bool:
        """Whether the supervisor of this very state folder answers."""
        try:
            return bool(self._call("getIdentification") == str(self._instance.state))
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def launch(self) -> None:
        """Start the supervisor, away from this terminal and its Ctrl-C."""
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        done = subprocess.run(
            [
                *(sys.executable, "-m", "supervisor.supervisord"),
                *("-c", str(self._instance.state / "supervisor.conf")),
            ],
            env={**kept, MARK: str(self._instance.state)},
            cwd=REPOSITORY,
            check=False,
            capture_output=True,
            text=True,
            start_new_session=True,
        )
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            said = next((line for line in lines if line.startswith("Error")), lines[-1])
            raise CannotStart(f"The supervisor does not start: {said}")
        log = str(self._instance.log_of("supervisor"))
        wait_until(self.is_running, 20, "The supervisor", log)

    def reload(self) -> None:
        """Take over a changed file; a process whose row changed is stopped, to be started anew."""
        added, changed, removed = self._call("reloadConfig")[0]
        for name in (*changed, *removed):
            self._call("stopProcessGroup", name, True)
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)

    def processes(self) -> dict[str, dict[str, Any]]:
        """What the supervisor knows of each process: statename, pid, start (seconds since 1970)."""
        return {row["name"]: row for row in self._call("getAllProcessInfo")}

    def running(self) -> set[str]:
        """The processes that are up, or that the supervisor is bringing up."""
        rows = self.processes().items()
        return {name for name, row in rows if row["statename"] in RUNNING_STATES}

    def start(self, names: Iterable[str]) -> None:
        """Start those that are not up; does not wait until they are ready."""
        up = self.running()
        for name in names:
            if name not in up:
                self._call("startProcess", name, False)

    def stop(self, names: Iterable[str]) -> None:
        """Stop those that are up, all at once, and wait until they have ended."""
        wanted = set(names)
        for name in wanted & self.running():
            with contextlib.suppress(xmlrpc.client.Fault):  # It ended by itself meanwhile.
                self._call("stopProcess", name, False)
        wait_until(lambda: not wanted & self.running(), STOP_SECONDS, "Stopping", "")

    def shutdown(self) -> None:
        """End the supervisor itself, and with it whatever still runs."""
        pid = self._call("getPID")
        self._call("shutdown")
        wait_until(lambda: not psutil.pid_exists(pid), STOP_SECONDS, "Stopping the supervisor", "")


def wait_until(done: Callable[[], bool], seconds: float, what: str, log: str) -> None:
    """Return when the condition holds, or refuse when the time is over."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise NotReadyInTime(what, seconds, log)
        time.sleep(0.1)


def left_behind(instance: Instance) -> list[psutil.Process]:
    """Processes of this instance that no supervisor keeps: an earlier start was cut short."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(instance.state):
                found[process.pid] = process
    lock = postgres.data_folder(instance) / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
        server = psutil.Process(int(lock.read_text().splitlines()[0]))
        if server.name() == "postgres":
            found[server.pid] = server
    return [process for process in found.values() if process.pid != os.getpid()]


def clear_left_behind(instance: Instance) -> int:
    """End what an earlier start left, gently first, and say how many processes that were."""
    processes = left_behind(instance)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            # The database's fast shutdown is INT; TERM would wait for its clients.
            process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
    _, stubborn = psutil.wait_procs(processes, timeout=15)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)
    return len(processes)


def resident_mib(pid: int) -> float:
    """Memory of a process and its children, pages that they share counted once."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid) if pid else None
        for part in [process, *process.children(recursive=True)] if process else []:
            with contextlib.suppress(psutil.Error):
                total += part.memory_full_info().pss
    return total / 1024 / 1024
