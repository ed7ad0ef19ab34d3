"""Messages: made, forgotten, handed to the mail server, and read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from notifications.domain import Message
from notifications.store import messages

ADD_MESSAGES = sa.text("""
INSERT INTO messages(id, event_id, order_id, store_id, customer_id, customer_key, channel, kind,
  language, address, subject, body, html, state, attempts, next_attempt_at, trace, at)
SELECT id, event_id, order_id, store_id, customer_id, customer_key, channel, kind,
  language, address, subject, body, html,
  CASE channel WHEN 'email' THEN 'queued' ELSE 'sent' END, 0,
  CASE channel WHEN 'email' THEN CAST(:now AS timestamptz) END, trace, :now
FROM unnest(CAST(:id AS uuid[]), CAST(:event_id AS uuid[]), CAST(:order_id AS uuid[]),
  CAST(:store_id AS uuid[]), CAST(:customer_id AS uuid[]), CAST(:customer_key AS text[]),
  CAST(:channel AS text[]), CAST(:kind AS text[]), CAST(:language AS text[]),
  CAST(:address AS text[]), CAST(:subject AS text[]), CAST(:body AS text[]),
  CAST(:html AS text[]), CAST(:trace AS text[]))
  WITH ORDINALITY AS m(id, event_id, order_id, store_id, customer_id, customer_key, channel,
    kind, language, address, subject, body, html, trace, n)
ORDER BY n
ON CONFLICT DO NOTHING RETURNING id""")


async def add_messages(tx: AsyncConnection, made: Sequence[Message], now: datetime) -> set[UUID]:
    """Add what was not told yet; the ids of what was added. Account messages arrive at once."""
    if not made:
        return set()
    news = [one.news for one in made]
    values: dict[str, Any] = {
        "event_id": [one.event_id for one in news],
        "order_id": [one.order.id for one in news],
        "store_id": [one.order.store_id for one in news],
        "customer_id": [one.order.customer_id for one in news],
        "customer_key": [one.order.customer_key for one in news],
        "kind": [one.kind for one in news],
        "trace": [one.trace for one in news],
        "now": now,
    }
    for name in ("id", "channel", "language", "address", "subject", "body", "html"):
        values[name] = [getattr(one, name) for one in made]
    return set((await tx.execute(ADD_MESSAGES, values)).scalars())


FORGET = sa.text("""
WITH gone AS (
  UPDATE messages SET subject = '', body = '', html = NULL, address = NULL,
    state = CASE state WHEN 'queued' THEN 'failed' ELSE state END,
    reason = CASE state WHEN 'queued' THEN 'customer_erased' ELSE reason END
  FROM (SELECT id AS old_id, state AS old_state FROM messages
        WHERE customer_key = ANY(CAST(:keys AS text[])) ORDER BY id FOR UPDATE) AS old
  WHERE messages.id = old.old_id
  RETURNING messages.id, order_id, event_id, trace, old_state)
SELECT id, order_id, event_id, trace FROM gone WHERE old_state = 'queued'""")


async def forget_texts(tx: AsyncConnection, keys: Iterable[str]) -> Sequence[sa.Row[Any]]:
    """Forget texts and addresses of these customers; the e-mails that are now never sent.

    One that is being sent at this moment stays with its sender.
    """
    return (await tx.execute(FORGET, {"keys": list(keys)})).all()


# E-mails on their way.


@dataclass(frozen=True, slots=True)
class DueMail:
    """An e-mail whose turn it is. Without an address its customer was erased."""

    id: UUID
    order_id: UUID
    event_id: UUID
    language: str
    address: str | None
    subject: str
    body: str
    html: str | None
    attempts: int
    trace: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt; `again_at` is set when it is to be tried again."""

    mail: DueMail
    state: Literal["sent", "failed", "queued"]
    reason: str | None = None
    again_at: datetime | None = None
    tried: bool = True


IS_DUE = sa.text("""
SELECT EXISTS (SELECT FROM messages
  WHERE state IN ('queued', 'sending') AND next_attempt_at <= :now)""")
