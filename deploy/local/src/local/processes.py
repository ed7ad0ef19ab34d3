"""The supervisor's file: one program for each process, started as itself, restarted for ever."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from local import agent, gateway, kafka, postgres, signing
from local.instance import REPOSITORY, Instance, time_zone, write_private
from local.topology import (
    AGENT,
    API,
    BY_NAME,
    DRAIN_S,
    GATEWAY,
    KAFKA,
    LOOPBACK,
    MAIL,
    MAIL_FROM,
    POSTGRES,
    SERVICES,
    Process,
    Service,
    app_role,
)

# Marks every process of an instance, so that a later start finds what an earlier one left behind.
MARK = "HOLDFAST_SUPERVISED"


@dataclass(frozen=True)
class Program:
    """One process: how it is started, as whom, with what around it, and how it is stopped."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_as_group: bool = True


def service_environment(instance: Instance, service: Service, number: int = 0) -> dict[str, str]:
    """What a service is told: the settings that all have, and those that are its own."""
    ports = instance.ports
    gateway_url = f"http://{LOOPBACK}:{ports.gateway}"
    # The keys of several identities are asked for at the door: one of them always answers.
    keys_url = gateway_url if number else f"http://{LOOPBACK}:{ports.of(BY_NAME['identity'])}"
    values = {
        "KAFKA": instance.kafka,
        "HOST": LOOPBACK,
        "HTTP_PORT": str(ports.nth(number).of(service)),
        "ROLES": service.roles,
        "JWKS_URL": f"{keys_url}{API}/jwks.json",
        "ENVIRONMENT": "local",
        "REPLICA": str(number),
        "DRAIN_S": str(DRAIN_S if number else 0),
        "LOG_LEVEL": os.environ.get("HOLDFAST_LOG_LEVEL", "INFO"),
    }
    if service.owns_database:
        values["DATABASE_URL"] = postgres.service_url(
            instance, service.name, app_role(service.name)
        )
    if "HOLDFAST_OTLP_ENDPOINT" in os.environ:
        values["OTLP_ENDPOINT"] = os.environ["HOLDFAST_OTLP_ENDPOINT"]
    if "SIGNING_KEY_FILE" in service.settings:
        values["SIGNING_KEY_FILE"] = str(signing.key_file(instance, service.name))
    own = {
        "SEED_DEMO": "true",
        "SMTP_HOST": LOOPBACK,
        "SMTP_PORT": str(ports.smtp),
        "MAIL_FROM": MAIL_FROM,
        "API_URL": gateway_url,
        "SESSION_SECRET": instance.secret("web_session"),
        # Web asks each service itself whether it is ready, and merges their references.
        "SERVICES": json.dumps({s.name: instance.urls(s) for s in SERVICES}),
        "TIMEZONE": time_zone(),
    }
    values.update({name: own[name] for name in service.settings if name in own})
    return {f"HOLDFAST_{name}": value for name, value in values.items()}


def program(instance: Instance, process: Process) -> Program:
    """How a process of the topology is started on this machine."""
    name = process.name
    if process.kind in BY_NAME:
        service = BY_NAME[process.kind]
        command = [sys.executable, "-m", f"{service.module}.app"]
        if service.nice:
            command = ["nice", "-n", str(service.nice), *command]
        return Program(name, command, service_environment(instance, service, process.number))
    if process.kind == POSTGRES:
        # INT is the server's fast shutdown; its children are its own business.
        return Program(
            name,
            postgres.command(instance),
            user=postgres.server_user(),
            stop_signal="INT",
            stop_as_group=False,
        )
    if process.kind == KAFKA:
        return Program(name, kafka.command(instance, process))
    if process.kind == GATEWAY:
        return Program(name, gateway.command(instance, process), gateway.environment(instance))
    if process.kind == MAIL:
        ports = instance.ports
        folder = str(instance.folder("mail"))
        options = [str(ports.smtp), str(ports.mail_list), folder]
        return Program(name, [sys.executable, "-m", "local.mail_catcher", *options])
    assert process.kind == AGENT, name
    environment = {"HOLDFAST_AGENT_CONFIG": str(agent.config_file(instance))}
    return Program(name, [sys.executable, "-m", "device_agent.app"], environment)


def write_supervisor_file(instance: Instance) -> bool:
    """Write the supervisor's file; say whether anything in it changed."""
    text = _head(instance) + "".join(
        _section(instance, program(instance, process)) for process in instance.scale.processes()
    )
    path = instance.state / "supervisor.conf"
    if path.exists() and path.read_text() == text:
        return False
    write_private(path, text)
    return True


def _plain(text: str) -> str:
    """The supervisor expands % in its file."""
    return text.replace("%", "%%")


def _head(instance: Instance) -> str:
    lines = [
        "[supervisord]",
        f"identifier = {_plain(str(instance.state))}",
        f"logfile = {_plain(str(instance.log_of('supervisor')))}",
        "logfile_maxbytes = 5MB",
        "logfile_backups = 1",
        "loglevel = info",
        f"pidfile = {_plain(str(instance.state / 'supervisor.pid'))}",
        f"childlogdir = {_plain(str(instance.folder('logs')))}",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        "[inet_http_server]",
        f"port = {LOOPBACK}:{instance.ports.supervisor}",
        "username = holdfast",
        f"password = {instance.secret('supervisor')}",
    ]
    if os.geteuid() == 0:
        lines.insert(1, "user = root")  # Said aloud, or it warns at each start.
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A value as the supervisor's file wants it: it knows two kinds of quotes and no escapes."""
    quote = "'" if '"' in text else '"'
    assert quote not in text, text
    return quote + _plain(text) + quote


def _section(instance: Instance, program: Program) -> str:
    environment = {MARK: str(instance.state), "PYTHONUNBUFFERED": "1", **program.environment}
    pairs = ",".join(f"{key}={_quoted(value)}" for key, value in environment.items())
    group = str(program.stop_as_group).lower()
    lines = [
        f"[program:{program.name}]",
        f"command = {_plain(shlex.join(program.command))}",
        f"directory = {_plain(str(REPOSITORY)) if program.user is None else '/'}",
        f"environment = {pairs}",
        "autostart = false",  # `up` starts each when what it needs is there.
        "autorestart = true",
        "startsecs = 1",
        "startretries = 1000000",
        f"stopsignal = {program.stop_signal}",
        "stopwaitsecs = 30",
        f"stopasgroup = {group}",
        "killasgroup = true",
        "redirect_stderr = true",
        f"stdout_logfile = {_plain(str(instance.log_of(program.name)))}",
        "stdout_logfile_maxbytes = 20MB",
        "stdout_logfile_backups = 2",
    ]
    if program.user:
        lines.append(f"user = {program.user}")
    return "\n".join(lines) + "\n"
