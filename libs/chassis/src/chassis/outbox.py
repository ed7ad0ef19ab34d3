"""The outbox: a message is saved in the transaction of the change that it reports."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from contracts.message import Message, Tombstone
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.ids import uuid7
from chassis.telemetry import traceparent

# Also usable as a data-modifying CTE inside a larger statement: see `columns`.
INSERT_COLUMNS = "event_id, topic, key, version, type, payload, headers"
ROWS = """unnest(CAST(:outbox_event_ids AS uuid[]), CAST(:outbox_topics AS text[]),
  CAST(:outbox_keys AS text[]), CAST(:outbox_versions AS bigint[]), CAST(:outbox_types AS text[]),
  CAST(:outbox_payloads AS bytea[]), CAST(:outbox_headers AS text[]))
  WITH ORDINALITY AS said(event_id, topic, key, version, type, payload, headers, n)"""
INSERT = sa.text(f"""
INSERT INTO outbox({INSERT_COLUMNS})
SELECT event_id, topic, key, version, type, payload, CAST(headers AS jsonb)
FROM {ROWS} ORDER BY n""")

# Below Kafka's limit of a record: a row that cannot be sent would stop every row behind it.
PAYLOAD_BYTES_MAX = 900_000


class MessageTooLarge(Exception):
    """What is to be said does not fit one record, so the change cannot be made either."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__(
            f"This is too large to be passed on ({kind}, {size // 1024} KiB): make it smaller, "
            "or take it apart."
        )


@dataclass(frozen=True, slots=True)
class Said:
    """A message and its aggregate's version: the last one plus one for facts, 0 for commands.

    `trace` is the traceparent of the record that caused it, the current request's when None.
    """

    message: Message
    version: int = 0
    event_id: UUID = field(default_factory=uuid7)
    trace: str | None = None


def columns(said: Sequence[Said]) -> dict[str, list[Any]]:
    """The bind values of `ROWS`, in the order in which the messages are to leave."""
    here = traceparent()
    return {
        "outbox_event_ids": [one.event_id for one in said],
        "outbox_topics": [one.message.TOPIC for one in said],
        "outbox_keys": [one.message.subject for one in said],
        "outbox_versions": [one.version for one in said],
        "outbox_types": [one.message.TYPE for one in said],
        "outbox_payloads": [_payload(one.message) for one in said],
        "outbox_headers": [json.dumps({"traceparent": one.trace or here}) for one in said],
    }


def _payload(message: Message) -> bytes | None:
    if isinstance(message, Tombstone):
        return None
    payload = message.model_dump_json().encode()
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise MessageTooLarge(message.TYPE, len(payload))
    return payload


async def say(tx: AsyncConnection, said: Sequence[Said]) -> None:
    """Queue the messages: they leave if, and only if, the caller's transaction commits.

    The caller holds the lock on each message's aggregate, so positions follow commit order per key.
    """
    if said:
        await tx.execute(INSERT, columns(said))


async def say_raw(
    tx: AsyncConnection, topic: str, key: str, type: str, payload: bytes, headers: dict[str, str]
) -> None:
    """Queue bytes as they are: for dead letters, and for `republish` to a computed topic."""
    values = {
        "outbox_event_ids": [uuid7()],
        "outbox_topics": [topic],
        "outbox_keys": [key],
        "outbox_versions": [0],
        "outbox_types": [type],
        "outbox_payloads": [payload],
        "outbox_headers": [json.dumps({"traceparent": traceparent(), **headers})],
    }
    await tx.execute(INSERT, values)


AGAIN = sa.text("""
UPDATE outbox SET published_at = NULL
WHERE topic = :topic AND key = :key AND version >= :from_version AND published_at IS NOT NULL""")


async def say_again(tx: AsyncConnection, topic: str, key: str, from_version: int) -> int:
    """Send the key's kept facts again from this version on; how many there are."""
    values = {"topic": topic, "key": key, "from_version": from_version}
    return (await tx.execute(AGAIN, values)).rowcount
