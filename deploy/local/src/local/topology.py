"""Which processes run on one machine, where they listen, what they own and how they connect.

Read this file to know the system: everything that `up` starts is a row here, and the container
file and the gateway's routes are checked against it by a test.
"""

from collections.abc import Mapping
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
    ),
    Service("shipping", "shipping", 5, ("/shipments",)),
    Service(
        "notifications",
        "notifications",
        6,
        ("/messages", "/me/messages"),
        settings=("SMTP_HOST", "SMTP_PORT", "MAIL_FROM"),
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
        settings=("API_URL", "SESSION_SECRET", "SERVICES"),
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
    "LOG_LEVEL",
)

# The order in which processes are started; whatever is not a service is infrastructure.
POSTGRES = "postgres"
KAFKA = "kafka"
MAIL = "mail"
GATEWAY = "gateway"
AGENT = "device-agent"
INFRASTRUCTURE = (POSTGRES, KAFKA, MAIL, GATEWAY)
PROCESSES = (*INFRASTRUCTURE, *(service.name for service in SERVICES), AGENT)

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

    def of_process(self, name: str) -> tuple[int, ...]:
        """The ports that a process listens on; the device agent only calls out."""
        if name in BY_NAME:
            return (self.of(BY_NAME[name]),)
        return {
            POSTGRES: (self.postgres,),
            KAFKA: (self.kafka, self.kafka_controller),
            MAIL: (self.smtp, self.mail_list),
            GATEWAY: (self.gateway, self.gateway_metrics),
            AGENT: (),
        }[name]


def owner_role(service: str) -> str:
    """The database role that migrates and owns the tables of a service."""
    return f"{service}_owner"


def app_role(service: str) -> str:
    """The database role of a running service; it may not change tables."""
    return f"{service}_app"


def routed_paths(service: Service) -> tuple[str, ...]:
    """The prefixes under /api/v1 that the gateway sends to a service, operators' included."""
    return (*service.paths, f"/system/{service.name}")
