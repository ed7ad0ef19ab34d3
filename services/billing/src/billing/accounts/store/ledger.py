"""The ledger: what is appended is never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts.domain import Transfer


@dataclass(frozen=True, slots=True)
class PostedTransfer:
    """A transfer with the fact that tells of it."""

    transfer: Transfer
    currency: str
    event_id: UUID
    at: datetime


POST_TRANSFERS = sa.text("""
INSERT INTO transfer(idempotency_key, debit_account, credit_account, amount, currency, kind,
  reverses, event_id, created_at)
SELECT t.key, t.debit, t.credit, t.amount, t.currency, t.kind,
  CASE WHEN t.reverses IS NOT NULL THEN (
    SELECT id FROM transfer
    WHERE idempotency_key IN (t.reverses || '\\:deposit', t.reverses || '\\:due')
    ORDER BY idempotency_key LIMIT 1) END,
  t.event_id, t.at
FROM unnest(CAST(:keys AS text[]), CAST(:debits AS text[]), CAST(:credits AS text[]),
  CAST(:amounts AS numeric[]), CAST(:currencies AS text[]), CAST(:kinds AS text[]),
  CAST(:reverses AS text[]), CAST(:event_ids AS uuid[]), CAST(:at AS timestamptz[]))
  WITH ORDINALITY AS t(key, debit, credit, amount, currency, kind, reverses, event_id, at, n)
ORDER BY n""")


async def post_transfers(tx: AsyncConnection, posted: Sequence[PostedTransfer]) -> None:
    """Append to the ledger; the unique keys refuse what is there already."""
    if not posted:
        return
    transfers = [one.transfer for one in posted]
    values = {
        "keys": [one.key for one in transfers],
        "debits": [one.debit for one in transfers],
        "credits": [one.credit for one in transfers],
        "amounts": [one.amount for one in transfers],
        "currencies": [one.currency for one in posted],
        "kinds": [one.kind for one in transfers],
        "reverses": [one.reverses for one in transfers],
        "event_ids": [one.event_id for one in posted],
        "at": [one.at for one in posted],
    }
    await tx.execute(POST_TRANSFERS, values)
