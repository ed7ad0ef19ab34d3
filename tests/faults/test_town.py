"""Days of the town, and what the judge says of them."""

import pytest
import sqlalchemy as sa

from faults.judge import is_quiet, judge, promised
from faults.town.day import Size, live
from tests.faults.conftest import MakeTown

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_day_ends_in_order(seed: int, make_town: MakeTown) -> None:
    """After a day with every fault that the town knows, the judge finds nothing."""
    async with make_town(seed) as town:
        day = await live(town, Size(orders=20, buyers=10))
        assert [life.stuck for life in day.lives if life.stuck] == []
        assert await is_quiet(town.urls)
        assert await judge(town.urls) == []
        assert await promised(town.urls, day.clients.promises) == []


async def test_of_two_hundred_buyers_five_get_one(make_town: MakeTown) -> None:
    """Of 200 who order the 5 units there are at once, 5 have one held and 195 wait (E15)."""
    async with make_town(15) as town:
        await live(town, Size(orders=0, buyers=200))
        async with town.benches["inventory"].db.reading() as tx:
            rows = await tx.execute(
                sa.text("SELECT sum(held), sum(awaiting) FROM hold_line WHERE sku = 'RARE'")
            )
            assert tuple(rows.one()) == (5, 195)
        assert await judge(town.urls) == []
