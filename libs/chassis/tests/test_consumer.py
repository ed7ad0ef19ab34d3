"""Records are handled once, in order, and never skipped silently."""

import asyncio
import dataclasses
import os
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from chassis import outbox, parking
from chassis.consumer import Consumer
from chassis.records import Received, Record
from chassis.subscriptions import Subscriptions, obey_commands
from chassis.testing import Bench, record_of
from chassis.transient import is_transient
from contracts import topics
from contracts.message import Republish
from contracts.shipping import ShipmentPosting
from sqlalchemy.ext.asyncio import AsyncConnection

from .conftest import FORBIDDEN_ORDER, ForbiddenOrder, pinger, pings, posting


def consumer_of(pinging: Bench) -> Consumer:
    own = obey_commands("pinger", pinger.subscriptions)
    return Consumer("pinger", next(s for s in own if s.topic == topics.SHIPMENTS), pinging.db)


def facts(count: int) -> list[Record]:
    """The first `count` facts of one shipment."""
    fact = posting()
    return [record_of(fact, version) for version in range(1, count + 1)]


async def test_the_same_fact_delivered_again_changes_nothing(pinging: Bench) -> None:
    """A record that comes three times, even in one batch, is handled once."""
    record = record_of(posting(), 1)
    await pinging.deliver_record(record)
    await consumer_of(pinging).consume([record, record])
    assert await pings(pinging.db) == 1


async def test_a_poison_record_is_parked_and_others_go_on(pinging: Bench) -> None:
    """One refused record in a batch is parked; all others of the batch are handled."""
    good = [record_of(posting(), 1) for _ in range(20)]
    bad = record_of(posting(order_id=FORBIDDEN_ORDER), 1)
    await consumer_of(pinging).consume([*good[:7], bad, *good[7:]])
    assert await pings(pinging.db) == 20
    [parked] = await pinging.parked()
    assert (parked.reason, parked.key) == (parking.Reason.ERROR, bad.key)


async def test_later_records_of_a_parked_key_queue_behind_it(pinging: Bench) -> None:
    """Order per key survives a poison record, and replay handles the queue in order."""
    shipment = uuid4()
    bad = record_of(posting(FORBIDDEN_ORDER, shipment), 1)
    later = record_of(posting(shipment_id=shipment), 2)
    await pinging.deliver_record(bad)
    await pinging.deliver_record(later)
    assert await pings(pinging.db) == 0
    first, second = await pinging.parked()
    assert (first.reason, second.reason) == (parking.Reason.ERROR, parking.Reason.BEHIND)

    refused = await pinging.http.post(f"/system/pinger/parked/{first.id}/replay")
    assert refused.status_code == 409
    assert "ForbiddenOrder" in refused.json()["detail"]

    mended = posting(shipment_id=shipment).model_dump(mode="json")
    answer = await pinging.http.post(
        f"/system/pinger/parked/{first.id}/mend", json={"payload": mended}
    )
    assert answer.status_code == 200, answer.text
    replayed = await pinging.http.post(f"/system/pinger/parked/{first.id}/replay")
    assert replayed.json() == {"handled": 2}
    assert await pings(pinging.db) == 2
    assert await pinging.parked() == []


async def test_a_gap_is_asked_for_and_closes_by_itself(pinging: Bench) -> None:
    """A fact that comes too early waits; its producer is asked; nothing is lost or doubled."""
    first, second, third = facts(3)
    await pinging.deliver_record(first)
    await pinging.deliver_record(third)
    assert await pings(pinging.db) == 1
    [wish] = await pinging.said(Republish)
    assert (wish.topic, wish.key, wish.from_version) == (topics.SHIPMENTS, first.key, 2)
    await pinging.deliver_record(second)
    await pinging.deliver_record(third)
    assert await pings(pinging.db) == 3
    assert await pinging.parked() == []


async def test_a_gap_that_opens_and_closes_in_one_batch_is_closed(pinging: Bench) -> None:
    """Said again for somebody else, the later one comes before and behind the missing one."""
    first, second, third = facts(3)
    await pinging.deliver_record(first)
    await consumer_of(pinging).consume([third, third, second, third])
    assert await pings(pinging.db) == 3
    assert await pinging.parked() == []


async def test_two_consumers_at_once_do_not_handle_twice(pinging: Bench) -> None:
    """A consumer that lost its partition and its successor may overlap: one handles, one skips."""
    records = [record_of(posting(), 1) for _ in range(50)]
    await asyncio.gather(*(consumer_of(pinging).consume(records) for _ in range(3)))
    assert await pings(pinging.db) == 50


