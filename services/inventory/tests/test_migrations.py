"""The migrations make the tables that the service declares, with the rights that it needs."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from chassis.testing import difference_from_tables, postgres_url
from inventory.schema import metadata
from sqlalchemy.engine import make_url


def test_the_migrated_database_has_the_declared_tables(template: str) -> None:
    """Migrating from nothing gives the tables that the code names, no more and no less."""
    assert difference_from_tables(template, metadata) == []


@pytest.fixture
def running_role() -> Iterator[sa.Connection]:
    """A new database whose tables are given to inventory_app as a real one's are."""
    server = make_url(postgres_url()).set(drivername="postgresql+psycopg")
    name = f"test_{uuid4().hex}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        role = connection.execute(sa.text("SELECT 1 FROM pg_roles WHERE rolname='inventory_app'"))
        if role.first() is None:
            connection.execute(sa.text("CREATE ROLE inventory_app"))
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine = sa.create_engine(server.set(database=name))
    try:
        with engine.connect() as connection:
            connection.execute(
                sa.text(
                    "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE "
                    "ON TABLES TO inventory_app"
                )
            )
            config = Config(str(Path(__file__).parents[1] / "alembic.ini"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            yield connection
    finally:
        engine.dispose()
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def test_the_ledger_is_written_once(running_role: sa.Connection) -> None:
    """The running service may add to the stock ledger, never change or delete an entry."""

    def may(right: str, table: str) -> bool:
        found = running_role.execute(
            sa.text("SELECT has_table_privilege('inventory_app', :table, :right)"),
            {"table": table, "right": right},
        )
        return bool(found.scalar_one())

    assert may("INSERT", "stock_movement")
    assert may("SELECT", "stock_movement")
    assert not may("UPDATE", "stock_movement")
    assert not may("DELETE", "stock_movement")
    assert may("UPDATE", "stock")
