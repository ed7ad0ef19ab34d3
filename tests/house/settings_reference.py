"""`make settings` writes docs/operations/settings.md from the settings that the code has."""

import importlib
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo

import yaml
from device_agent import settings as agent
from local import gateway
from local.topology import SERVICES
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations" / "settings.md"
PREFIX = "HOLDFAST_"

# What is read from the environment without a settings class: name, default, sentence.
START_UP = (
    ("HOLDFAST_PORT", "8080", "The gateway's port; all others are counted from it."),
    ("HOLDFAST_STATE", ".holdfast", "The folder of everything that the instance stores."),
    ("HOLDFAST_LOG_LEVEL", "INFO", "Given to every service."),
    ("HOLDFAST_TIMEZONE", "UTC", "Given to every service and device agent that writes days."),
    ("HOLDFAST_OTLP_ENDPOINT", "none", "Given to every service."),
    ("XDG_CACHE_HOME", "~/.cache", "Where Kafka's files are kept between installations."),
    ("DAYS", "1", "`make demo` feeds so many trading days: 1 or 7."),
    ("HOLDFAST_CHROMIUM", "found", "The browser of `make test`."),
)
# What docker-compose.yml asks for; {} stands for the name of a service.
CONTAINERS = {
    "HOLDFAST_POSTGRES_PASSWORD": "The password of PostgreSQL's superuser.",
    "HOLDFAST_KAFKA_CLUSTER_ID": "Kafka's cluster: the output of `kafka-storage.sh random-uuid`.",
    "HOLDFAST_{}_OWNER_PASSWORD": "Of the role that migrates {}'s database and owns its tables.",
    "HOLDFAST_{}_APP_PASSWORD": "Of the role that {} runs as.",
    "HOLDFAST_FIRST_OWNER": "The e-mail address of the first account.",
    "HOLDFAST_FIRST_OWNER_PASSWORD": "A file with its password.",
    "HOLDFAST_IDENTITY_SIGNING_KEY": "A file with an Ed25519 key, PKCS#8 PEM: it signs tokens.",
    "HOLDFAST_DEVICES_SIGNING_KEY": "A file with another such key: it signs print jobs.",
    "HOLDFAST_SESSION_SECRET": "Seals the console's cookie: 32 random characters or more.",
    "HOLDFAST_SMTP_HOST": "The mail server.",
    "HOLDFAST_SMTP_PORT": "Its port.",
    "HOLDFAST_MAIL_FROM": "The sender of e-mails.",
    "HOLDFAST_CERTIFICATES": "A folder with `holdfast.pem` and `holdfast-key.pem` for TLS.",
    "HOLDFAST_HTTPS_PORT": "Where the gateway is reached.",
    "HOLDFAST_HTTP_PORT": "Where requests without TLS are sent on to HTTPS.",
    "HOLDFAST_LOG_LEVEL": "Given to every service.",
    "HOLDFAST_TIMEZONE": "The chain's time zone, such as `Asia/Almaty`.",
    "HOLDFAST_AGENT_FOLDER": "The folder of `agent.toml` (profile `store` only).",
}
PREPARE = (
    ("HOLDFAST_POSTGRES", "A superuser's address; given by docker-compose.yml."),
    ("HOLDFAST_KAFKA", "Kafka's addresses."),
)
ASKED = re.compile(r"\$\{([A-Z_]+)(:-[^}]*)?")


def page() -> str:
    """The whole reference."""
    return "\n".join([*_head(), *_services(), *_agent(), *_start_up(), *_containers()])


def _head() -> Iterator[str]:
    yield "# Settings"
    yield ""
    yield "Written by `make settings` from the code; `make test` fails when it is out of date."
    yield ""


def _services() -> Iterator[str]:
    """What all services share once, then what each has of its own."""
    chassis = importlib.import_module("chassis.settings")
    shared, stored = chassis.Settings.model_fields, chassis.DatabaseSettings.model_fields
    yield "## Every service"
    yield ""
    yield "From the environment, a table as JSON. A value that holds a placeholder (`changeme`)"
    yield "refuses to start."
    yield ""
    yield from _table(_variables(shared))
    yield ""
    yield "Every service with a database has two more (web has none):"
    yield ""
    yield from _table(_variables(_beyond(stored, shared)))
    for service in SERVICES:
        yield ""
        yield f"## {service.name}"
        yield ""
        yield from _table(_variables(own_settings(service.module))) or ["None of its own."]
    yield ""


def own_settings(module: str) -> dict[str, FieldInfo]:
    """The settings that a service adds, in each of its settings classes."""
    chassis = importlib.import_module("chassis.settings").DatabaseSettings.model_fields
    found: dict[str, FieldInfo] = {}
    for value in vars(importlib.import_module(f"{module}.settings")).values():
        is_class = isinstance(value, type) and issubclass(value, BaseModel)
        if is_class and value.__module__ == f"{module}.settings":
            found |= _beyond(value.model_fields, chassis)
    return found


