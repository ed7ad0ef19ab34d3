"""One instance: its ports, its state folder and the secrets kept there."""

import json
import os
import secrets
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from local.refusals import CannotStart
from local.topology import KAFKA, LOOPBACK, Ports, Scale, Service

REPOSITORY = Path(__file__).resolve().parents[4]
DEFAULT_PORT = 8080
# Services are made ready side by side, and a secret must be made once and never lost.
SECRETS_LOCK = threading.Lock()


@dataclass(frozen=True)
class Instance:
    """Where an instance listens and where it keeps everything that it must remember."""

    ports: Ports
    state: Path

    @property
    def scale(self) -> Scale:
        """How many of everything the last start was told to run."""
        path = self.state / "scale.json"
        return Scale(**json.loads(path.read_text())) if path.exists() else Scale()

    def remember(self, scale: Scale) -> None:
        """Run this many of everything from the next start on."""
        write_private(self.state / "scale.json", json.dumps(asdict(scale)))

    @property
    def kafka(self) -> str:
        """The addresses of all brokers, with commas between them."""
        numbers = [broker.number for broker in self.scale.of(KAFKA)]
        return ",".join(f"{LOOPBACK}:{self.ports.nth(number).kafka}" for number in numbers)

    def urls(self, service: Service) -> str:
        """Where the processes of a service answer, with commas between several."""
        numbers = [process.number for process in self.scale.of(service.name)]
        return ",".join(f"http://{LOOPBACK}:{self.ports.nth(n).of(service)}" for n in numbers)

    def folder(self, *parts: str) -> Path:
        """A folder below the state folder, made when missing."""
        # Others may pass through the state folder (the database server's user must) but not read.
        self.state.mkdir(mode=0o711, parents=True, exist_ok=True)
        path = self.state
        for part in parts:
            path = path / part
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    def log_of(self, process: str) -> Path:
        """The file that holds what a process has written."""
        return self.folder("logs") / f"{process}.log"

    def secret(self, name: str) -> str:
        """A random secret that is made once and kept for the owner of the folder only."""
        path = self.state / "secrets.json"
        with SECRETS_LOCK:
            known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
            if name not in known:
                known[name] = secrets.token_urlsafe(32)
                write_private(path, json.dumps(known, indent=1))
            return known[name]


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own (and mode 0600): another thread may be writing the same file.
    handle, fresh = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


def time_zone() -> str:
    """The chain's zone, as who starts it says."""
    return os.environ.get("HOLDFAST_TIMEZONE", "UTC")


def from_environment() -> Instance:
    """The instance that HOLDFAST_PORT and HOLDFAST_STATE name."""
    text = os.environ.get("HOLDFAST_PORT", str(DEFAULT_PORT))
    if not text.isdigit() or not 1024 <= int(text) <= 65_000:
        raise CannotStart(f"HOLDFAST_PORT={text} is not a port: give a number, 1024 to 65000.")
    state = Path(os.environ.get("HOLDFAST_STATE", REPOSITORY / ".holdfast"))
    return Instance(Ports(int(text)), (REPOSITORY / state).resolve())
