"""Days of the town, and what the judge says of them."""

import pytest

from faults.judge import is_quiet, judge, promised
from faults.town.day import Size, live
from tests.faults.conftest import MakeTown

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_day_ends_in_order(seed: int, make_town: MakeTown) -> None:
    """After a day with every fault that the town knows, the judge finds nothing."""
    async with make_town(seed) as town:
        day = await live(town, Size(orders=20, buyers=10))
        assert await is_quiet(town.urls)
        assert await judge(town.urls) == []
        assert await promised(town.urls, day.clients.promises) == []