@pytest.mark.parametrize("id", [0, 2**63, 10**30])
@pytest.mark.parametrize("what", ["mend", "replay", "discard"])
async def test_a_number_that_no_parked_record_has_is_refused(
    pinging: Bench, id: int, what: str
) -> None:
    """An operator who mistypes the number is told so."""
    body = {"mend": {"payload": {}}, "discard": {"reason": "tried"}}.get(what)
    refused = await pinging.http.post(f"/system/pinger/parked/{id}/{what}", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "path/id"


async def test_an_undeclared_type_is_parked(pinging: Bench) -> None:
    """A type nobody declared is never passed over in silence."""
    record = record_of(posting(), 1)
    strange = Record(
        record.topic, 0, record.key, record.payload, {**record.headers, "ce_type": "new.v1"}
    )
    await pinging.deliver_record(strange)
    [parked] = await pinging.parked()
    assert "not declared" in parked.error


async def test_bytes_nobody_can_read_go_to_the_dead_letters(pinging: Bench) -> None:
    """Garbage leaves for the dead-letter topic and does not stop what follows."""
    good = record_of(posting(), 1)
    await consumer_of(pinging).consume(
        [Record(topics.SHIPMENTS, 0, "k", b"\xff\x00garbage", {}), good]
    )
    async with pinging.db.reading() as tx:
        rows = await tx.execute(sa.text("SELECT payload FROM outbox WHERE type = 'dead_letter.v1'"))
        assert rows.scalars().all() == [b"\xff\x00garbage"]
    assert await pings(pinging.db) == 1


async def test_more_garbage_than_a_record_holds_is_cut(pinging: Bench) -> None:
    """A row that Kafka refuses would stop all behind it: the beginning goes, with its size."""
    garbage = b"\xff" * (outbox.PAYLOAD_BYTES_MAX + 1)
    await consumer_of(pinging).consume([Record(topics.SHIPMENTS, 0, "k", garbage, {})])
    async with pinging.db.reading() as tx:
        rows = await tx.execute(
            sa.text("SELECT payload, headers FROM outbox WHERE type = 'dead_letter.v1'")
        )
        [row] = rows.all()
    assert row.payload == garbage[:-1]
    assert row.headers["dead_bytes"] == str(len(garbage))


@pytest.mark.parametrize(
    "foreign",
    [
        {"key": "k\0"},
        {"key": os.urandom(4_000).hex()},
        {"headers": {"trace\0state": ""}},
        {"headers": {"ce_type": "new\0.v1"}},
        {"headers": {"version": str(2**63)}},
        {"headers": {"version": "-1"}},
    ],
    ids=["NUL in the key", "long key", "NUL in a name", "NUL in a value", "too new", "negative"],
)
async def test_what_no_table_holds_is_a_dead_letter(pinging: Bench, foreign: Any) -> None:
    """A record that could not even be parked leaves with its reason, and the next is handled."""
    like = record_of(posting(), 1)
    headers = {**like.headers, **foreign.pop("headers", {})}
    strange = dataclasses.replace(like, headers=headers, **foreign)
    await consumer_of(pinging).consume([strange, record_of(posting(), 1)])
    async with pinging.db.reading() as tx:
        rows = await tx.execute(
            sa.text("SELECT payload, headers FROM outbox WHERE type = 'dead_letter.v1'")
        )
        [row] = rows.all()
    assert row.payload == like.payload
    assert row.headers["dead_reason"]
    assert await pings(pinging.db) == 1
    assert await pinging.parked() == []


async def test_a_reason_that_no_table_holds_is_kept_readable(pinging: Bench) -> None:
    """A refusal that repeats a NUL from the body is parked like any other."""
    own = Subscriptions()

    @own.follow(topics.SHIPMENTS, handles=(ShipmentPosting,))
    async def refuse(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
        raise ForbiddenOrder("by a\0b")

    await Consumer("pinger", own.all[0], pinging.db).consume([record_of(posting(), 1)])
    [parked] = await pinging.parked()
    assert parked.error == "ForbiddenOrder: by a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("type", [ShipmentPosting.TYPE, "new.v1"])
async def test_a_body_nobody_can_read_goes_there_too(pinging: Bench, type: str) -> None:
    """Headers may be right and the body no JSON: nobody could mend it, others are handled."""
    good, like = record_of(posting(), 1), record_of(posting(), 1)
    headers = {**like.headers, "ce_type": type}
    torn = Record(like.topic, 0, like.key, b'{"torn": ', headers)
    await consumer_of(pinging).consume([torn, good])
    async with pinging.db.reading() as tx:
        rows = await tx.execute(sa.text("SELECT payload FROM outbox WHERE type = 'dead_letter.v1'"))
        assert rows.scalars().all() == [torn.payload]
    assert await pings(pinging.db) == 1
    assert await pinging.parked() == []


async def test_a_fact_without_a_body_is_parked(pinging: Bench) -> None:
    """Only a tombstone has none; an operator may know what it should have been."""
    like = record_of(posting(), 1)
    await consumer_of(pinging).consume([Record(like.topic, 0, like.key, None, like.headers)])
    [parked] = await pinging.parked()
    assert "no body" in parked.error


async def test_republish_makes_sent_facts_leave_again(pinging: Bench) -> None:
    """A follower that missed a version gets it and all later ones again."""
    key = str(uuid4())
    insert = sa.text("""
        INSERT INTO outbox(event_id, topic, key, version, type, payload, headers, published_at)
        SELECT gen_random_uuid(), 'shipping.shipments', :key, n, 'x.v1', '{}', '{}', now()
        FROM generate_series(1, 4) AS n""")
    async with pinging.db.engine.begin() as tx:
        await tx.execute(insert, {"key": key})
    await pinging.deliver_record(
        Record(
            "pinger.commands",
            0,
            key,
            Republish(topic="shipping.shipments", key=key, from_version=3)
            .model_dump_json()
            .encode(),
            {"ce_id": str(uuid4()), "ce_type": Republish.TYPE},
        )
    )
    async with pinging.db.reading() as tx:
        unsent = sa.text("SELECT version FROM outbox WHERE published_at IS NULL ORDER BY version")
        assert (await tx.execute(unsent)).scalars().all() == [3, 4]


async def test_an_invalid_body_is_parked(pinging: Bench) -> None:
    """JSON that breaks the contract waits for an operator."""
    record = record_of(posting(), 1)
    broken = Record(record.topic, 0, record.key, b'{"kind": "gift"}', record.headers)
    await pinging.deliver_record(broken)
    [parked] = await pinging.parked()
    assert ShipmentPosting.TYPE in parked.error


async def test_an_operator_gives_a_record_up(pinging: Bench) -> None:
    """A record that can never be right is discarded with a reason; those behind it go on."""
    shipment = uuid4()
    await pinging.deliver_record(record_of(posting(FORBIDDEN_ORDER, shipment), 1))
    await pinging.deliver_record(record_of(posting(shipment_id=shipment), 2))
    first, second = await pinging.parked()
    path = f"/system/pinger/parked/{first.id}/discard"
    assert (await pinging.http.post(path, json={"reason": "never was"})).status_code == 200
    assert (await pinging.http.post(path, json={"reason": "again"})).status_code == 404
    replayed = await pinging.http.post(f"/system/pinger/parked/{second.id}/replay")
    assert replayed.json() == {"handled": 1}
    assert await pings(pinging.db) == 1
    assert await pinging.parked() == []


async def test_a_record_given_up_too_early_is_kept_when_it_comes_again(pinging: Bench) -> None:
    """Discarded while an earlier version is missing, it is said again: it waits, it is not lost."""
    first, _, third = facts(3)
    await pinging.deliver_record(first)
    await pinging.deliver_record(third)
    [early] = await pinging.parked()
    path = f"/system/pinger/parked/{early.id}/discard"
    assert (await pinging.http.post(path, json={"reason": "too early"})).status_code == 200
    assert await pinging.parked() == []
    await pinging.deliver_record(third)
    [again] = await pinging.parked()
    assert (again.event_id, again.reason) == (early.event_id, parking.Reason.GAP)


async def test_a_store_manager_does_not_see_other_stores_records(pinging: Bench) -> None:
    """Parked records concern the whole chain."""
    async with pinging.client(store_ids=[uuid4()]) as limited:
        assert (await limited.get("/system/pinger/parked")).status_code == 403


async def test_a_busy_pool_parks_nothing() -> None:
    """All connections in use is a matter of waiting, not a fault of the record."""
    assert is_transient(sa.exc.TimeoutError("QueuePool limit reached"))
    assert not is_transient(ValueError())


async def test_an_error_never_repeats_what_it_read(pinging: Bench) -> None:
    """A broken record with a customer's address is parked without that address in its error."""
    record = record_of(posting(), 1)
    body = b'{"kind": "ivan@mail.example"}'
    await pinging.deliver_record(Record(record.topic, 0, record.key, body, record.headers))
    [parked] = await pinging.parked()
    assert "ivan" not in parked.error


async def test_what_kafka_cannot_take_is_refused_before_the_commit(pinging: Bench) -> None:
    """A message above the limit of a record fails the change; it never blocks the outbox."""
    large = posting().model_copy(update={"by": "x" * 1_000_000})
    with pytest.raises(outbox.MessageTooLarge):
        outbox.columns([outbox.Said(large)])
