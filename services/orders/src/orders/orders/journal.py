"""The journal: pages of orders by any filter, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.customers.store import FOUND as CUSTOMER_FOUND
from orders.customers.store import customers, search_values
from orders.orders.store import orders
from orders.words import beginnings

UNDECIDED_MAX = timedelta(minutes=5)
APPROVAL_MAX = timedelta(hours=24)
CARDS_MAX = 500  # A word that more customers have does not find orders by their cards.
FOUND_MAX = 5_000  # The newest ones of those that a word finds.
OF_CARD_MIN = 100  # The newest ones of a card, when a word finds many cards.
# Each way by its own index; OFFSET 0 keeps the planner from walking the journal instead. In the
# journal's order, so that no more than a page of what was found is read.
FOUND = sa.text(f"""
SELECT id, placed_at FROM (
  SELECT id, placed_at FROM orders WHERE number = CAST(:number AS text)
  UNION SELECT id, placed_at FROM orders WHERE id = CAST(:id AS uuid)
  UNION (SELECT id, placed_at FROM (SELECT id, placed_at FROM orders
           WHERE words @@ CAST(CAST(:words AS text) AS tsquery) OFFSET 0) AS typed
         ORDER BY placed_at DESC LIMIT {FOUND_MAX})
  UNION (SELECT newest.id, newest.placed_at FROM unnest(CAST(:cards AS uuid[])) AS card(id)
         CROSS JOIN LATERAL (SELECT id, placed_at FROM orders WHERE customer_id = card.id
           ORDER BY placed_at DESC, id DESC LIMIT CAST(:of_card AS int)) AS newest
         ORDER BY newest.placed_at DESC LIMIT {FOUND_MAX})
) AS either ORDER BY placed_at DESC, id DESC""")
GOODS_OPEN = sa.text("orders.status NOT IN ('shipped', 'closed', 'cancelled')")


@dataclass(frozen=True, slots=True)
class Filters:
    """What the journal is asked for; None leaves a filter out. `store_ids`: the caller's scope."""

    status: str | None = None
    financial_status: str | None = None
    store_id: UUID | None = None
    store_ids: frozenset[UUID] | None = None
    channel: str | None = None
    customer_id: UUID | None = None
    placed_from: datetime | None = None
    placed_to: datetime | None = None
    q: str | None = None
    shipped_unpaid: bool | None = None
    paid_unshipped: bool | None = None
    late: bool | None = None
    waiting: bool | None = None
    marked: bool = False


async def find_orders(
    tx: AsyncConnection,
    filters: Filters,
    after: tuple[datetime, UUID] | None,
    limit: int,
    now: datetime,
) -> Sequence[UUID]:
    """The ids of a page of orders, newest first, after a place in that order."""
    values: dict[str, Any] = {}
    listed: Any = orders
    if filters.q is not None:
        listed = FOUND.columns(orders.c.id, orders.c.placed_at).subquery("found")
        values = await _words(tx, filters.q)
    place = (listed.c.placed_at, listed.c.id)
    question = sa.select(listed.c.id).order_by(*(column.desc() for column in place)).limit(limit)
    if listed is not orders:
        question = question.join(orders, orders.c.id == listed.c.id)
    question = question.where(*_conditions(filters, now))
    if after is not None:
        question = question.where(sa.tuple_(*place) < sa.tuple_(*map(sa.literal, after)))
    return list((await tx.execute(question, values)).scalars())


def _conditions(f: Filters, now: datetime) -> list[Any]:
    o = orders.c
    equal = (
        (o.status, f.status),
        (o.financial_status, f.financial_status),
        (o.store_id, f.store_id),
        (o.channel, f.channel),
        (o.customer_id, f.customer_id),
    )
    conditions: list[Any] = [column == value for column, value in equal if value is not None]
    # `IS TRUE` would not meet the partial indexes' plain predicates.
    flags = ((o.shipped_unpaid, f.shipped_unpaid), (o.paid_unshipped, f.paid_unshipped))
    conditions += [c if wanted else sa.not_(c) for c, wanted in flags if wanted is not None]
    conditions.append(o.marked if f.marked else sa.not_(o.marked))
    if f.store_ids is not None:
        conditions.append(o.store_id.in_(f.store_ids))
    if f.placed_from is not None:
        conditions.append(o.placed_at >= f.placed_from)
    if f.placed_to is not None:
        conditions.append(o.placed_at < f.placed_to)
    if f.late is not None:
        late = sa.and_(o.until < now, GOODS_OPEN)
        conditions.append(late if f.late else sa.not_(late))
    if f.waiting is not None:
        waiting = sa.or_(
            sa.and_(o.undecided_since.is_not(None), o.undecided_since < now - UNDECIDED_MAX),
            sa.and_(o.status == "pending_approval", o.placed_at < now - APPROVAL_MAX),
        )
        conditions.append(waiting if f.waiting else sa.not_(sa.func.coalesce(waiting, False)))
    return conditions


async def _words(tx: AsyncConnection, q: str) -> dict[str, Any]:
    """What `FOUND` looks for: a number or an id, a typed name, or the customers' cards."""
    values: dict[str, Any] = {"number": q.strip(), "id": _id(q), "words": beginnings(q)}
    looked_for = search_values(q)
    values["cards"] = []
    if looked_for is not None and values["id"] is None:
        cards = sa.select(customers.c.id).where(sa.text(CUSTOMER_FOUND)).limit(CARDS_MAX)
        values["cards"] = list((await tx.execute(cards, looked_for)).scalars())
    values["of_card"] = max(OF_CARD_MIN, FOUND_MAX // max(1, len(values["cards"])))
    return values


def _id(q: str) -> UUID | None:
    try:
        return UUID(q.strip())
    except ValueError:
        return None


def waits_for(order: Any, now: datetime) -> tuple[str | None, datetime | None]:
    """Whom the order waits for beyond its deadline, and since when."""
    if order.undecided_since is not None and order.undecided_since < now - UNDECIDED_MAX:
        return "holds", order.undecided_since
    if order.status == "pending_approval" and order.placed_at < now - APPROVAL_MAX:
        return "approval", order.placed_at
    return None, None


async def card_names(tx: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """The names on these cards; an erased card has none."""
    c = customers.c
    question = sa.select(c.id, c.name).where(c.id.in_(ids), sa.not_(c.erased))
    return {row.id: row.name for row in await tx.execute(question)} if ids else {}
