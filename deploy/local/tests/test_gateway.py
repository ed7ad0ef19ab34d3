"""The one door: what reaches which service, and what never does."""

import concurrent.futures
import contextlib
import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from local import gateway
from local.instance import Instance
from local.topology import (
    API,
    BY_NAME,
    GATEWAY,
    SERVICES,
    Ports,
    Process,
    Scale,
    routed_paths,
)

from .running import free_ports, started

ROUTERS: dict[str, Any] = yaml.safe_load((gateway.ROUTES / "routes.yaml").read_text())["http"]


class Echo(BaseHTTPRequestHandler):
    """A service that says what reached it."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = len(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        said = {
            "port": self.server.server_address[1],
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "length": length,
        }
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Server", "secret/1.0")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Ports]]:
    """A real gateway before services that only say what reached them."""
    ports = Ports(free_ports())
    instance = Instance(ports, tmp_path_factory.mktemp("gateway"))
    gateway.prepare(instance)
    servers = [ThreadingHTTPServer(("127.0.0.1", ports.of(s)), Echo) for s in SERVICES]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{ports.gateway}"
    with started(
        gateway.command(instance, Process(GATEWAY)), gateway.environment(instance), f"{url}/readyz"
    ):
        limits = httpx.Limits(max_connections=50)
        with httpx.Client(base_url=url, timeout=30, limits=limits, trust_env=False) as client:
            yield client, ports
    for server in servers:
        server.shutdown()
        server.server_close()


Door = tuple[httpx.Client, Ports]


@pytest.mark.parametrize(
    ("path", "service"),
    [(path, service) for service in SERVICES for path in routed_paths(service)],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_each_path_reaches_its_owner(door: Door, path: str, service: Any) -> None:
    """Every path of the table, and what lies below it, is answered by the service that owns it."""
    client, ports = door
    for asked in (API + path, f"{API}{path}/0190-some-id/more?q=1"):
        found = client.get(asked).json()
        assert (found["port"], found["path"]) == (ports.of(service), asked)


@pytest.mark.parametrize("path", ["/", "/orders/1", "/readyz", f"{API}/ordersx", f"{API}/nothing"])
def test_everything_else_is_the_consoles(door: Door, path: str) -> None:
    """Pages, readiness and unknown paths are web's, also when they begin like another's."""
    client, ports = door
    assert client.get(path).json()["port"] == ports.gateway + 8


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_operators_figures_are_not_for_the_street(door: Door, path: str) -> None:
    """A service's own health and figures cannot be asked for from outside."""
    client, _ = door
    assert client.get(path).json()["path"] == "/hidden"


def test_nobody_can_say_who_they_are_in_a_header(door: Door) -> None:
    """Headers that claim an identity are dropped, however they are spelt; the token passes."""
    client, _ = door
    claims = {"X-User": "owner", "X-Forwarded-User": "o", "X-Roles": "owner", "Remote-User": "o",
              "X-Store-Ids": "1", "X_User": "owner", "X.Roles": "owner"}  # fmt: skip
    heard = client.get(f"{API}/orders", headers={**claims, "Authorization": "Bearer t"}).json()
    assert not {name.lower() for name in claims} & set(heard["headers"])
    assert heard["headers"]["authorization"] == "Bearer t"


