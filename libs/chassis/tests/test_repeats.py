"""Keys of many calls at once: new, repeated, reused, in flight, and taken in the same moment."""

from typing import Any

import sqlalchemy as sa
from chassis.database import Database
from chassis.http.idempotency import Call, Kept
from chassis.http.problems import InFlight, KeyReused
from chassis.http.repeats import COLUMNS, JOIN, KEEP, Repeats, asked, run_once_each
from sqlalchemy.ext.asyncio import AsyncConnection

ASK = sa.text(f"""
SELECT {COLUMNS} FROM unnest(CAST(:principals AS text[]), CAST(:keys AS text[]))
  WITH ORDINALITY AS c(principal, key, n) {JOIN} ORDER BY c.n""")


def call(key: str, what: bytes = b"a") -> Call:
    return Call("clerk", key, what)


async def ask(tx: AsyncConnection, *calls: Call) -> Repeats:
    rows: list[Any] = list(await tx.execute(ASK, asked(calls)))
    return Repeats(calls, rows)


async def do(tx: AsyncConnection, *calls: Call) -> None:
    repeats = await ask(tx, *calls)
    for one in calls:
        repeats.keep(one, 201, f"made by {one.key}")
    await tx.execute(sa.text(KEEP), repeats.columns())


async def test_what_was_done_before_is_known(db: Database) -> None:
    """A kept call is answered, another request under its key is refused, the rest is new."""
    await db.run(lambda tx: do(tx, call("1"), call("2")))
    calls = (call("2"), call("1", b"other"), call("3"))
    async with db.reading() as tx:
        repeats = await ask(tx, *calls)
    known, reused, new = (repeats.before(one) for one in calls)
    assert known == Kept(201, "made by 2")
    assert isinstance(reused, KeyReused)
    assert new is None


async def test_a_key_in_flight_or_twice_in_a_group(db: Database) -> None:
    """A key that another transaction has is in flight; within a group the first one counts."""
    async with db.engine.begin() as first, db.engine.begin() as second:
        mine = await ask(first, call("1"))
        theirs = await ask(second, call("1"))
    assert isinstance(theirs.before(call("1")), InFlight)
    assert mine.before(call("1")) is None
    assert mine.again(call("1")) is None
    mine.keep(call("1"), 201, "it")
    assert isinstance(mine.before(call("1")), InFlight)
    assert mine.again(call("1")) == Kept(201, "it")
    assert isinstance(mine.again(call("1", b"other")), KeyReused)


async def test_a_key_taken_in_the_same_moment_is_seen_the_second_time(db: Database) -> None:
    """Where the key's row could not be seen yet, the work runs once more and finds it."""
    seen: list[object] = []

    async def work(tx: AsyncConnection) -> None:
        repeats = await ask(tx, call("1"))
        seen.append(repeats.before(call("1")))
        if seen[-1] is None:
            await db.run(lambda other: other.execute(sa.text(KEEP), kept("1")))
            repeats.keep(call("1"), 201, "mine")
            await tx.execute(sa.text(KEEP), repeats.columns())

    await run_once_each(db, work)
    assert seen == [None, Kept(201, "theirs")]


def kept(key: str) -> dict[str, list[Any]]:
    done = Repeats((), ())
    done.keep(call(key), 201, "theirs")
    return done.columns()
