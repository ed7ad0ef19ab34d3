"""Several changes as one statement: one round trip, and one plan, whatever they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from chassis import outbox
from chassis.http import repeats
from chassis.http.repeats import Repeats
from chassis.outbox import Said
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Change:
    """An INSERT or UPDATE with its lists of values, whose names no other change has."""

    text: str
    values: Mapping[str, object]


async def make(tx: AsyncConnection, changes: Sequence[Change]) -> None:
    """Make the changes, none of which sees another's rows; those without rows are left out."""
    full = [one for one in changes if any(one.values.values())]
    if full:
        values = {name: value for one in full for name, value in one.values.items()}
        await tx.execute(_statement(tuple(one.text for one in full)), values)


@cache  # The same text each time: the database keeps its plan.
def _statement(texts: tuple[str, ...]) -> sa.TextClause:
    parts = ",\n".join(f"change{n} AS ({text})" for n, text in enumerate(texts[1:]))
    return sa.text(f"WITH {parts}\n{texts[0]}" if parts else texts[0])


def say(said: Sequence[Said]) -> Change:
    """Queue the facts."""
    return Change(outbox.INSERT.text, outbox.columns(said))


def keep_keys(done: Repeats) -> Change:
    """Keep what was done under which key."""
    return Change(repeats.KEEP, done.columns())
