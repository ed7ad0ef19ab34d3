"""The ledger: what is appended is never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.accounts.domain import Transfer
from billing.changes import Change


@dataclass(frozen=True, slots=True)
class PostedTransfer:
    """A transfer with the fact that tells of it."""

    transfer: Transfer
    currency: str
    event_id: UUID
    at: datetime


POST_TRANSFERS = """
INSERT INTO transfer(idempotency_key, debit_account, credit_account, amount, currency, kind,
  reverses, event_id, created_at)
SELECT t.key, t.debit, t.credit, t.amount, t.currency, t.kind,
  CASE WHEN t.reverses IS NOT NULL THEN (
    SELECT id FROM transfer
    WHERE idempotency_key IN (t.reverses || '\\:deposit', t.reverses || '\\:due')
    ORDER BY idempotency_key LIMIT 1) END,
  t.event_id, t.at
FROM unnest(CAST(:transfer_keys AS text[]), CAST(:transfer_debits AS text[]),
  CAST(:transfer_credits AS text[]), CAST(:transfer_amounts AS numeric[]),
  CAST(:transfer_currencies AS text[]), CAST(:transfer_kinds AS text[]),
  CAST(:transfer_reverses AS text[]), CAST(:transfer_event_ids AS uuid[]),
  CAST(:transfer_at AS timestamptz[]))
  WITH ORDINALITY AS t(key, debit, credit, amount, currency, kind, reverses, event_id, at, n)
ORDER BY n"""


def post_transfers(posted: Sequence[PostedTransfer]) -> Change:
    """Append to the ledger; the unique keys refuse what is there already."""
    transfers = [one.transfer for one in posted]
    values = {
        "transfer_keys": [one.key for one in transfers],
        "transfer_debits": [one.debit for one in transfers],
        "transfer_credits": [one.credit for one in transfers],
        "transfer_amounts": [one.amount for one in transfers],
        "transfer_currencies": [one.currency for one in posted],
        "transfer_kinds": [one.kind for one in transfers],
        "transfer_reverses": [one.reverses for one in transfers],
        "transfer_event_ids": [one.event_id for one in posted],
        "transfer_at": [one.at for one in posted],
    }
    return Change(POST_TRANSFERS, values)
