"""Every invariant is able to fail: bugs are planted, and the judge names each."""

import pytest
import sqlalchemy as sa
from chassis.testing import scratch_database

from faults.judge import judge
from faults.town.bugs import IN_CODE, IN_DATA, Bug, WrongData
from faults.town.day import live
from tests.faults.conftest import SMALL, MakeTown, urls_of

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("bug", IN_CODE, ids=lambda bug: bug.__name__)
async def test_a_bug_in_the_code_is_named(bug: Bug, make_town: MakeTown) -> None:
    """The day that ends in order without the bug does not with it, and the judge says how."""
    async with make_town(7) as town:
        await live(town, SMALL, bug)
        found = await judge(town.urls)
        assert IN_CODE[bug] in {one.invariant for one in found}, found


@pytest.mark.parametrize("wrong", IN_DATA, ids=lambda wrong: wrong.name)
async def test_wrong_data_is_named(wrong: WrongData, lived: dict[str, str]) -> None:
    """A database that was in order is spoiled by one statement, and the judge says how."""
    async with scratch_database(lived[wrong.service]) as db:
        async with db.engine.begin() as tx:
            done = await tx.execute(sa.text(wrong.sql))
        assert done.rowcount > 0, "nothing was spoiled"
        found = await judge({**urls_of(lived), wrong.service: db.dsn})
        assert wrong.invariant in {one.invariant for one in found}, found
