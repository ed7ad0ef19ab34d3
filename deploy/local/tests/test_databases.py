"""Each service has its own database and only the rights that it needs."""

import os
import secrets

import psycopg
import pytest
from local.postgres import make_roles_at
from local.topology import SERVICES, app_role, owner_role
from psycopg.conninfo import make_conninfo

SERVER = os.environ.get("HOLDFAST_TEST_POSTGRES", "")


@pytest.fixture(scope="module")
def as_role() -> dict[str, str]:
    """Connection strings by role and database of the test server, whose roles `up` has made."""
    if not SERVER:
        raise pytest.UsageError("No test database: run `make test`.")
    names = [service.name for service in SERVICES if service.owns_database]
    roles = [role(name) for name in names for role in (owner_role, app_role)]
    passwords = {role: secrets.token_urlsafe() for role in roles}
    make_roles_at(SERVER, passwords)
    return {
        f"{role}/{name}": make_conninfo(SERVER, user=role, password=passwords[role], dbname=name)
        for role in roles
        for name in names
    }


def test_a_service_cannot_open_another_services_database(as_role: dict[str, str]) -> None:
    """Orders' role is refused by billing's database and by the server's own."""
    for place in ("orders_app/billing", "orders_owner/billing", "billing_app/orders"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(as_role[place])
    own = make_conninfo(as_role["orders_app/orders"], dbname="postgres")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(own)


def test_a_running_service_uses_tables_but_never_changes_them(as_role: dict[str, str]) -> None:
    """What the owner makes, the service reads and writes; it alters and drops nothing."""
    table = f"trial_{secrets.token_hex(4)}"
    with psycopg.connect(as_role["shipping_owner/shipping"], autocommit=True) as owner:
        owner.execute(f"CREATE TABLE {table} (id bigserial PRIMARY KEY, what text)")
        owner.execute(
            f"CREATE FUNCTION {table}_count() RETURNS bigint LANGUAGE sql "
            f"AS 'SELECT count(*) FROM {table}'"
        )
        try:
            with psycopg.connect(as_role["shipping_app/shipping"], autocommit=True) as app:
                app.execute(f"INSERT INTO {table} (what) VALUES ('a'), ('b')")
                app.execute(f"UPDATE {table} SET what = 'c' WHERE what = 'a'")
                app.execute(f"DELETE FROM {table} WHERE what = 'b'")
                assert app.execute(f"SELECT {table}_count()").fetchone() == (1,)
                for refused in (f"DROP TABLE {table}", f"TRUNCATE {table}", "CREATE TABLE mine ()"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        app.execute(refused)
        finally:
            owner.execute(f"DROP TABLE {table} CASCADE")


def test_a_password_is_asked_for(as_role: dict[str, str]) -> None:
    """Being on the machine is not enough to be let in."""
    wrong = make_conninfo(as_role["orders_app/orders"], password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
