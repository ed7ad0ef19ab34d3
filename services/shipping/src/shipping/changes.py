"""What becomes of shipments and orders' lines, written in one statement with keys and facts."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from chassis import outbox
from chassis.http import repeats
from chassis.http.repeats import Repeats
from chassis.outbox import Said
from sqlalchemy.ext.asyncio import AsyncConnection

from shipping.domain import Order, OrderLine, Shipment

ADD = """
INSERT INTO shipments(id, order_id, store_id, kind, state, currency, override, shortages,
  created_by, created_at, posted_by, posting_at, version)
SELECT id, order_id, store_id, kind, state, currency, override, '[]', created_by, created_at,
  posted_by, posting_at, version
FROM unnest(CAST(:made_ids AS uuid[]), CAST(:made_orders AS uuid[]), CAST(:made_stores AS uuid[]),
  CAST(:made_kinds AS text[]), CAST(:made_states AS text[]), CAST(:made_currencies AS text[]),
  CAST(:made_overrides AS boolean[]), CAST(:made_by AS text[]), CAST(:made_at AS timestamptz[]),
  CAST(:made_posted_by AS text[]), CAST(:made_posting_at AS timestamptz[]),
  CAST(:made_versions AS bigint[]))
  AS n(id, order_id, store_id, kind, state, currency, override, created_by, created_at,
       posted_by, posting_at, version)
ORDER BY id"""
ADD_PARTS = """
INSERT INTO shipment_lines(shipment_id, position, line_id, sku, quantity)
SELECT * FROM unnest(CAST(:part_shipments AS uuid[]), CAST(:part_positions AS int[]),
  CAST(:part_lines AS uuid[]), CAST(:part_skus AS text[]), CAST(:part_quantities AS numeric[]))"""
SAVE = """
UPDATE shipments s SET state = n.state, override = n.override, value = n.value,
  left_before = n.left_before, handed_over_before = n.handed_over_before, reason = n.reason,
  shortages = CAST(n.shortages AS jsonb), posted_by = n.posted_by, posting_at = n.posting_at,
  decided_at = n.decided_at, version = n.version
FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:overrides AS boolean[]),
  CAST(:values AS numeric[]), CAST(:left_before AS numeric[]),
  CAST(:handed_over_before AS numeric[]), CAST(:reasons AS text[]), CAST(:shortages AS text[]),
  CAST(:posted_by AS text[]), CAST(:posting_at AS timestamptz[]),
  CAST(:decided_at AS timestamptz[]), CAST(:versions AS bigint[]))
  AS n(id, state, override, value, left_before, handed_over_before, reason, shortages, posted_by,
       posting_at, decided_at, version)
WHERE s.id = n.id"""
SAVE_WORTH = """
UPDATE shipment_lines l SET amount = n.amount
FROM unnest(CAST(:worth_shipments AS uuid[]), CAST(:worth_lines AS uuid[]),
  CAST(:worth_amounts AS numeric[])) AS n(shipment_id, line_id, amount)
WHERE l.shipment_id = n.shipment_id AND l.line_id = n.line_id"""
SAVE_LINES = """
UPDATE order_lines l SET posting = n.posting, posted = n.posted, posted_amount = n.posted_amount
FROM unnest(CAST(:line_orders AS uuid[]), CAST(:line_ids AS uuid[]),
  CAST(:line_posting AS numeric[]), CAST(:line_posted AS numeric[]),
  CAST(:line_amounts AS numeric[]))
  AS n(order_id, line_id, posting, posted, posted_amount)
WHERE l.order_id = n.order_id AND l.line_id = n.line_id"""
SAY = outbox.INSERT.text

KEEP_DRAFTS = sa.text(f"WITH made AS ({ADD}), parts AS ({ADD_PARTS}) {repeats.KEEP}")
KEEP_POSTS = sa.text(f"""
WITH saved AS ({SAVE}), lines AS ({SAVE_LINES}), said AS ({SAY}) {repeats.KEEP}""")
KEEP_POSTED_DRAFTS = sa.text(f"""
WITH made AS ({ADD}), parts AS ({ADD_PARTS}), saved AS ({SAVE}), lines AS ({SAVE_LINES}),
said AS ({SAY}) {repeats.KEEP}""")
KEEP_DECIDED = sa.text(f"""
WITH saved AS ({SAVE}), worth AS ({SAVE_WORTH}), lines AS ({SAVE_LINES}) {SAY}""")


def touched(
    orders: Mapping[UUID, Order], shipments: Sequence[Shipment]
) -> list[tuple[UUID, OrderLine]]:
    """Each line that these shipments did something to, with its order's id."""
    named = sorted({(one.order_id, part.line_id) for one in shipments for part in one.lines})
    return [(order_id, orders[order_id].lines[line_id]) for order_id, line_id in named]


