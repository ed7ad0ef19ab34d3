"""The migrations make the tables that the code believes in."""

from chassis.testing import difference_from_tables
from devices import store


def test_the_migrated_database_is_what_the_tables_say(template):
    """Nothing is left for alembic to change."""
    assert difference_from_tables(template, store.metadata) == []
