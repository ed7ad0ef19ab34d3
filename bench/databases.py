"""What the bench does in the services' databases behind their backs, as an operator would."""

import psycopg
from local import postgres
from local.instance import Instance
from local.topology import SERVICES

OWNED = tuple(service.name for service in SERVICES if service.owns_database)


def analyse(instance: Instance) -> None:
    """ANALYZE everywhere: statements planned on empty tables keep sequential scans."""
    for name in OWNED:
        with connect(instance, name) as database:
            database.execute("ANALYZE")


def connect(instance: Instance, database: str) -> psycopg.Connection:
    """The superuser's connection to a service's database."""
    return psycopg.connect(postgres.superuser_url(instance), dbname=database, autocommit=True)
