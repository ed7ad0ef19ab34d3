"""Starting and stopping on a machine that is not as one would wish it."""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from local import kafka
from local.checks import alone, check_disk, check_ports
from local.instance import REPOSITORY, Instance, write_private
from local.processes import MARK
from local.refusals import DiskFull, PortTaken, StartInProgress
from local.supervision import Supervisor, clear_left_behind, left_behind
from local.topology import BROKERS, GATEWAY, MAIL, REPLICAS_MAX, Ports, Scale

from .running import free_ports


class Place:
    """An instance in a folder of the test's own, spoken to as a person would."""

    def __init__(self, state: Path) -> None:
        self.instance = Instance(Ports(free_ports()), state)

    def environment(self) -> dict[str, str]:
        port = str(self.instance.ports.gateway)
        return {
            **os.environ,
            "HOLDFAST_STATE": str(self.instance.state),
            "HOLDFAST_PORT": port,
            "COLUMNS": "500",
        }

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "local", *words]

    def says(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            self.command(*words),
            cwd=REPOSITORY,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def pid_of_supervisor(self) -> int:
        return int((self.instance.state / "supervisor.pid").read_text())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place to start in; whatever the test leaves running ends with it."""
    found = Place(tmp_path / "state")
    try:
        yield found
    finally:
        found.says("down")


def test_starting_twice_is_starting_once(place: Place) -> None:
    """The second `up` finds everything up, and says so; `down` ends it, and again is harmless."""
    assert place.says("up", "--only", "mail,gateway")[0] == 0
    first = place.pid_of_supervisor()
    code, text = place.says("up", "--only", "mail,gateway")
    assert (code, text) == (0, "Already up: mail, gateway.")
    assert place.pid_of_supervisor() == first
    assert place.says("down") == (0, "Stopped.")
    assert place.says("down") == (0, "Nothing was running.")


def test_a_busy_port_is_said_in_one_line(place: Place) -> None:
    """Whoever has the port is named, with what to do; nothing runs; freed, the next try works."""
    with socket.create_server(("127.0.0.1", place.instance.ports.gateway)):
        code, text = place.says("up", "--only", "gateway")
        last = text.splitlines()[-1]
        assert code == 1
        assert f"Port {place.instance.ports.gateway} (for gateway) is taken by" in last
        assert f"(process {os.getpid()})" in last
        assert "HOLDFAST_PORT=" in last
        assert "Traceback" not in text
        assert left_behind(place.instance) == []
    assert place.says("up", "--only", "gateway")[0] == 0


def test_what_a_killed_start_left_is_cleared(place: Place) -> None:
    """A start whose supervisor was killed leaves processes behind; the next one ends them first."""
    assert place.says("up", "--only", "mail,gateway")[0] == 0
    supervisor = psutil.Process(place.pid_of_supervisor())
    supervisor.kill()
    supervisor.wait(10)
    orphans = {process.pid for process in left_behind(place.instance)}
    assert len(orphans) == 2
    code, text = place.says("up", "--only", "mail,gateway")
    assert code == 0, text
    assert "an earlier start had left behind" in text
    now = {process.pid for process in left_behind(place.instance)}
    assert not orphans & now


def test_ctrl_c_leaves_nothing_running(place: Place) -> None:
    """A start that is interrupted takes back what it began, and the next one works."""
    # Without a database orders is never ready, so the start waits until it is interrupted.
    start = subprocess.Popen(
        place.command("up", "--only", "mail,gateway,orders"),
        cwd=REPOSITORY,
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not _running(place.instance, "orders.app"):
        assert time.monotonic() < deadline, "nothing was started"
        assert start.poll() is None, start.communicate()[0]
        time.sleep(0.05)
    start.send_signal(signal.SIGINT)
    text, _ = start.communicate(timeout=60)
    assert start.returncode == 130
    assert "Traceback" not in text
    assert left_behind(place.instance) == []
    assert place.says("up", "--only", "mail")[0] == 0


def test_a_process_that_is_killed_comes_back(place: Place) -> None:
    """The supervisor brings a killed process up again by itself."""
    assert place.says("up", "--only", "mail")[0] == 0
    (process,) = _running(place.instance, "local.mail_catcher")
    process.kill()
    deadline = time.monotonic() + 15
    while not {p.pid for p in _running(place.instance, "local.mail_catcher")} - {process.pid}:
        assert time.monotonic() < deadline, "it did not come back"
        time.sleep(0.1)


def _running(instance: Instance, module: str) -> list[psutil.Process]:
    return [process for process in left_behind(instance) if module in _words(process)]


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []


def test_two_starts_take_turns(place: Place) -> None:
    """While one start holds the folder, another is told to wait instead of mixing with it."""
    with alone(place.instance):
        code, text = place.says("up", "--only", "mail")
    assert code == 1
    assert "Another start or stop is running here" in text
    with alone(place.instance), pytest.raises(StartInProgress), alone(place.instance):
        pass


def test_a_wrong_port_is_said_in_one_line(place: Place) -> None:
    """A port that is no number is refused before anything happens."""
    done = subprocess.run(
        place.command("status"),
        env={**place.environment(), "HOLDFAST_PORT": "eighty"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert (
        done.stderr.strip() == "HOLDFAST_PORT=eighty is not a port: give a number, 1024 to 65000."
    )


def test_a_full_disk_is_said_before_anything_starts(place: Place) -> None:
    """With less room than the databases need, the start is refused with the folder's name."""
    with pytest.raises(DiskFull, match="HOLDFAST_STATE"):
        check_disk(place.instance, needed_mib=10**9)
    check_disk(place.instance, needed_mib=1)


def test_secrets_are_for_their_owner_alone(place: Place) -> None:
    """Passwords and keys are made at random and no other user of the machine can read them."""
    assert place.says("up", "--only", "mail")[0] == 0
    for name in ("secrets.json", "supervisor.conf", "keys/identity.pem", "keys/devices.pem"):
        mode = stat.S_IMODE((place.instance.state / name).stat().st_mode)
        assert mode == 0o600, name
    one = place.instance.secret("postgres_orders_app")
    assert one != place.instance.secret("postgres_orders_owner")
    assert one == place.instance.secret("postgres_orders_app")


def test_reset_deletes_what_was_stored_and_nothing_else(place: Place) -> None:
    """Another instance's folder inside the state folder is left alone."""
    assert place.says("up", "--only", "mail")[0] == 0
    other = place.instance.state / "test" / "kept"
    other.mkdir(parents=True)
    assert place.says("reset")[0] == 0
    assert sorted(path.name for path in place.instance.state.iterdir()) == ["lock", "test"]
    assert other.exists()


def test_no_two_processes_share_a_port() -> None:
    """Within an instance every port has one listener, and two instances 100 apart never meet."""
    for scale in (Scale(), Scale(replicas=3, brokers=3), Scale(REPLICAS_MAX, max(BROKERS))):
        ports = Ports(8080)
        taken = [port for one in scale.processes() for port in ports.of_process(one)]
        taken.append(ports.supervisor)
        assert len(set(taken)) == len(taken)
        assert max(taken) < 8080 + 100


def test_ports_in_use_by_nobody_pass(place: Place) -> None:
    """Free ports are no reason to refuse, and the one that is taken is found among them."""
    wanted = Scale().processes([MAIL, GATEWAY])
    check_ports(place.instance.ports, wanted, running=None)
    with socket.create_server(("127.0.0.1", place.instance.ports.smtp)):
        with pytest.raises(PortTaken, match="for mail"):
            check_ports(place.instance.ports, wanted, running=None)
        check_ports(place.instance.ports, wanted, running={MAIL})


def test_a_cluster_may_have_any_id(place: Place) -> None:
    """One start in sixty-four draws an id that begins with a hyphen: it is no option's name."""
    cluster = "-" * 3 + "A" * 19
    secrets = json.dumps({"kafka_cluster": cluster})
    write_private(place.instance.state / "secrets.json", secrets)
    kafka.prepare(place.instance)
    [written] = (place.instance.state / "kafka").glob("**/meta.properties")
    assert f"cluster.id={cluster}" in written.read_text()


def test_how_many_of_everything_is_remembered(place: Place) -> None:
    """The numbers of one start hold for the next; another number of brokers asks for a reset."""
    assert place.says("up", "--only", "mail,gateway", "--replicas", "2")[0] == 0
    assert place.says("down")[0] == 0
    assert place.says("up", "--only", "mail,gateway")[0] == 0
    assert place.instance.scale == Scale(replicas=2)
    running = {"mail", "gateway", "gateway-1", "gateway-2"}
    assert Supervisor(place.instance).running() == running
    made = place.instance.folder("kafka", "data") / "meta.properties"
    made.touch()
    code, text = place.says("up", "--brokers", "3")
    assert (code, "BROKERS=1" in text, "make reset" in text) == (1, True, True)
    assert place.says("up", "--brokers", "2")[0] == 1
    assert Supervisor(place.instance).running() == running


def test_only_marked_processes_are_ended(place: Place) -> None:
    """Clearing up ends what bears this instance's mark, and not a neighbour's."""
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    place.instance.folder()
    with (
        subprocess.Popen(sleep, env={**os.environ, MARK: str(place.instance.state)}) as ours,
        subprocess.Popen(sleep, env={**os.environ, MARK: "/another"}) as others,
    ):
        try:
            deadline = time.monotonic() + 10
            while not left_behind(place.instance):  # Until the child is the new program.
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert clear_left_behind(place.instance) == 1
            assert not psutil.pid_exists(ours.pid)
            assert others.poll() is None
        finally:
            others.kill()


def test_secrets_made_at_once_are_all_kept(tmp_path: Path) -> None:
    """Many threads that start an instance make each secret once, and none loses another's."""
    instance = Instance(Ports(free_ports()), tmp_path)
    names = [f"secret_{n % 20}" for n in range(200)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        made = set(zip(names, pool.map(instance.secret, names), strict=True))
    assert len(made) == 20
    assert json.loads((tmp_path / "secrets.json").read_text()) == dict(made)
    assert [file.name for file in tmp_path.iterdir()] == ["secrets.json"]


def test_a_private_file_may_be_written_by_two_at_once(tmp_path: Path) -> None:
    """One of the writers wins, nobody fails, and only the owner can read it."""
    path = tmp_path / "private"
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: write_private(path, f"writer {n % 7}" * 100), range(400)))
    assert path.read_text() in {f"writer {n}" * 100 for n in range(7)}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["private"]
