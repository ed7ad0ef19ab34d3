"""Days of the town, and what the judge says of them."""

from pathlib import Path

import pytest

from faults.judge import is_quiet, judge, promised
from faults.town.day import Size, live
from faults.town.town import opened

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("seed", [1])
async def test_a_day_ends_in_order(
    seed: int, templates: dict[str, str], key_file: Path, mail_port: int
) -> None:
    """After a day with every fault that the town knows, the judge finds nothing."""
    async with opened(seed, templates, key_file, mail_port) as town:
        day = await live(town, Size(30, 50))
        assert await is_quiet(town.urls)
        assert await judge(town.urls) == []
        assert await promised(town.urls, day.clients.promises) == []
