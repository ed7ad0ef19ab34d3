"""The judge: the invariants I1 to I8 of the quality page, by plain SQL across all databases."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from faults.judge import keys, messages, money, papers, quiet, standing, statuses, stock, versions
from faults.judge.databases import Databases, Violation
from faults.judge.keys import Promise

__all__ = ["Promise", "Violation", "is_quiet", "judge", "judge_live", "promised"]

LIVE = (stock.violations, money.violations)
WHEN_QUIET = (
    keys.violations,
    versions.violations,
    *LIVE,
    standing.violations,
    messages.violations,
    statuses.violations,
)


async def judge(urls: Mapping[str, str], journals: Sequence[Path] = ()) -> list[Violation]:
    """Everything that is not as promised, once the system is quiet.

    urls: each service's database; journals: the SQLite files of device agents that are at hand.
    """
    async with Databases(urls) as databases:
        found = [one for check in WHEN_QUIET for one in await check(databases)]
        return [*found, *await papers.violations(databases, journals)]


async def judge_live(urls: Mapping[str, str]) -> list[Violation]:
    """What must hold at every commit, so also while load runs: I3 and I4."""
    async with Databases(urls) as databases:
        return [one for check in LIVE for one in await check(databases)]


async def is_quiet(urls: Mapping[str, str]) -> bool:
    """Whether nothing is on its way any more: nothing will change unless somebody acts."""
    async with Databases(urls) as databases:
        return not await quiet.moving(databases)


async def promised(urls: Mapping[str, str], accepted: Sequence[Promise]) -> list[Violation]:
    """What clients were told was done, and is not there exactly once."""
    async with Databases(urls) as databases:
        return await keys.broken_promises(databases, accepted)
