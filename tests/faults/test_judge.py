"""What the judge says beside the invariants: promises, quiet, live checks, agents' journals."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from chassis.ids import uuid7
from chassis.testing import scratch_database

from faults.judge import Promise, is_quiet, judge, judge_live, promised
from tests.faults.conftest import urls_of

pytestmark = pytest.mark.timeout(600)
Spoil = Callable[[str, str], Awaitable[dict[str, str]]]


@pytest.fixture
async def spoil(lived: dict[str, str]) -> AsyncIterator[Spoil]:
    """The databases of the day, one of them copied and changed by a statement."""
    async with AsyncExitStack() as stack:

        async def change(service: str, sql: str) -> dict[str, str]:
            db = await stack.enter_async_context(scratch_database(lived[service]))
            async with db.engine.begin() as tx:
                assert (await tx.execute(sa.text(sql))).rowcount > 0
            return {**urls_of(lived), service: db.dsn}

        yield change


async def test_a_broken_promise_is_named(lived: dict[str, str]) -> None:
    """What a client was told was done, and is not there under its key, is a violation of I1."""
    promise = Promise("never-sent", "/api/v1/orders", str(uuid7()))
    found = await promised(urls_of(lived), [promise])
    assert {one.invariant for one in found} == {"I1"}
    assert {one.subject for one in found} == {promise.subject}


async def test_a_path_that_makes_nothing_known_is_refused(lived: dict[str, str]) -> None:
    """A promise that the judge cannot look up is not silently kept."""
    with pytest.raises(AssertionError, match="/horoscopes"):
        await promised(urls_of(lived), [Promise("k", "/horoscopes", "s")])


@pytest.mark.parametrize(
    ("service", "sql"),
    [
        ("orders", "UPDATE outbox SET published_at = NULL WHERE position = 1"),
        ("billing", "DELETE FROM seen WHERE subscriber = 'follow_orders'"),
        ("inventory", "DELETE FROM inbox"),
        ("orders", "UPDATE orders SET decided_revision = revision - 1 WHERE revision > 0"),
        ("notifications", "UPDATE messages SET state = 'queued' WHERE channel = 'email'"),
        ("devices", "UPDATE print_jobs SET state = 'queued'"),
    ],
)
async def test_what_is_on_its_way_is_not_quiet(
    service: str, sql: str, lived: dict[str, str], spoil: Spoil
) -> None:
    """The day is over and quiet; with one thing still on its way it is not."""
    assert await is_quiet(urls_of(lived))
    assert not await is_quiet(await spoil(service, sql))


async def test_what_is_parked_does_not_move(spoil: Spoil) -> None:
    """A record that waits for a person keeps nothing from being quiet; the judge names it."""
    urls = await spoil(
        "billing",
        """
        WITH last AS (DELETE FROM seen WHERE (subscriber, key) = (
          SELECT subscriber, key FROM seen WHERE subscriber = 'settle_hand_overs' LIMIT 1)
          RETURNING *)
        INSERT INTO parked(subscriber, topic, key, version, type, event_id, headers, reason, error)
        SELECT subscriber, 'shipping.shipments', key, version, 'shipment_posted.v1',
               gen_random_uuid(), '{}', 'error', 'planted' FROM last""",
    )
    assert await is_quiet(urls)
    assert {one.invariant for one in await judge(urls)} == {"I2"}


async def test_the_live_judge_looks_at_stock_and_money_only(spoil: Spoil) -> None:
    """While load runs only what holds at every commit is judged."""
    assert await judge_live(await spoil("orders", "UPDATE orders SET status = 'closed'")) == []
    edited = "UPDATE order_account SET due_now = due_now + 1"
    assert {one.invariant for one in await judge_live(await spoil("billing", edited))} == {"I4"}


async def test_a_debt_beside_a_deposit_is_named(spoil: Spoil) -> None:
    """All of an order is handed over, and one unit is due while one is left: every sum agrees."""
    urls = await spoil(
        "billing",
        """
        WITH chosen AS (SELECT order_id, currency FROM order_account
          WHERE placed AND shipped_value >= total AND total > 0 ORDER BY order_id LIMIT 1),
        moved AS (INSERT INTO transfer(idempotency_key, debit_account, credit_account, amount,
            currency, kind, event_id, created_at)
          SELECT 'consumed\\:planted', 'receivable\\:' || order_id, 'deposits\\:' || order_id, 1,
            currency, 'consumption', gen_random_uuid(), now() FROM chosen)
        UPDATE order_account a SET due_now = due_now + 1, deposit_left = deposit_left + 1
        FROM chosen WHERE a.order_id = chosen.order_id""",
    )
    [found] = await judge(urls)
    assert (found.invariant, found.text[:19]) == ("I4", "all is handed over,")


async def test_a_paper_of_an_agent_that_nobody_asked_for_is_named(
    lived: dict[str, str], tmp_path: Path
) -> None:
    """An agent's journal with a printed job that the hub never gave out is a violation of I6."""
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as journal:
        journal.execute("CREATE TABLE jobs (job_id TEXT, copy_number INTEGER, state TEXT)")
        journal.execute("INSERT INTO jobs VALUES (?, 1, 'printed')", (str(uuid7()),))
        journal.commit()
    assert {one.invariant for one in await judge(urls_of(lived), [path])} == {"I6"}
