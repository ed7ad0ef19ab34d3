"""The database is what the tables say."""

from chassis.testing import difference_from_tables
from notifications.store import metadata


def test_migrations_make_the_tables(template: str) -> None:
    """A database migrated from nothing has exactly the tables that the program reads."""
    assert difference_from_tables(template, metadata) == []
