"""Every invariant is able to fail: bugs are planted, and the judge names each."""

import pytest
import sqlalchemy as sa
from chassis.testing import scratch_database

from faults.judge import judge
from faults.town.bugs import IN_CODE, IN_DATA, Bug, WrongData
from faults.town.day import live
from tests.faults.conftest import SMALL, MakeTown, urls_of

pytestmark = pytest.mark.timeout(1_200)
# A seed draws the day, yet real transactions race: some days the design heals what a bug did.
DAYS = range(7, 14)


@pytest.mark.parametrize("bug", IN_CODE, ids=lambda bug: bug.__name__)
async def test_a_bug_in_the_code_is_named(bug: Bug, make_town: MakeTown) -> None:
    """Days end in order without the bug; with it one of few does not, and the judge says how."""
    found: set[str] = set()
    for seed in DAYS:
        async with make_town(seed) as town:
            await live(town, SMALL, bug)
            found |= {one.invariant for one in await judge(town.urls)}
        if IN_CODE[bug] in found:
            return
    pytest.fail(f"{IN_CODE[bug]} was not named, but {sorted(found)}")


@pytest.mark.parametrize("wrong", IN_DATA, ids=lambda wrong: wrong.name)
async def test_wrong_data_is_named(wrong: WrongData, lived: dict[str, str]) -> None:
    """A database that was in order is spoiled by one statement, and the judge says how."""
    async with scratch_database(lived[wrong.service]) as db:
        async with db.engine.begin() as tx:
            done = await tx.execute(sa.text(wrong.sql))
        assert done.rowcount > 0, "nothing was spoiled"
        found = await judge({**urls_of(lived), wrong.service: db.dsn})
        assert wrong.invariant in {one.invariant for one in found}, found
