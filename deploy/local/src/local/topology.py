"""Which processes run on one machine, where they listen, what they own and how they connect.

Read this file to know the system: everything that `up` starts is a row here, and the container
file and the gateway's routes are checked against it by a test.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"
API = "/api/v1"


@dataclass(frozen=True)
class Service:
    """One deployable: its module, its port after the gateway's, its database and its paths."""

    name: str
    module: str
    port_offset: int
    paths: tuple[str, ...]
    owns_database: bool = True
    roles: str = "http,worker"
    nice: int = 0  # Above 0 for a follower that may lag: it yields the processor to the others.
    settings: tuple[str, ...] = ()  # Variables of this service beyond those that all have.
    production_settings: tuple[str, ...] = ()  # And those that only containers give.


# Paths are prefixes under /api/v1; `web` also has every page, as the last choice of all.
SERVICES: tuple[Service, ...] = (
    Service(
        "identity",
        "identity",
        1,
        ("/tokens", "/jwks.json", "/staff"),
        settings=("SIGNING_KEY_FILE", "SEED_DEMO"),
        production_settings=("FIRST_OWNER", "FIRST_OWNER_PASSWORD_FILE"),
    ),
    Service(
        "orders",
        "orders",
        2,
        ("/items", "/customers", "/orders", "/order-settings", "/me/orders"),
    ),
    Service(
        "inventory",
        "inventory",
        3,
        ("/stores", "/warehouses", "/receipts", "/stock", "/holds", "/transfers"),
    ),
    Service(
        "billing",
        "billing",
        4,
        ("/payments", "/refunds", "/documents", "/accounts", "/me/documents"),
        settings=("TIMEZONE",),
    ),
    Service("shipping", "shipping", 5, ("/shipments",)),
    Service(
        "notifications",
        "notifications",
        6,
        ("/messages", "/me/messages"),
        nice=10,
        settings=("SMTP_HOST", "SMTP_PORT", "MAIL_FROM", "TIMEZONE"),
    ),
    Service(
        "devices",
        "devices",
        7,
        ("/print-jobs", "/devices", "/agents"),
        settings=("SIGNING_KEY_FILE",),
    ),
    Service(
        "web",
        "web",
        8,
        ("/live", "/openapi.json", "/docs", "/events"),
        owns_database=False,
        settings=("API_URL", "SESSION_SECRET", "SERVICES", "TIMEZONE"),
    ),
)
BY_NAME: Mapping[str, Service] = {service.name: service for service in SERVICES}

# What every service is told, in the words of its settings (each with the prefix HOLDFAST_).
SHARED_SETTINGS = (
    "DATABASE_URL",
    "KAFKA",
    "HOST",
    "HTTP_PORT",
    "ROLES",
    "JWKS_URL",
    "ENVIRONMENT",
    "REPLICA",
    "DRAIN_S",
    "LOG_LEVEL",
)

# The order in which processes are started; whatever is not a service is infrastructure.
POSTGRES = "postgres"
KAFKA = "kafka"
MAIL = "mail"
GATEWAY = "gateway"
AGENT = "device-agent"
INFRASTRUCTURE = (POSTGRES, KAFKA, MAIL, GATEWAY)
KINDS = (*INFRASTRUCTURE, *(service.name for service in SERVICES), AGENT)

REPLICAS_MAX = 5  # As many as find room for their ports below the next instance.
BROKERS = (1, 3, 5)  # An even number survives no more than the odd one below it.
GATEWAYS_MAX = 2
# How long one of several goes on when it is told to stop: more than the interval and the time limit
# of the gateway's health check together, so that nothing is sent to it any more when it ends.
DRAIN_S = 5.0
PORTS_APART = 20  # From a process's ports to those of the next one of its kind.


@dataclass(frozen=True)
class Process:
    """One process: what it is, and which one of several; 0 when it is the only one."""

    kind: str
    number: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}" if self.number else self.kind


@dataclass(frozen=True)
class Scale:
    """How many processes there are of each kind: one of everything unless told otherwise."""

    replicas: int = 1
    brokers: int = 1

    def count(self, kind: str) -> int:
        """How many of this kind run."""
        if kind in BY_NAME:
            return self.replicas
        return {KAFKA: self.brokers, GATEWAY: min(self.replicas, GATEWAYS_MAX)}.get(kind, 1)

    def processes(self, kinds: Iterable[str] = KINDS) -> list[Process]:
        """Every process of these kinds, in the order of their start."""
        return [process for kind in KINDS if kind in set(kinds) for process in self.of(kind)]

    def of(self, kind: str) -> list[Process]:
        """The processes of one kind; those of several are numbered from 1."""
        count = self.count(kind)
        if kind == GATEWAY and count > 1:
            # One door for all: `gateway` itself only shares out what comes among the others.
            return [Process(kind, number) for number in range(count + 1)]
        return [Process(kind, number + 1 if count > 1 else 0) for number in range(count)]

    def names(self, kinds: Iterable[str] = KINDS) -> list[str]:
        """The names of every process of these kinds."""
        return [process.name for process in self.processes(kinds)]


DEMO_LOGINS = ("owner", "manager", "cashier", "customer")
DEMO_DOMAIN = "demo.example"
DEMO_PASSWORD = "demo"  # noqa: S105 - the documented password of the embedded default only

MAIL_FROM = "orders@holdfast.example"


@dataclass(frozen=True)
class Ports:
    """Every port of one instance, counted from the gateway's, so that two can run side by side."""

    gateway: int

    def of(self, service: Service) -> int:
        """The HTTP port of a service."""
        return self.gateway + service.port_offset

    @property
    def postgres(self) -> int:
        return self.gateway + 10

    @property
    def kafka(self) -> int:
        return self.gateway + 11

    @property
    def kafka_controller(self) -> int:
        return self.gateway + 12

    @property
    def smtp(self) -> int:
        return self.gateway + 13

    @property
    def mail_list(self) -> int:
        return self.gateway + 14

    @property
    def supervisor(self) -> int:
        return self.gateway + 15

    @property
    def gateway_metrics(self) -> int:
        return self.gateway + 16

    def of_gateway(self, number: int) -> tuple[int, int]:
        """Where a gateway is asked, and where operators ask it; those behind the door have two."""
        return (
            (self.gateway + 17, self.gateway + 18)
            if number
            else (self.gateway, self.gateway_metrics)
        )

    def nth(self, number: int) -> "Ports":
        """The ports of the processes with this number; those of the first are the plain ones."""
        return Ports(self.gateway + PORTS_APART * max(0, number - 1))

    def of_process(self, process: Process) -> tuple[int, ...]:
        """The ports that a process listens on; the device agent only calls out."""
        own = self.nth(process.number)
        if process.kind in BY_NAME:
            return (own.of(BY_NAME[process.kind]),)
        return {
            POSTGRES: (own.postgres,),
            KAFKA: (own.kafka, own.kafka_controller),
            MAIL: (own.smtp, own.mail_list),
            GATEWAY: own.of_gateway(process.number),
            AGENT: (),
        }[process.kind]


def owner_role(service: str) -> str:
    """The database role that migrates and owns the tables of a service."""
    return f"{service}_owner"


def app_role(service: str) -> str:
    """The database role of a running service; it may not change tables."""
    return f"{service}_app"


def routed_paths(service: Service) -> tuple[str, ...]:
    """The prefixes under /api/v1 that the gateway sends to a service, operators' included."""
    return (*service.paths, f"/system/{service.name}")
