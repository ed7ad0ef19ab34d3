"""Batches of records into one transaction each: seen once, in order, never skipped silently."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
import structlog
from contracts import topics
from contracts.message import Command, Fact
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox, parking, telemetry
from chassis.database import Database
from chassis.records import (
    KEY_CHARS_MAX,
    Envelope,
    Record,
    Undecodable,
    open_envelope,
    read,
    storable,
    type_of,
)
from chassis.subscriptions import Subscription
from chassis.transient import is_transient

log = structlog.get_logger()
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 30.0
BACKOFF_TOTAL_S = 120.0  # Below max_poll_interval: then Kafka gives the batch again.

# A consumer that lost its partition may still be at work: the lock makes the two take turns. The
# shared half keeps an operator's replay, which takes it alone, from overlapping with either.
LOCK = sa.text("""
SELECT pg_advisory_xact_lock_shared(hashtext(:subscriber)),
       pg_advisory_xact_lock(hashtext(:subscriber), n)
FROM unnest(CAST(:partitions AS int[])) AS n ORDER BY n""")
# Asked after the lock is held, in a statement of its own: it must see what the holder before did.
KNOWN = sa.text("""
SELECT k.key, coalesce(seen.version, 0) AS version, coalesce(open.blocked, false) AS blocked,
       coalesce(open.gap, false) AS gap
