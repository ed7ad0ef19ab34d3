"""Records that could not be handled: kept in order behind their key, mended and replayed."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from contracts import topics
from contracts.message import Republish
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.records import Envelope, Record, storable

Work = Callable[[AsyncConnection], Awaitable[None]]
PERSONAL = topics.CUSTOMERS  # Its bodies are shown to nobody, and kept no longer than needed.
REPUBLISH_AGAIN_S = 30
REPLAYED_MAX = 200  # In one transaction: all else of their subscriber waits meanwhile.


class Reason(StrEnum):
    ERROR = "error"  # Its handler refused it.
    BEHIND = "behind"  # An earlier record of its key is parked.
    GAP = "gap"  # An earlier version was not seen yet; the producer was asked for it.


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked record as an operator sees it; bodies with personal data are left out."""

    id: int
    subscriber: str
    topic: str
    key: str
    version: int
    type: str
    event_id: UUID
    reason: Reason
    error: str
    parked_at: str
    payload: str | None


PARK = sa.text("""
INSERT INTO parked(subscriber, topic, key, version, type, event_id, payload, headers, reason, error)
SELECT :subscriber, topic, key, version, type, event_id, payload, CAST(headers AS jsonb),
       :reason, :error
FROM unnest(CAST(:topics AS text[]), CAST(:keys AS text[]), CAST(:versions AS bigint[]),
            CAST(:types AS text[]), CAST(:event_ids AS uuid[]), CAST(:payloads AS bytea[]),
            CAST(:headers AS text[]))
     WITH ORDINALITY AS p(topic, key, version, type, event_id, payload, headers, n)
ORDER BY n
ON CONFLICT (subscriber, event_id) DO UPDATE
SET reason = excluded.reason, error = excluded.error, payload = excluded.payload,
    parked_at = now(), resolved_at = NULL, resolved_by = NULL
WHERE parked.resolved_at IS NOT NULL""")


async def park(
    tx: AsyncConnection, subscriber: str, envelopes: Sequence[Envelope], reason: Reason, error: str
) -> None:
    """Keep the records, each once; one that is parked already stays as it is.

    One that was resolved and is said again is open again: it would be lost otherwise.
    """
    once = list({envelope.event_id: envelope for envelope in envelopes}.values())
    values = {
        "subscriber": subscriber,
        "reason": reason.value,
        "error": storable(error)[:2000],
        "topics": [e.record.topic for e in once],
        "keys": [e.key for e in once],
        "versions": [e.version for e in once],
        "types": [e.type for e in once],
        "event_ids": [e.event_id for e in once],
        "payloads": [e.record.payload for e in once],
        "headers": [json.dumps(dict(e.record.headers)) for e in once],
    }
    await tx.execute(PARK, values)


async def gap_keys(tx: AsyncConnection, subscriber: str, keys: Sequence[str]) -> set[str]:
    """The keys whose producer was asked a moment ago."""
    found = await tx.execute(
        sa.text("""
        SELECT DISTINCT key FROM parked WHERE subscriber = :subscriber
        AND key = ANY(CAST(:keys AS text[])) AND resolved_at IS NULL AND reason = 'gap'
        AND parked_at > now() - make_interval(secs => :again_s)"""),
        {"subscriber": subscriber, "keys": list(keys), "again_s": REPUBLISH_AGAIN_S},
    )
    return set(found.scalars())


async def forget_gaps(tx: AsyncConnection, subscriber: str, versions: Mapping[str, int]) -> None:
    """Gaps up to these versions are filled: what waited there came again and was handled."""
    await tx.execute(
        sa.text("""
        DELETE FROM parked USING unnest(CAST(:keys AS text[]), CAST(:versions AS bigint[]))
          AS now_at(key, version)
        WHERE parked.subscriber = :subscriber AND parked.reason = 'gap'
        AND parked.key = now_at.key AND parked.version <= now_at.version"""),
        {
            "subscriber": subscriber,
            "keys": list(versions),
            "versions": list(versions.values()),
        },
    )


async def ask_republish(tx: AsyncConnection, topic: str, key: str, from_version: int) -> None:
    """Ask the topic's owner to say the key's facts again from this version on."""
    wish = Republish(topic=topic, key=key, from_version=from_version)
    await outbox.say_raw(
        tx, topics.commands_of(topic), key, Republish.TYPE, wish.model_dump_json().encode(), {}
    )


async def ask_for_open_gaps(tx: AsyncConnection) -> None:
    """Ask again for every gap that is still open after the producer had its time."""
    found = await tx.execute(
        sa.text("""
        WITH late AS (
          UPDATE parked SET parked_at = now()
          WHERE resolved_at IS NULL AND reason = 'gap'
          AND parked_at < now() - make_interval(secs => :again_s)
          RETURNING subscriber, topic, key)
        SELECT late.topic, late.key, min(coalesce(s.version, 0)) + 1 AS from_version
        FROM late LEFT JOIN seen s ON s.subscriber = late.subscriber AND s.key = late.key
        GROUP BY late.topic, late.key ORDER BY late.topic, late.key"""),
        {"again_s": REPUBLISH_AGAIN_S},
    )
    for row in found.all():
        await ask_republish(tx, row.topic, row.key, row.from_version)


