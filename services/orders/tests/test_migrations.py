"""The migrations build the tables that the code asks."""

from chassis.testing import difference_from_tables
from orders.store import metadata


def test_migrations_make_the_tables(template: str) -> None:
    """What the migrations made differs in nothing from what the stores ask."""
    assert difference_from_tables(template, metadata) == []
