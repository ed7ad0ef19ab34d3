"""The containers are the same system as the one that `up` starts."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from contracts.topics import PARTITIONS, TOPICS
from local import gateway, kafka, postgres, topics
from local.instance import REPOSITORY, Instance
from local.processes import program, service_environment
from local.topology import AGENT, GATEWAY, KAFKA, POSTGRES, SERVICES, Ports, Process, Service

TEXT = (REPOSITORY / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)["services"]
SHARES = 1024  # What a container has that says nothing.
SECRET_WORDS = ("PASSWORD", "SECRET", "SIGNING_KEY", "CLUSTER_ID")


def each_service() -> Any:
    return pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def test_the_same_processes_run() -> None:
    """Every process of the embedded default is a container, but for the mail catcher."""
    expected = {service.name for service in SERVICES} | {POSTGRES, KAFKA, GATEWAY, AGENT, "prepare"}
    assert set(COMPOSE) == expected


@each_service()
def test_a_service_is_told_the_same_settings(service: Service, tmp_path: Path) -> None:
    """A setting that one way of running gives and the other forgets is found here."""
    embedded = service_environment(Instance(Ports(8080), tmp_path), service)
    production = {f"HOLDFAST_{name}" for name in service.production_settings}
    assert set(COMPOSE[service.name]["environment"]) == set(embedded) | production


@each_service()
def test_a_service_uses_its_own_database_with_its_lesser_role(service: Service) -> None:
    """No container is given another service's database or the role that may change tables."""
    url = COMPOSE[service.name]["environment"].get("HOLDFAST_DATABASE_URL")
    if service.owns_database:
        password = f"${{HOLDFAST_{service.name.upper()}_APP_PASSWORD:?set it}}"
        place = f"postgres:5432/{service.name}"
        assert url == f"postgresql+asyncpg://{service.name}_app:{password}@{place}"
    else:
        assert url is None


@each_service()
def test_an_image_holds_its_own_service_alone(service: Service) -> None:
    """One image pattern: hashed packages, the libraries, the service, no root, a health check."""
    build = COMPOSE[service.name]["build"]
    assert build["dockerfile"] == f"services/{service.name}/Dockerfile"
    text = (REPOSITORY / build["dockerfile"]).read_text()
    assert "--require-hashes --requirement requirements.lock" in text
    assert re.findall(r"^COPY services/(\S+)", text, re.M) == [service.name]
    assert re.search(r"^USER holdfast$", text, re.M)
    assert "/readyz" in text[text.index("HEALTHCHECK") :]
    assert text.rstrip().endswith(f'CMD ["python", "-m", "{service.module}.app"]')


@each_service()
def test_who_may_lag_yields_in_both_ways(service: Service, tmp_path: Path) -> None:
    """A follower that may lag has a lower share of the processor, and nobody else has."""
    command = program(Instance(Ports(8080), tmp_path), Process(service.name)).command
    yields = ["nice", "-n", str(service.nice)]
    assert (command[:3] == yields) == (service.nice > 0) == (service.name == "notifications")
    share = COMPOSE[service.name].get("cpu_shares", SHARES)
    assert (share < SHARES) == (service.nice > 0)


def test_web_asks_every_service_whether_it_is_ready(tmp_path: Path) -> None:
    """The whole is ready only when each service is, so web knows them all in both ways."""
    (web,) = [service for service in SERVICES if service.name == "web"]
    embedded = service_environment(Instance(Ports(8080), tmp_path), web)
    names = {service.name for service in SERVICES}
    assert set(json.loads(embedded["HOLDFAST_SERVICES"])) == names
    inside = json.loads(COMPOSE["web"]["environment"]["HOLDFAST_SERVICES"])
    assert inside == {name: f"http://{name}:8000" for name in names}


def test_the_gateway_is_told_where_each_service_is(tmp_path: Path) -> None:
    """The routes are one file; only the addresses differ between processes and containers."""
    embedded = gateway.environment(Instance(Ports(8080), tmp_path))
    inside = COMPOSE[GATEWAY]["environment"]
    assert set(inside) == set(embedded)
    assert inside["HOLDFAST_ORDERS_URL"] == "http://orders:8000"
    mounts = COMPOSE[GATEWAY]["volumes"]
    assert "./deploy/gateway/dynamic:/etc/traefik/dynamic:ro" in mounts