FROM unnest(CAST(:keys AS text[])) AS k(key)
LEFT JOIN seen ON seen.subscriber = :subscriber AND seen.key = k.key
LEFT JOIN LATERAL (
  SELECT bool_or(reason <> 'gap') AS blocked, bool_or(reason = 'gap') AS gap FROM parked
  WHERE parked.subscriber = :subscriber AND parked.key = k.key AND resolved_at IS NULL
) AS open ON true""")
SAW = sa.text("""
INSERT INTO seen(subscriber, key, version)
SELECT :subscriber, key, version
FROM unnest(CAST(:keys AS text[]), CAST(:versions AS bigint[])) AS saw(key, version) ORDER BY key
ON CONFLICT (subscriber, key) DO UPDATE SET version = excluded.version
WHERE seen.version < excluded.version""")
INBOX = sa.text("""
INSERT INTO inbox(subscriber, event_id)
SELECT :subscriber, event_id FROM unnest(CAST(:event_ids AS uuid[])) AS event_id ORDER BY 1, 2
ON CONFLICT DO NOTHING RETURNING event_id""")


class _Known(NamedTuple):
    """What this subscriber knows of a key: the last version seen, and what is parked open."""

    version: int
    blocked: bool
    gap: bool


class Consumer:
    """Carries out one subscription against one database."""

    def __init__(self, service: str, subscription: Subscription, db: Database) -> None:
        self.service, self.subscription, self.db = service, subscription, db
        self.name = subscription.name
        self._handled = {message.TYPE: message for message in subscription.handles}
        self._ignored = frozenset(message.TYPE for message in subscription.ignores)
        self.waiting = False  # For the database; the watchdog lets it be.

    async def consume(self, records: Sequence[Record]) -> None:
        """Handle the batch completely: every record is handled, ignored, parked or a dead letter.

        Raises only when the database stayed away; then nothing is acknowledged.
        """
        envelopes, dead = _open(records)
        if dead:
            await self._bury(dead)
        with telemetry.BATCH_SECONDS.labels(self.name).time():
            await self._handle(envelopes)
        self.db.changes.announce(envelope.key for envelope in envelopes)

    async def _handle(self, envelopes: Sequence[Envelope]) -> None:
        if not envelopes:
            return
        try:
            await self._patiently(lambda tx: self.handle_in(tx, envelopes))
        except Exception as error:
            if is_transient(error):
                raise
            if len(envelopes) == 1:
                await self._set_aside(envelopes[0], error)
                return
            middle = len(envelopes) // 2
            await self._handle(envelopes[:middle])
            await self._handle(envelopes[middle:])

    async def _bury(self, dead: Sequence[tuple[Record, str]]) -> None:
        await self._patiently(lambda tx: bury(tx, dead))
        telemetry.RECORDS.labels(self.name, "dead_letter").inc(len(dead))

    async def _set_aside(self, envelope: Envelope, error: Exception) -> None:
        """Bury what nobody can read; park what an operator can mend and replay."""
        if isinstance(error, Undecodable):
            await self._bury([(envelope.record, str(error))])
            return
        log.error(
            "record parked",
            subscriber=self.name,
            type=envelope.type,
            key=envelope.key,
            event_id=str(envelope.event_id),
            error=type_of(error),
            exc_info=error,
        )
        text = f"{type_of(error)}: {error}"
        await self._patiently(
            lambda tx: parking.park(tx, self.name, [envelope], parking.Reason.ERROR, text)
        )
        telemetry.RECORDS.labels(self.name, "parked").inc()

    async def _patiently(self, work: parking.Work) -> None:
        """Run in one transaction; while the server is away wait, doubling, in place."""
        pause_s, waited_s = BACKOFF_FIRST_S, 0.0
        while True:
            try:
                await self.db.run(work)
                self.waiting = False
                return
            except Exception as error:
                if not is_transient(error) or waited_s >= BACKOFF_TOTAL_S:
                    self.waiting = False
                    raise
                self.waiting = True
                log.warning("waiting to try again", subscriber=self.name, error=type_of(error))
                await asyncio.sleep(pause_s)
                waited_s += pause_s
                pause_s = min(pause_s * 2, BACKOFF_MAX_S)

    async def handle_in(self, tx: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        """Give the handler what is new, and note it as seen, in the caller's transaction."""
        partitions = sorted({envelope.record.partition for envelope in envelopes})
        await tx.execute(LOCK, {"subscriber": self.name, "partitions": partitions})
        known = await self._known(tx, envelopes)
        # Behind a record that an operator must look at, later ones of its key queue.
        behind = [envelope for envelope in envelopes if known[envelope.key].blocked]
        if behind:
            await parking.park(tx, self.name, behind, parking.Reason.BEHIND, "an earlier one waits")
        ahead = [envelope for envelope in envelopes if not known[envelope.key].blocked]
        await self._give(tx, await self._only_new(tx, ahead, known))

    async def _known(self, tx: AsyncConnection, envelopes: Sequence[Envelope]) -> dict[str, _Known]:
        keys = list({envelope.key for envelope in envelopes})
        rows = await tx.execute(KNOWN, {"subscriber": self.name, "keys": keys})
        return {row.key: _Known(row.version, row.blocked, row.gap) for row in rows}

    async def replay_in(self, tx: AsyncConnection, envelope: Envelope) -> None:
        """Handle one parked record in the caller's transaction, unless it was seen meanwhile."""
        await self._give(tx, await self.only_new(tx, [envelope]))

    async def _give(self, tx: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        mine = [read(one, self._handled) for one in envelopes if one.type not in self._ignored]
        if mine:
            await self.subscription.handler(tx, mine)
        telemetry.RECORDS.labels(self.name, "handled").inc(len(mine))

    async def only_new(
        self, tx: AsyncConnection, envelopes: Sequence[Envelope]
    ) -> Sequence[Envelope]:
        """Leave out what was seen, park what came too early, note the rest as seen."""
        return await self._only_new(tx, envelopes, await self._known(tx, envelopes))

    async def _only_new(
        self, tx: AsyncConnection, envelopes: Sequence[Envelope], known: Mapping[str, _Known]
    ) -> Sequence[Envelope]:
        if not envelopes:
            return []
        if self.subscription.kind is Command:
            return await self._new_commands(tx, envelopes)
        seen = {key: one.version for key, one in known.items()}
        new, gaps = _by_version(envelopes, seen, gapless=self.subscription.kind is Fact)
        if gaps:
            await self._ask_again(tx, gaps, seen)
        changed = {key: seen[key] for key, one in known.items() if one.version != seen[key]}
        if changed:
            values = {"keys": list(changed), "versions": list(changed.values())}
            await tx.execute(SAW, {"subscriber": self.name, **values})
        gap_keys = {gap.key for gap in gaps}  # One may open and close within a batch.
        filled = {
            key: version for key, version in changed.items() if known[key].gap or key in gap_keys
        }
        if filled:
            await parking.forget_gaps(tx, self.name, filled)
        return new

    async def _new_commands(
        self, tx: AsyncConnection, envelopes: Sequence[Envelope]
    ) -> Sequence[Envelope]:
        ids = list({envelope.event_id for envelope in envelopes})
        rows = await tx.execute(INBOX, {"subscriber": self.name, "event_ids": ids})
        new = set(rows.scalars())
        result = []
        for envelope in envelopes:
            if envelope.event_id in new:
                new.discard(envelope.event_id)  # The same one twice in a batch counts once.
                result.append(envelope)
        return result

    async def _ask_again(
        self, tx: AsyncConnection, gaps: Sequence[Envelope], seen: Mapping[str, int]
    ) -> None:
        """Park what came before its time, and ask its producer for what is missing."""
        first = {envelope.key for envelope in gaps}
        asked = await parking.gap_keys(tx, self.name, list(first))
        await parking.park(tx, self.name, gaps, parking.Reason.GAP, "an earlier version is missing")
        for key in sorted(first - asked):
            await parking.ask_republish(tx, self.subscription.topic, key, seen.get(key, 0) + 1)
        log.warning("gap", subscriber=self.name, keys=len(first))


def _open(records: Sequence[Record]) -> tuple[list[Envelope], list[tuple[Record, str]]]:
    envelopes: list[Envelope] = []
    dead: list[tuple[Record, str]] = []
    for record in records:
        try:
            envelopes.append(open_envelope(record))
        except Undecodable as error:
            dead.append((record, str(error)))
    return envelopes, dead


def _by_version(
    envelopes: Sequence[Envelope], seen: dict[str, int], gapless: bool
) -> tuple[list[Envelope], list[Envelope]]:
    """Split into new ones and ones that came too early; `seen` moves on. Older ones fall away."""
    new: list[Envelope] = []
    gaps: list[Envelope] = []
    for envelope in envelopes:
        last = seen.get(envelope.key, 0)
        if envelope.version <= last:
            continue
        if gapless and envelope.version > last + 1:
            gaps.append(envelope)
            continue
        seen[envelope.key] = envelope.version
        new.append(envelope)
    return new, gaps


async def bury(tx: AsyncConnection, dead: Sequence[tuple[Record, str]]) -> None:
    """Put bytes that nobody can read on the dead-letter topic, with where they came from.

    Of more bytes than a record holds the beginning is kept, and how many there were; likewise of a
    key that no index holds.
    """
    for record, error in dead:
        payload = record.payload or b""
        headers = {"dead_topic": record.topic, "dead_reason": storable(error)[:500]}
        if len(payload) > outbox.PAYLOAD_BYTES_MAX:
            headers["dead_bytes"] = str(len(payload))
            payload = payload[: outbox.PAYLOAD_BYTES_MAX]
        key = storable(record.key)[:KEY_CHARS_MAX]
        await outbox.say_raw(tx, topics.DEAD_LETTERS, key, "dead_letter.v1", payload, headers)
