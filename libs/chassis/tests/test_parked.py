"""What an operator does with parked records, be they many."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.parking import REPLAYED_MAX
from chassis.records import Received
from chassis.service import Service
from chassis.settings import DatabaseSettings
from chassis.subscriptions import Subscriptions
from chassis.testing import Bench, bench, record_of
from contracts import topics
from contracts.orders import CustomerState
from sqlalchemy.ext.asyncio import AsyncConnection

from .conftest import FORBIDDEN_ORDER, pinger, pings, posting

TRANSACTIONS = sa.text("SELECT max(n) FROM (SELECT count(*) AS n FROM pings GROUP BY xmin) AS t")
OPEN_IDS = sa.text("SELECT id FROM parked WHERE resolved_at IS NULL ORDER BY version, id")


async def park_many(pinging: Bench, count: int, *forbidden: int) -> list[int]:
    """Park as many facts of one shipment, of which some will be refused; their ids, in order."""
    shipment = uuid4()
    facts = [
        record_of(posting(FORBIDDEN_ORDER if n in forbidden else None, shipment), n)
        for n in range(1, count + 1)
    ]
    [follows] = pinger.subscriptions
    await Consumer("pinger", follows, pinging.db).consume(facts[:1])
    await Consumer("pinger", follows, pinging.db).consume(facts[1:])
    return await open_ids(pinging.db)


async def open_ids(db: Database) -> list[int]:
    async with db.reading() as tx:
        return list((await tx.execute(OPEN_IDS)).scalars())


async def give_up(pinging: Bench, id: int) -> None:
    body = {"reason": "never was"}
    answer = await pinging.http.post(f"/system/pinger/parked/{id}/discard", json=body)
    assert answer.status_code == 200, answer.text


async def test_many_are_replayed_a_piece_at_a_time(pinging: Bench) -> None:
    """Five hundred that queue are handled by one call, and others get their turn in between."""
    first, *behind = await park_many(pinging, 501, 1)
    await give_up(pinging, first)
    replayed = await pinging.http.post(f"/system/pinger/parked/{behind[0]}/replay")
    assert replayed.json() == {"handled": 500}
    assert await pings(pinging.db) == 500
    assert await pinging.parked() == []
    async with pinging.db.reading() as tx:
        assert (await tx.execute(TRANSACTIONS)).scalar_one() == REPLAYED_MAX


async def test_a_refused_one_among_many_ends_the_replay(pinging: Bench) -> None:
    """What came before its piece stays handled; mended, the same call goes on from there."""
    first, *behind = await park_many(pinging, 501, 1, 450)
    await give_up(pinging, first)
    system, key = "/system/pinger/parked", {"Idempotency-Key": "once"}
    path = f"{system}/{behind[0]}/replay"
    refused = await pinging.http.post(path, headers=key)
    assert refused.status_code == 409
    assert "ForbiddenOrder" in refused.json()["detail"]
    assert "400 before it" in refused.json()["detail"]
    assert await pings(pinging.db) == 400
    assert await open_ids(pinging.db) == behind[400:]

    body = {"payload": posting().model_dump(mode="json")}
    mended = await pinging.http.post(f"{system}/{behind[448]}/mend", json=body)
    assert mended.status_code == 200, mended.text
    replayed = await pinging.http.post(path, headers=key)
    assert replayed.json() == {"handled": 100}
    assert (await pinging.http.post(path, headers=key)).json() == {"handled": 0}
    assert await pings(pinging.db) == 500
    assert await pinging.parked() == []


async def test_exactly_a_piece_is_replayed_once(pinging: Bench) -> None:
    """When nothing is left behind a full piece, the answer counts the piece."""
    first, *behind = await park_many(pinging, REPLAYED_MAX + 1, 1)
    await give_up(pinging, first)
    path = f"/system/pinger/parked/{behind[0]}/replay"
    assert (await pinging.http.post(path)).json() == {"handled": REPLAYED_MAX}
    assert (await pinging.http.post(path)).status_code == 404


class Unwelcome(Exception):
    """A rule of a tiny service: it keeps no copy of a customer named Canary."""


customers = Subscriptions()


@customers.follow(topics.CUSTOMERS, handles=(CustomerState,))
async def keep_copies(tx: AsyncConnection, received: Sequence[Received[CustomerState]]) -> None:
    if any(one.message.name.startswith("Canary") for one in received):
        raise Unwelcome


copier = Service("copier", DatabaseSettings, routers=(), subscriptions=customers.all)


def canary(key: str) -> CustomerState:
    return CustomerState(
        customer_key=key, customer_id=None, name="Canary", phone=None, email=None, language="en"
    )


@pytest.mark.parametrize("resolved_by", ["replay", "discard"])
async def test_a_resolved_record_keeps_nobodys_name(db: Database, resolved_by: str) -> None:
    """Once it is handled or given up, a customer's record is empty: an erasure would miss it."""
    async with bench(copier, db) as copying:
        await copying.deliver(canary("7"))
        [parked] = await copying.parked()
        path = f"/system/copier/parked/{parked.id}"
        assert parked.payload is None
        assert "43616e617279" in await whole_table(db)  # Canary in bytes: it can be replayed.
        body: dict[str, Any] = {"reason": "never was"}
        if resolved_by == "replay":
            body = {}
            named = canary("7").model_copy(update={"name": "Not Canary"}).model_dump(mode="json")
            await copying.http.post(f"{path}/mend", json={"payload": named})
        answer = await copying.http.post(f"{path}/{resolved_by}", json=body)
        assert answer.status_code == 200, answer.text
    assert "43616e617279" not in await whole_table(db)


async def whole_table(db: Database) -> str:
    async with db.reading() as tx:
        return " ".join((await tx.execute(sa.text("SELECT t::text FROM parked AS t"))).scalars())


async def test_a_record_given_up_comes_again_with_its_body(db: Database) -> None:
    """Delivered again behind another that waits, it is parked as it was said."""
    async with bench(copier, db) as copying:
        first, second = (record_of(canary("7"), version) for version in (1, 2))
        await copying.deliver_record(first)
        await copying.deliver_record(second)
        early = (await copying.parked())[0]
        await copying.http.post(f"/system/copier/parked/{early.id}/discard", json={"reason": "no"})
        await copying.deliver_record(first)
        assert [one.version for one in await copying.parked()] == [1, 2]
    assert (await whole_table(db)).count("43616e617279") == 2