def test_the_gateway_guards_its_doors_alike(tmp_path: Path) -> None:
    """What the embedded gateway refuses at the door, the containers' gateway refuses too."""
    settings = yaml.safe_load((REPOSITORY / "deploy/gateway/containers.yaml").read_text())
    embedded: Any = gateway.static_settings(Instance(Ports(8080), tmp_path), Process(GATEWAY))
    doors = settings["entryPoints"]
    assert doors["door"]["http"] == {**embedded["entryPoints"]["door"]["http"], "tls": {}}
    assert doors["inside"]["http"] == embedded["entryPoints"]["door"]["http"]
    published = [port.rsplit(":", 1)[1] for port in COMPOSE[GATEWAY]["ports"]]
    addresses = {doors[name]["address"].lstrip(":") for name in ("door", "plain")}
    assert set(published) == addresses


def test_kafka_has_the_same_settings(tmp_path: Path) -> None:
    """Both brokers differ in where they listen and keep their data, and in nothing else."""
    lines = kafka.settings(Instance(Ports(8080), tmp_path), Process(KAFKA))
    places = {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
    inside = COMPOSE[KAFKA]["environment"]
    for key, value in lines.items():
        name = "KAFKA_" + key.upper().replace(".", "_")
        assert name in inside, key
        if key not in places:
            assert inside[name] == str(value), key
    assert COMPOSE[KAFKA]["image"] == f"apache/kafka:{kafka.VERSION}"


def test_postgresql_has_the_same_settings(tmp_path: Path) -> None:
    """The server of the containers is tuned as the embedded one is."""
    given = {
        item.removeprefix("-c").split("=", 1)[0]: item.split("=", 1)[1]
        for item in COMPOSE[POSTGRES]["command"]
        if item.startswith("-c")
    }
    places = {"listen_addresses", "port", "unix_socket_directories", "log_timezone"}
    cosmetic = {"log_line_prefix"}
    lines = postgres.settings(Instance(Ports(8080), tmp_path))
    expected = {key: str(v) for key, v in lines.items() if key not in places | cosmetic}
    assert given == expected


def test_one_step_prepares_databases_and_topics() -> None:
    """The step that makes tables and topics has every owner's password; services wait for it."""
    names = set(COMPOSE["prepare"]["environment"])
    for service in SERVICES:
        if service.owns_database:
            upper = service.name.upper()
            passwords = {f"HOLDFAST_{upper}_OWNER_PASSWORD", f"HOLDFAST_{upper}_APP_PASSWORD"}
            assert passwords <= names
        waits = COMPOSE[service.name]["depends_on"]["prepare"]
        assert waits == {"condition": "service_completed_successfully"}


def test_no_secret_has_a_default() -> None:
    """Whoever forgets to set a secret is told so, and never runs with one that all know."""
    for name, after in re.findall(r"\$\{(\w+)(:[-?])?", TEXT):
        if any(word in name for word in SECRET_WORDS):
            assert after == ":?", name
    for container in COMPOSE.values():
        for name, value in container.get("environment", {}).items():
            if any(word in name for word in SECRET_WORDS):
                assert str(value).startswith(("${", "/run/secrets/")), name


def test_the_compose_program_accepts_the_file(tmp_path: Path) -> None:
    """With every variable set the file is valid; with one missing it is refused by name."""
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not on this machine; the other tests read the file itself")
    names = sorted(set(re.findall(r"\$\{(\w+):\?", TEXT)))
    values = tmp_path / "env"
    values.write_text("".join(f"{name}=/made/for/a/test\n" for name in names))
    command = [program, "--env-file", str(values), "config", "--quiet"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    values.write_text(values.read_text().replace("HOLDFAST_SESSION_SECRET", "FORGOTTEN"))
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "set it" in done.stderr


def test_state_is_kept_and_facts_pass() -> None:
    """State topics are compacted and keep tombstones a week; all others keep two weeks."""
    day_ms = 86_400_000
    assert PARTITIONS == 12
    for topic in TOPICS:
        settings = topics.settings_of(topic)
        if topic.name in ("orders.items", "orders.customers", "inventory.stock"):
            expected = {"cleanup.policy": "compact", "delete.retention.ms": str(7 * day_ms)}
            assert settings == expected
        if topic.name in ("orders.orders", "billing.accounts", "inventory.commands"):
            expected = {"cleanup.policy": "delete", "retention.ms": str(14 * day_ms)}
            assert settings == expected


def test_only_the_consoles_own_door_believes_whose_address_is_said() -> None:
    """Web passes its visitors' addresses on; nobody outside can say another's."""
    path = REPOSITORY / "deploy" / "gateway" / "containers.yaml"
    doors = yaml.safe_load(path.read_text())["entryPoints"]
    assert [name for name in doors if "forwardedHeaders" in doors[name]] == ["inside"]
    published = "".join(str(port) for port in COMPOSE[GATEWAY]["ports"])
    assert doors["inside"]["address"].lstrip(":") not in published
