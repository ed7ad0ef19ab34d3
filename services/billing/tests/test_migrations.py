"""The database as the migrations make it."""

import sqlalchemy as sa
from billing.tables import metadata
from chassis.database import Database
from chassis.testing import difference_from_tables


def test_migrations_make_the_tables(template: str) -> None:
    """The migrated database is what the tables say."""
    assert difference_from_tables(template, metadata) == []


async def test_service_may_not_change_the_ledger(db: Database) -> None:
    """The running service's role, where there is one, may add to the ledger and nothing else."""
    async with db.reading() as tx:
        exists = sa.text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_app')")
        if not (await tx.execute(exists)).scalar_one():
            return
        for right in ("UPDATE", "DELETE", "TRUNCATE"):
            question = sa.text("SELECT has_table_privilege('billing_app', 'transfer', :right)")
            assert not (await tx.execute(question, {"right": right})).scalar_one()