# Others skip what one has taken. If it dies, its mails are due again when the lease ends.
TAKE_DUE = sa.text("""
WITH due AS (
  SELECT id FROM messages
  WHERE state IN ('queued', 'sending') AND next_attempt_at <= :now
  ORDER BY next_attempt_at, position LIMIT :limit FOR UPDATE SKIP LOCKED),
taken AS (
  UPDATE messages SET state = 'sending', next_attempt_at = :lease_ends
  FROM due WHERE messages.id = due.id
  RETURNING messages.*)
SELECT id, order_id, event_id, language, address, subject, body, html, attempts, trace, at
FROM taken ORDER BY position""")
# What is sent needs no html any more: the text says what was told.
FINISH = sa.text("""
UPDATE messages SET state = o.state, reason = o.reason, next_attempt_at = o.again_at,
  attempts = attempts + CAST(o.tried AS integer),
  html = CASE o.state WHEN 'queued' THEN html END
FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:reasons AS text[]),
  CAST(:again_at AS timestamptz[]), CAST(:tried AS boolean[]))
  AS o(id, state, reason, again_at, tried)
WHERE messages.id = o.id AND messages.state = 'sending' RETURNING messages.id""")


async def is_due(tx: AsyncConnection, now: datetime) -> bool:
    """Whether any e-mail waits for its turn."""
    return bool((await tx.execute(IS_DUE, {"now": now})).scalar_one())


async def take_due(
    tx: AsyncConnection, now: datetime, lease: timedelta, limit: int
) -> list[DueMail]:
    """Take e-mails that are due, oldest first; they are the caller's until the lease ends."""
    values = {"now": now, "lease_ends": now + lease, "limit": limit}
    return [DueMail(**row._asdict()) for row in await tx.execute(TAKE_DUE, values)]


async def finish(tx: AsyncConnection, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Write down what became of the attempts; the ids that were not finished by another."""
    values = {
        "ids": [one.mail.id for one in outcomes],
        "states": [one.state for one in outcomes],
        "reasons": [one.reason for one in outcomes],
        "again_at": [one.again_at for one in outcomes],
        "tried": [one.tried for one in outcomes],
    }
    return set((await tx.execute(FINISH, values)).scalars())


# What staff and customers read.

SHOWN = (
    messages.c.position,
    messages.c.id,
    messages.c.event_id,
    messages.c.order_id,
    messages.c.channel,
    messages.c.kind,
    messages.c.language,
    messages.c.subject,
    messages.c.body,
    messages.c.state,
    messages.c.reason,
    messages.c.at,
    messages.c.read_at,
)


async def of_order(
    tx: AsyncConnection, order_id: UUID, after: int | None, limit: int
) -> list[sa.Row[Any]]:
    """The order's messages, oldest first."""
    query = sa.select(*SHOWN).where(messages.c.order_id == order_id)
    if after is not None:
        query = query.where(messages.c.position > after)
    return list(await tx.execute(query.order_by(messages.c.position).limit(limit)))


async def own(
    tx: AsyncConnection, customer_id: UUID, order_id: UUID | None, before: int | None, limit: int
) -> list[sa.Row[Any]]:
    """The customer's account messages, newest first."""
    query = sa.select(*SHOWN).where(_own(customer_id))
    if order_id is not None:
        query = query.where(messages.c.order_id == order_id)
    if before is not None:
        query = query.where(messages.c.position < before)
    return list(await tx.execute(query.order_by(messages.c.position.desc()).limit(limit)))


async def mark_read(
    tx: AsyncConnection, customer_id: UUID, id: UUID, now: datetime
) -> sa.Row[Any] | None:
    """Note the first time that the customer read it; None when it is not theirs."""
    changed = (
        sa.update(messages)
        .where(_own(customer_id), messages.c.id == id)
        .values(read_at=sa.func.coalesce(messages.c.read_at, now))
        .returning(*SHOWN)
    )
    return (await tx.execute(changed)).one_or_none()


def _own(customer_id: UUID) -> sa.ColumnElement[bool]:
    return sa.and_(messages.c.channel == "account", messages.c.customer_id == customer_id)
