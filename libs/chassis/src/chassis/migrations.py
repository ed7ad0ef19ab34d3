"""How a service's alembic environment runs: one function, called by its migrations/env.py."""

import os

import sqlalchemy as sa
from alembic import context
from sqlalchemy.engine import make_url

from chassis import plumbing


def run(metadata: sa.MetaData) -> None:
    """Migrate the database of HOLDFAST_DATABASE_URL, waiting for the server if need be."""
    given = context.config.attributes.get("connection")
    if given is not None:
        _migrate(given, metadata)
        return
    url = make_url(os.environ["HOLDFAST_DATABASE_URL"]).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        _migrate(connection, metadata)
    engine.dispose()


def _migrate(connection: sa.Connection, metadata: sa.MetaData) -> None:
    context.configure(
        connection=connection, target_metadata=metadata, include_object=is_the_services_own
    )
    with context.begin_transaction():
        # Two that migrate at once take turns.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('migrations'))"))
        context.run_migrations()


def is_the_services_own(object_: object, name: str | None, kind: str, *_: object) -> bool:
    """Leave the plumbing tables to `plumbing`: a service's metadata does not know them."""
    table = name if kind == "table" else getattr(getattr(object_, "table", None), "name", None)
    return not (table or "").startswith(plumbing.TABLES)