def _beyond(fields: dict[str, FieldInfo], known: Iterable[str]) -> dict[str, FieldInfo]:
    return {name: field for name, field in fields.items() if name not in known}


def _variables(fields: dict[str, FieldInfo]) -> list[tuple[str, ...]]:
    return [(PREFIX + name.upper(), *_told(field)) for name, field in fields.items()]


def _told(field: FieldInfo) -> tuple[str, str, str]:
    """Default, kind and sentence of a setting."""
    assert field.description, f"{field} says nothing of itself"
    return _default(field), _kind(field.annotation), " ".join(field.description.split())


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None or default is PydanticUndefined or default in ({}, ()):
        return "none"
    if isinstance(default, dict):
        return ", ".join(f"{key}" for key in default)
    return str(default).lower() if isinstance(default, bool) else str(default)


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(one) for one in arguments if one is not NoneType))
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin in (dict, tuple):
        return {dict: "table", tuple: "list"}[origin]
    named = {int: "number", float: "number", bool: "true or false", SecretStr: "text"}
    named |= {str: "text", Path: "file", ZoneInfo: "time zone"}
    if annotation in named:
        return named[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    assert not (isinstance(annotation, type) and issubclass(annotation, Enum)), annotation
    return str(getattr(annotation, "__name__", annotation))


def _table(rows: Iterable[tuple[str, ...]], *columns: str) -> list[str]:
    rows = list(rows)
    if not rows:
        return []
    columns = columns or ("setting", "default", "value", "")
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for name, *cells in rows:
        told = [f"`{name}`", *(cell.replace("|", "\\|") for cell in cells)]
        lines.append("| " + " | ".join(told) + " |")
    return lines


def _agent() -> Iterator[str]:
    """The agent's TOML file, table by table."""
    yield "## device-agent"
    yield ""
    yield f"One variable, `{agent.CONFIG_VARIABLE}`, names a TOML file:"
    yield ""
    yield from _table((name, *_told(f)) for name, f in agent.AgentSettings.model_fields.items())
    for title, tables, shared in (
        ("`[printer]` and each of `[[printers]]`", agent.Printer, agent.PrinterSettings),
        ("each of `[[scanners]]`", agent.Scanner, agent.ScannerSettings),
    ):
        yield ""
        yield f"In {title}, besides `kind`:"
        yield ""
        kinds: dict[tuple[str, ...], str] = {
            (name, *_told(f)): "any" for name, f in shared.model_fields.items()
        }
        for kind in get_args(get_args(tables)[0]):
            [its_name] = get_args(kind.model_fields["kind"].annotation)
            own = _beyond(kind.model_fields, (*shared.model_fields, "kind"))
            for name, field in own.items():
                row = (name, *_told(field))
                kinds[row] = ", ".join(filter(None, (kinds.get(row), f"`{its_name}`")))
            if not own:
                yield f"`{its_name}` has none of its own."
                yield ""
        rows = [(name, kind, *told) for (name, *told), kind in kinds.items()]
        yield from _table(rows, "setting", "kind", "default", "value", "")
    yield ""


def _start_up() -> Iterator[str]:
    yield "## The embedded system: `make up`, `make demo`, `make test`"
    yield ""
    yield from _table(START_UP, "variable", "default", "")
    yield ""
    yield "`up` makes every secret itself and gives each service what the tables above ask for."
    yield ""


def _containers() -> Iterator[str]:
    """The variables of docker-compose.yml, with the defaults that it gives them."""
    yield "## Containers: docker-compose.yml"
    yield ""
    rows = []
    for name, default in asked_by_compose().items():
        general, service = _general(name)
        rows.append((name, default or "required", CONTAINERS[general].format(service)))
    yield from _table(rows, "variable", "default", "")
    yield ""
    yield "The container `prepare`, which makes roles, databases, tables and topics, is told the"
    yield "passwords above and:"
    yield ""
    yield from _table(PREPARE, "variable", "")
    yield ""
    told = ", ".join(f"`{gateway.url_variable(service.name)}`" for service in SERVICES)
    yield f"The gateway is told where each service is, embedded or in containers: {told}."


def asked_by_compose() -> dict[str, str]:
    """Every variable of docker-compose.yml, with its default."""
    text = (ROOT / "docker-compose.yml").read_text()
    assert yaml.safe_load(text)["services"]
    return {name: default.removeprefix(":-") for name, default in ASKED.findall(text)}


def _general(name: str) -> tuple[str, str]:
    """The name as the table of sentences has it, and the service that it is about."""
    for service in SERVICES:
        general = name.replace(f"_{service.name.upper()}_", "_{}_")
        if name not in CONTAINERS and general in CONTAINERS:
            return general, service.name
    return name, ""


if __name__ == "__main__":
    PAGE.write_text(page())
