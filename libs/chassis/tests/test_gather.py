"""What arrives together is done together, and one command's fault is its own."""

import asyncio
from collections.abc import Sequence

import pytest
from chassis.gather import Gatherer


async def test_requests_that_arrive_together_share_a_transaction() -> None:
    """While the first group is under way the others gather."""
    sizes: list[int] = []

    async def use_case(commands: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(commands))
        await asyncio.sleep(0.01)
        return [command * 2 for command in commands]

    gatherer = Gatherer(use_case, writers=1)
    assert await asyncio.gather(*(gatherer.do(n) for n in range(50))) == [n * 2 for n in range(50)]
    assert len(sizes) < 5


async def test_a_refusal_is_the_commands_own() -> None:
    """Others of the group get their results."""

    async def use_case(commands: Sequence[int]) -> list[int | Exception]:
        return [ValueError("odd") if command % 2 else command for command in commands]

    gatherer = Gatherer(use_case)
    results = await asyncio.gather(*(gatherer.do(n) for n in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [int, ValueError, int, ValueError]


async def test_an_unexpected_error_is_narrowed_down() -> None:
    """A group that breaks is halved until the one at fault stands alone."""

    async def use_case(commands: Sequence[int]) -> list[int | Exception]:
        if 13 in commands:
            raise RuntimeError("13")
        return list(commands)

    gatherer = Gatherer(use_case, writers=1)
    results = await asyncio.gather(*(gatherer.do(n) for n in range(30)), return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, RuntimeError)] == [13]
    assert [result for result in results if isinstance(result, int)] == [
        n for n in range(30) if n != 13
    ]


async def test_a_caller_who_hung_up_does_not_hold_the_others() -> None:
    """A cancelled request before its group starts is left out."""
    done: list[int] = []
    gate = asyncio.Event()

    async def use_case(commands: Sequence[int]) -> list[int | Exception]:
        await gate.wait()
        done.extend(commands)
        return list(commands)

    gatherer = Gatherer(use_case, writers=1)
    first = asyncio.create_task(gatherer.do(1))
    await asyncio.sleep(0)
    gone = asyncio.create_task(gatherer.do(2))
    last = asyncio.create_task(gatherer.do(3))
    await asyncio.sleep(0.01)
    gone.cancel()
    gate.set()
    assert await first == 1
    assert await last == 3
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert 2 not in done


async def test_who_was_answered_may_come_again_at_once() -> None:
    """The writer that answered is not taken for one that still looks for work."""

    async def use_case(commands: Sequence[int]) -> list[int | Exception]:
        await asyncio.sleep(0)
        return list(commands)

    gatherer = Gatherer(use_case, writers=1)
    async with asyncio.timeout(5):
        assert [await gatherer.do(n) for n in range(3)] == [0, 1, 2]
