"""What the tests of the start-up share: free ports and programs that end with their test."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence

import httpx

SPAN = 20


def free_ports(span: int = SPAN) -> int:
    """The first of a run of ports that nobody listens on, for an instance of a test's own."""
    for base in range(21_000 + (os.getpid() % 200) * SPAN, 60_000, SPAN):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + span):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
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
