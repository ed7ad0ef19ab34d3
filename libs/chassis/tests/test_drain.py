"""A process that is told to stop loses no request: it says so first, and finishes what it began."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

LONG_DRAIN_S = 600  # Longer than the test: it ends when the test says so a second time.
Start = Callable[[float], tuple[httpx.Client, "subprocess.Popen[bytes]"]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the slow service with this time of draining; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def begin(drain_s: float) -> tuple[httpx.Client, "subprocess.Popen[bytes]"]:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = probe.getsockname()[1]
            script = str(Path(__file__).with_name("slow_app.py"))
            process = subprocess.Popen([sys.executable, script, str(port), str(drain_s)])
            stack.callback(process.wait)
            stack.callback(process.kill)
            url = f"http://127.0.0.1:{port}"
            client = stack.enter_context(httpx.Client(base_url=url, timeout=60, trust_env=False))
            wait_for(lambda: health(client) == 200)
            return client, process

        yield begin


def health(client: httpx.Client, probe: str = "/healthz") -> int | None:
    """The probe's answer on a connection of its own; None when nobody listens."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(client.base_url.join(probe), trust_env=False).status_code
    return None


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_says_so_and_goes_on_answering(start: Start) -> None:
    """Told to stop, both probes say 503 while every request is still answered."""
    client, process = start(LONG_DRAIN_S)
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: health(client) == 503)
    assert health(client, "/readyz") == 503
    assert client.get("/quick").status_code == 200
    assert process.poll() is None


def test_what_was_begun_is_finished(start: Start) -> None:
    """A request that came before the end is answered, and then nobody listens any more."""
    client, process = start(0.5)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.get, "/slow")
        process.send_signal(signal.SIGTERM)
        assert slow.result(60).status_code == 200
    process.wait(60)
    assert health(client) is None


def test_alone_it_stops_at_once(start: Start) -> None:
    """Without a time of draining nothing waits."""
    _, process = start(0)
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def test_told_twice_it_stops_at_once(start: Start) -> None:
    """Who cannot wait says it again."""
    client, process = start(LONG_DRAIN_S)
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: health(client) == 503)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