@pytest.mark.parametrize("path", [f"{API}/tokens", "/sign-in"])
def test_nobody_can_say_where_they_are_in_a_header(door: Door, path: str) -> None:
    """A guesser cannot take another address for each guess."""
    client, _ = door
    heard = client.get(path, headers={"X-Forwarded-For": "203.0.113.9"}).json()
    assert heard["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_answers_carry_the_headers_that_protect_a_browser(door: Door) -> None:
    """No sniffing, no frames, no referrer to others, no name of the server; HSTS over TLS only."""
    client, _ = door
    headers = client.get("/").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Server" not in headers
    assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize("path", [f"{API}/orders", f"{API}/tokens", "/sign-in"])
def test_a_huge_body_is_refused_at_the_door(door: Door, path: str) -> None:
    """Ten megabytes never reach a service, web says why; a batch of a thousand orders passes."""
    client, _ = door
    refused = client.post(path, content=b"x" * 10_000_000)
    assert refused.status_code == 413
    assert (refused.json()["path"], refused.json()["length"]) == ("/refused/413", 0)
    assert client.post(path, content=b"x" * 1_500_000).json()["length"] == 1_500_000


def test_an_encoded_slash_is_refused(door: Door) -> None:
    """A path that the gateway and a service could read differently goes no further."""
    client, _ = door
    assert client.get(f"{API}/orders/..%2f..%2fmetrics").status_code == 400


def test_guessing_passwords_is_slowed_down(door: Door) -> None:
    """Sign-ins from one address are limited long before the limit of other calls."""
    client, _ = door

    def sign_in(_: int) -> tuple[int, bool]:
        answer = client.post(f"{API}/tokens", content=b"{}")
        return answer.status_code, "Retry-After" in answer.headers

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = Counter(pool.map(sign_in, range(300)))
    assert answers[200, False] >= 60
    assert answers[429, True] >= 60
    assert set(answers) == {(200, False), (429, True)}
    assert client.get(f"{API}/orders").status_code == 200


class Asked(Echo):
    """A process that says whether it is about to stop."""

    def do_GET(self) -> None:
        stopping = self.path == "/healthz" and getattr(self.server, "stopping", False)
        if stopping:
            self.send_error(503)
        else:
            self.answer()


@pytest.fixture(scope="module")
def two_doors(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, list[ThreadingHTTPServer], list[subprocess.Popen[bytes]]]]:
    """Two gateways behind one door, before three processes of orders, of which one is away."""
    ports = Ports(free_ports())
    instance = Instance(ports, tmp_path_factory.mktemp("gateways"))
    instance.remember(Scale(replicas=3))
    gateway.prepare(instance)
    places = [ports.nth(number).of(BY_NAME["orders"]) for number in (1, 2)]
    servers = [ThreadingHTTPServer(("127.0.0.1", port), Asked) for port in places]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = gateway.environment(instance)
    with contextlib.ExitStack() as stack:
        doors = []
        for one in reversed(instance.scale.of(GATEWAY)):
            url = f"http://127.0.0.1:{ports.of_process(one)[0]}/ping"
            command = gateway.command(instance, one)
            doors.append(stack.enter_context(started(command, environment, url)))
        yield f"http://127.0.0.1:{ports.gateway}{API}/orders", servers, doors
    for server in servers:
        server.shutdown()
        server.server_close()


def answers(url: str, count: int) -> Counter[tuple[int, int]]:
    """Status and answering port of that many POSTs, each on a connection of its own."""
    found: Counter[tuple[int, int]] = Counter()
    for number in range(count):
        answer = httpx.post(url, json={"number": number}, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.json()["length"] == len(answer.request.content)
        found[answer.status_code, answer.json()["port"]] += 1
    return found


def test_several_processes_share_the_work_and_none_that_is_away_is_noticed(two_doors: Any) -> None:
    """One of three is not there from the start: every POST is answered by one of the others."""
    url, servers, _ = two_doors
    found = answers(url, 60)
    assert {port for _, port in found} == {server.server_address[1] for server in servers}


def test_a_process_about_to_stop_is_left_alone(two_doors: Any) -> None:
    """Once it says so, the gateways send it nothing more; and again when it is back."""
    url, both, _ = two_doors
    staying, leaving = both
    for stopping in (True, False):
        leaving.stopping = stopping
        expected = {server.server_address[1] for server in ([staying] if stopping else both)}
        deadline = time.monotonic() + 30
        while {port for _, port in answers(url, 20)} != expected:
            assert time.monotonic() < deadline, "the gateway has not noticed"


def test_nobody_notices_that_a_gateway_ends(two_doors: Any) -> None:
    """While one of two gateways stops and when it is gone, the other answers on the same door."""
    url, _, (first, *_) = two_doors
    first.terminate()
    while first.poll() is None:
        answers(url, 5)
    answers(url, 20)


def test_the_limit_of_calls_counts_by_token() -> None:
    """2,000 requests a second a token with bursts of 4,000; one caller's flood is not another's."""
    text = (gateway.ROUTES / "middlewares.yaml").read_text()
    limit = yaml.safe_load(text)["http"]["middlewares"]["limit-token"]["rateLimit"]
    assert (limit["average"], limit["burst"]) == (2000, 4000)
    assert limit["sourceCriterion"] == {"requestHeaderName": "Authorization"}


def test_every_route_is_guarded_and_limited() -> None:
    """No rule lets a request in whose identity headers are kept or that no limit counts."""
    for name, router in ROUTERS["routers"].items():
        chain = set(router["middlewares"])
        assert chain & {"api", "guard"}, name
        limits = {"api", "limit-token", "limit-login", "limit-address", "hide"}
        assert chain & limits, name


def test_production_speaks_modern_tls_alone() -> None:
    """TLS 1.2 and newer, with suites that keep past traffic secret."""
    path: Path = gateway.ROUTES.with_name("tls") / "tls.yaml"
    options = yaml.safe_load(path.read_text())["tls"]["options"]["default"]
    assert options["minVersion"] == "VersionTLS12"
    assert all(re.match("TLS_ECDHE_", suite) for suite in options["cipherSuites"])