async def count_open(tx: AsyncConnection) -> int:
    """How many records are parked."""
    found = await tx.execute(sa.text("SELECT count(*) FROM parked WHERE resolved_at IS NULL"))
    return int(found.scalar_one())


async def list_open(tx: AsyncConnection, limit: int = 200) -> list[Parked]:
    """What waits for an operator, oldest first."""
    found = await tx.execute(
        sa.text("""
        SELECT id, subscriber, topic, key, version, type, event_id, reason, error, parked_at,
               payload
        FROM parked WHERE resolved_at IS NULL ORDER BY id LIMIT :limit"""),
        {"limit": limit},
    )
    return [
        Parked(
            row.id,
            row.subscriber,
            row.topic,
            row.key,
            row.version,
            row.type,
            row.event_id,
            Reason(row.reason),
            row.error,
            row.parked_at.isoformat(),
            None
            if row.payload is None or row.topic == PERSONAL
            else row.payload.decode(errors="replace"),
        )
        for row in found
    ]


# The open ones of the parked record's key, in order.
QUEUE = sa.text(f"""
SELECT q.* FROM parked p JOIN parked q ON q.subscriber = p.subscriber AND q.key = p.key
WHERE p.id = :id AND q.resolved_at IS NULL
ORDER BY q.version, q.id LIMIT {REPLAYED_MAX} FOR UPDATE OF q""")
ITSELF = sa.text("SELECT * FROM parked WHERE id = :id AND resolved_at IS NULL FOR UPDATE")


async def _locked(
    tx: AsyncConnection, which: sa.TextClause, id: int
) -> list[tuple[int, str, Envelope]]:
    found = await tx.execute(which, {"id": id})
    return [
        (
            row.id,
            row.subscriber,
            Envelope(
                Record(row.topic, 0, row.key, row.payload, dict(_json(row.headers))),
                row.event_id,
                row.type,
                row.version,
            ),
        )
        for row in found
    ]


def _json(value: str | dict[str, str]) -> dict[str, str]:
    loaded: dict[str, str] = json.loads(value) if isinstance(value, str) else value
    return loaded


async def resolve(tx: AsyncConnection, id: int, by: str) -> None:
    """The record was replayed or discarded by this person; who is named in it is forgotten."""
    await tx.execute(
        sa.text("""
        UPDATE parked SET resolved_at = now(), resolved_by = :by,
          payload = CASE WHEN topic <> :personal THEN payload END
        WHERE id = :id"""),
        {"id": id, "by": by, "personal": PERSONAL},
    )


async def mend(tx: AsyncConnection, id: int, payload: bytes) -> bool:
    """Replace the body of an open record; False when there is none."""
    done = await tx.execute(
        sa.text("UPDATE parked SET payload = :payload WHERE id = :id AND resolved_at IS NULL"),
        {"id": id, "payload": payload},
    )
    return done.rowcount == 1


async def replay(tx: AsyncConnection, consumers: Mapping[str, "Replayer"], id: int, by: str) -> int:
    """Handle the first `REPLAYED_MAX` that wait for the record's key, in order; how many they were.

    When one of them is refused again, nothing of it happened. When they are as many, there may be
    more: the caller comes again, in another transaction, so that others get their turn.
    """
    await stop_consumer(tx, id)
    queue = await _locked(tx, QUEUE, id)
    for row_id, subscriber, envelope in queue:
        await consumers[subscriber].replay_in(tx, envelope)
        await resolve(tx, row_id, by)
    return len(queue)


async def stop_consumer(tx: AsyncConnection, id: int) -> None:
    """Let no consumer of this record's subscriber work until the transaction ends.

    Otherwise a record that arrives meanwhile would queue behind one that is resolved already.
    """
    await tx.execute(
        sa.text("SELECT pg_advisory_xact_lock(hashtext(subscriber)) FROM parked WHERE id = :id"),
        {"id": id},
    )


async def discard(
    tx: AsyncConnection, consumers: Mapping[str, "Replayer"], id: int, by: str
) -> bool:
    """Give one record up: it counts as seen, so that those behind it can be replayed.

    False when no such record is open.
    """
    await stop_consumer(tx, id)
    queue = await _locked(tx, ITSELF, id)
    for row_id, subscriber, envelope in queue:
        await consumers[subscriber].only_new(tx, [envelope])
        await resolve(tx, row_id, by)
    return bool(queue)


class Replayer(Protocol):
    """What replay needs of a consumer."""

    async def replay_in(self, tx: AsyncConnection, envelope: Envelope) -> None: ...

    async def only_new(
        self, tx: AsyncConnection, envelopes: Sequence[Envelope]
    ) -> Sequence[Envelope]: ...
