"""What the tests of the start-up share: free ports and programs that end with their test."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence

import httpx
from local.topology import PORTS_APART

SPAN = 3 * PORTS_APART  # As many as the largest instance of a test has.
_claims: list[socket.socket] = []  # One for each run that was given out, until the process ends.


def free_ports() -> int:
    """The first of SPAN ports that nobody listens on and no other test gets, here or beside."""
    for base in range(21_000, 32_000, SPAN):
        claim = socket.socket(type=socket.SOCK_DGRAM)  # UDP is in nobody's way.
        with contextlib.ExitStack() as stack:
            try:
                claim.bind(("127.0.0.1", base))
                for port in range(base, base + SPAN):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        _claims.append(claim)
        return base
    raise AssertionError("no run of free ports on this machine")


@contextlib.contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], url: str, seconds: float = 30
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs while the test does, from the moment that its address answers."""
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url, trust_env=False).status_code == 200:
                    break
            assert process.poll() is None, f"{command[0]} ended by itself"
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(20)