async def keep_drafts(tx: AsyncConnection, made: Sequence[Shipment], done: Repeats) -> None:
    """Keep new drafts, and under which keys they were asked for."""
    if done:
        await tx.execute(KEEP_DRAFTS, {**_made(made), **done.columns()})


async def keep_postings(
    tx: AsyncConnection,
    made: Sequence[Shipment],
    changed: Sequence[Shipment],
    lines: Sequence[tuple[UUID, OrderLine]],
    said: Sequence[Said],
    done: Repeats,
) -> None:
    """Keep shipments that ask for their goods, new ones or drafts until now, and say so."""
    values = {**_changed(changed), **_lines(lines), **outbox.columns(said), **done.columns()}
    if made:
        await tx.execute(KEEP_POSTED_DRAFTS, {**_made(made), **values})
    else:
        await tx.execute(KEEP_POSTS, values)


async def keep_decided(
    tx: AsyncConnection,
    changed: Sequence[Shipment],
    lines: Sequence[tuple[UUID, OrderLine]],
    said: Sequence[Said],
) -> None:
    """Keep how shipments ended and what their lines are worth, and say so."""
    parts = [(one.id, part) for one in changed for part in one.lines if part.amount is not None]
    worth = {
        "worth_shipments": [id for id, _ in parts],
        "worth_lines": [part.line_id for _, part in parts],
        "worth_amounts": [part.amount for _, part in parts],
    }
    values = {**_changed(changed), **worth, **_lines(lines), **outbox.columns(said)}
    await tx.execute(KEEP_DECIDED, values)


def _made(made: Sequence[Shipment]) -> dict[str, Any]:
    parts = [(one.id, n, part) for one in made for n, part in enumerate(one.lines)]
    return {
        "made_ids": [one.id for one in made],
        "made_orders": [one.order_id for one in made],
        "made_stores": [one.store_id for one in made],
        "made_kinds": [one.kind for one in made],
        "made_states": [one.state for one in made],
        "made_currencies": [one.currency for one in made],
        "made_overrides": [one.override for one in made],
        "made_by": [one.created_by for one in made],
        "made_at": [one.created_at for one in made],
        "made_posted_by": [one.posted_by for one in made],
        "made_posting_at": [one.posting_at for one in made],
        "made_versions": [one.version for one in made],
        "part_shipments": [id for id, _, _ in parts],
        "part_positions": [n for _, n, _ in parts],
        "part_lines": [part.line_id for _, _, part in parts],
        "part_skus": [part.sku for _, _, part in parts],
        "part_quantities": [part.quantity for _, _, part in parts],
    }


def _changed(changed: Sequence[Shipment]) -> dict[str, Any]:
    return {
        "ids": [one.id for one in changed],
        "states": [one.state for one in changed],
        "overrides": [one.override for one in changed],
        "values": [one.value for one in changed],
        "left_before": [one.left_before for one in changed],
        "handed_over_before": [one.handed_over_before for one in changed],
        "reasons": [one.reason for one in changed],
        "shortages": [_kept_shortages(one) for one in changed],
        "posted_by": [one.posted_by for one in changed],
        "posting_at": [one.posting_at for one in changed],
        "decided_at": [one.decided_at for one in changed],
        "versions": [one.version for one in changed],
    }


def _lines(lines: Sequence[tuple[UUID, OrderLine]]) -> dict[str, Any]:
    return {
        "line_orders": [order_id for order_id, _ in lines],
        "line_ids": [line.line_id for _, line in lines],
        "line_posting": [line.posting for _, line in lines],
        "line_posted": [line.posted for _, line in lines],
        "line_amounts": [line.posted_amount for _, line in lines],
    }


def _kept_shortages(shipment: Shipment) -> str:
    return json.dumps(
        [
            {
                "line_id": str(one.line_id),
                "sku": one.sku,
                "wanted": str(one.wanted),
                "available": str(one.available),
            }
            for one in shipment.shortages
        ]
    )


SETTLE = sa.text("""
UPDATE shipments s SET consumed = n.consumed, due_now = n.due_now
FROM unnest(CAST(:ids AS uuid[]), CAST(:consumed AS numeric[]), CAST(:due_now AS numeric[]))
  AS n(id, consumed, due_now)
WHERE s.id = n.id RETURNING s.id""")


async def settle_shipments(
    tx: AsyncConnection, settled: Sequence[tuple[UUID, Decimal, Decimal]]
) -> set[UUID]:
    """Keep (shipment, deposit consumed, due now); the shipments that exist."""
    values = {
        "ids": [id for id, _, _ in settled],
        "consumed": [consumed for _, consumed, _ in settled],
        "due_now": [due_now for _, _, due_now in settled],
    }
    return set((await tx.execute(SETTLE, values)).scalars())
