"""What must be so before anything starts; each refusal says what to do."""

import contextlib
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator, Sequence

import psutil

from local.instance import Instance
from local.refusals import CannotStart, DiskFull, PortTaken, StartInProgress
from local.topology import LOOPBACK, Ports, Process

FREE_MIB_MIN = 1024


@contextlib.contextmanager
def alone(instance: Instance) -> Iterator[None]:
    """Hold the state folder, so that two starts or stops never mix."""
    try:
        path = instance.folder() / "lock"
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(
            f"{instance.state} cannot be written ({error.strerror}): "
            "set HOLDFAST_STATE to a folder of yours."
        ) from error
    with os.fdopen(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartInProgress(file.read().strip() or "unknown") from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def check_disk(instance: Instance, needed_mib: int = FREE_MIB_MIN) -> None:
    """Refuse to start databases on a disk that is nearly full."""
    free_mib = shutil.disk_usage(instance.folder()).free // (1024 * 1024)
    if free_mib < needed_mib:
        raise DiskFull(str(instance.state), free_mib, needed_mib)


def check_ports(ports: Ports, processes: Sequence[Process], running: set[str] | None) -> None:
    """Refuse when somebody else listens where these processes are to listen.

    running: the names of those that the supervisor keeps up already; None when it is not there.
    """
    missing = [process for process in processes if process.name not in (running or set())]
    wanted = [(port, process.name) for process in missing for port in ports.of_process(process)]
    if running is None:
        wanted.append((ports.supervisor, "the supervisor"))
    for port, name in wanted:
        if _is_taken(port):
            raise PortTaken(port, name, _holder(port), ports.gateway)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do it, so that connections just closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def _holder(port: int) -> str:
    """Who listens there, as far as this user may know."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if local and local.port == port and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f"{name} (process {connection.pid})"
    return "another program"
