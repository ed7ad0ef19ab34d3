"""Tables of orders, and the questions and changes to them, all for many orders at once."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from chassis import outbox
from chassis.outbox import Said
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.metadata import metadata
from orders.orders.domain import Happening, Line, Order, Term
from orders.rows import Rows
from orders.words import lexemes


def _column(name: str, type: Any, **more: Any) -> "sa.Column[Any]":
    return sa.Column(name, type, **{"nullable": False, **more})


def _later(name: str, type: Any, first: str) -> "sa.Column[Any]":
    """A column that is the same for every new order: the table knows it, no row carries it."""
    return _column(name, type, server_default=sa.text(first))


TIME = sa.DateTime(timezone=True)
ORDER_NUMBERS = sa.Sequence("order_numbers", start=1001, metadata=metadata)
orders = sa.Table(
    "orders",
    metadata,
    _column("id", sa.Uuid, primary_key=True),
    _column("number", sa.Text),
    _column("store_id", sa.Uuid),
    _column("channel", sa.Text),
    _column("customer_id", sa.Uuid, nullable=True),
    _column("customer_name", sa.Text, nullable=True),
    _column("currency", sa.Text),
    _column("placed_at", TIME),
    _column("placed_by", sa.Text),
    _column("method", sa.Text),
    _column("warehouse_id", sa.Uuid),
    _column("until", TIME),
    _column("first_status", sa.Text),
    _column("prepayment_percent", sa.Numeric),
    _column("prepayment_typed", sa.Numeric, nullable=True),
    _column("notify", sa.Boolean),
    _column("terms", JSONB),
    _column("request", sa.LargeBinary, nullable=True),
    _column("agreed", sa.Boolean),
    _later("cancelled", sa.Boolean, "false"),
    _later("closed", sa.Boolean, "false"),
    _later("marked", sa.Boolean, "false"),
    _column("revision", sa.Integer),
    _column("asked_revision", sa.Integer),
    _later("decided_revision", sa.Integer, "0"),
    _later("released", sa.Boolean, "false"),
    _column("holding", sa.Boolean),
    _column("hold_asked_at", TIME, nullable=True),
    _column("undecided_since", TIME, nullable=True),
    _later("paid", sa.Numeric, "0"),
    _later("refunded", sa.Numeric, "0"),
    _later("version", sa.BigInteger, "1"),
    _later("edition", sa.BigInteger, "1"),
    _column("status", sa.Text),
    _column("financial_status", sa.Text),
    _column("total", sa.Numeric),
    _later("shipped_amount", sa.Numeric, "0"),
    _later("shipped_unpaid", sa.Boolean, "false"),
    _later("paid_unshipped", sa.Boolean, "false"),
    _column("words", TSVECTOR),
    sa.Index("orders_number", "number", unique=True),
    sa.Index("orders_placed", "placed_at", "id"),
    sa.Index("orders_status", "status", "placed_at", "id"),
    sa.Index("orders_financial_status", "financial_status", "placed_at", "id"),
    sa.Index("orders_store", "store_id", "placed_at", "id"),
    sa.Index("orders_channel", "channel", "placed_at", "id"),
    sa.Index("orders_customer", "customer_id", "placed_at", "id"),
    sa.Index("orders_words", "words", postgresql_using="gin"),
    sa.Index(
        "orders_shipped_unpaid", "placed_at", "id", postgresql_where=sa.text("shipped_unpaid")
    ),
    sa.Index(
        "orders_paid_unshipped", "placed_at", "id", postgresql_where=sa.text("paid_unshipped")
    ),
    sa.Index("orders_marked", "placed_at", "id", postgresql_where=sa.text("marked")),
    sa.Index(
        "orders_open_until",
        "until",
        postgresql_where=sa.text("status NOT IN ('shipped', 'closed', 'cancelled')"),
    ),
    sa.Index(
        "orders_undecided",
        "undecided_since",
        postgresql_where=sa.text("undecided_since IS NOT NULL"),
    ),
)
order_lines = sa.Table(
    "order_lines",
    metadata,
    _column("order_id", sa.Uuid, primary_key=True),
    _column("id", sa.Uuid, primary_key=True),
    _column("position", sa.Integer),
    _column("sku", sa.Text),
    _column("description", sa.Text),
    _column("unit", sa.Text),
    _column("special", sa.Boolean),
    _column("tax_rate", sa.Numeric),
    _column("quantity", sa.Numeric),
    _column("unit_price", sa.Numeric),
    _column("amount", sa.Numeric),
    _later("held", sa.Numeric, "0"),
    _later("taken", sa.Numeric, "0"),
    _later("shipped", sa.Numeric, "0"),
    _later("shipped_amount", sa.Numeric, "0"),
)
order_history = sa.Table(
    "order_history",
    metadata,
    _column("order_id", sa.Uuid, primary_key=True),
    _column("version", sa.BigInteger, primary_key=True),
    _column("at", TIME),
    _column("by", sa.Text),
    _column("what", sa.Text),
    _column("detail", sa.Text),
    _column("status", sa.Text),
    _column("financial_status", sa.Text),
)
# Shipments that are being posted; a row leaves with the shipment's outcome.
order_postings = sa.Table(
    "order_postings",
    metadata,
    _column("order_id", sa.Uuid, primary_key=True),
    _column("shipment_id", sa.Uuid, primary_key=True),
)
# Shipments that were handed over: a restored shipping says them again, and each counts once.
order_hand_overs = sa.Table(
    "order_hand_overs",
    metadata,
    _column("order_id", sa.Uuid, primary_key=True),
    _column("shipment_id", sa.Uuid, primary_key=True),
)
MUTABLE = [
    *("until", "agreed", "cancelled", "closed", "marked"),
    *("revision", "asked_revision", "decided_revision", "released", "holding"),
    *("hold_asked_at", "undecided_since", "paid", "refunded", "version", "edition"),
    *("status", "financial_status", "total", "shipped_amount"),
    *("shipped_unpaid", "paid_unshipped"),
]
MUTABLE_LINE = [
    *("quantity", "unit_price", "amount"),
    *("held", "taken", "shipped", "shipped_amount"),
]
# In the order in which a row becomes the object, which has its lines after its terms.
ORDER_FIELDS = [f.name for f in fields(Order) if f.name not in ("lines", "posting", "handed_over")]
TERMS_AT = ORDER_FIELDS.index("terms")
LINE_FIELDS = [f.name for f in fields(Line)]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of an order's history."""

    order_id: UUID
    version: int
    at: datetime
    by: str
    what: str
    detail: str
    status: str
    financial_status: str


ORDERS_IN = Rows("orders", (c for c in orders.c if c.server_default is None))
LINES_IN = Rows("lines", (c for c in order_lines.c if c.server_default is None))
HISTORY_IN = Rows("history", order_history.c)
ORDERS_NEW = Rows("orders", [orders.c.id, *(orders.c[name] for name in MUTABLE)])
LINES_NEW = Rows(
    "lines",
    [order_lines.c.order_id, order_lines.c.id, *(order_lines.c[name] for name in MUTABLE_LINE)],
)
SAVE = sa.text(f"""
WITH o AS (
  UPDATE orders AS o SET {ORDERS_NEW.assignments(["id"])}
  FROM {ORDERS_NEW.source} WHERE o.id = u.id),
l AS (
  UPDATE order_lines AS l SET {LINES_NEW.assignments(["order_id", "id"])}
  FROM {LINES_NEW.source} WHERE l.order_id = u.order_id AND l.id = u.id),
h AS (
  INSERT INTO order_history({HISTORY_IN.names})
  SELECT {HISTORY_IN.values} FROM {HISTORY_IN.source} ORDER BY order_id, version)
INSERT INTO outbox({outbox.INSERT_COLUMNS})
SELECT event_id, topic, key, version, type, payload, CAST(headers AS jsonb)
FROM {outbox.ROWS} ORDER BY n""")
LOAD = f"""
SELECT {", ".join(f"o.{name}" for name in ORDER_FIELDS)}
FROM orders AS o WHERE o.id = ANY(CAST(:ids AS uuid[])) ORDER BY o.id"""
READ, LOCK = sa.text(LOAD), sa.text(f"{LOAD} FOR UPDATE OF o")
LOAD_LINES = sa.text(f"""
SELECT order_id, {", ".join(LINE_FIELDS)} FROM order_lines
WHERE order_id = ANY(CAST(:ids AS uuid[])) ORDER BY order_id, position""")
LOAD_SHIPMENTS = sa.text("""
SELECT order_id, shipment_id, false AS handed_over
FROM order_postings WHERE order_id = ANY(CAST(:ids AS uuid[]))
UNION ALL
SELECT order_id, shipment_id, true
FROM order_hand_overs WHERE order_id = ANY(CAST(:ids AS uuid[]))""")
SAVE_SHIPMENTS = sa.text("""
WITH p AS (
  INSERT INTO order_postings(order_id, shipment_id)
  SELECT * FROM unnest(CAST(:begun_orders AS uuid[]), CAST(:begun_shipments AS uuid[]))
  ON CONFLICT DO NOTHING),
e AS (
  DELETE FROM order_postings AS p
  USING unnest(CAST(:ended_orders AS uuid[]), CAST(:ended_shipments AS uuid[])) AS u(o, s)
  WHERE p.order_id = u.o AND p.shipment_id = u.s)
INSERT INTO order_hand_overs(order_id, shipment_id)
SELECT * FROM unnest(CAST(:done_orders AS uuid[]), CAST(:done_shipments AS uuid[]))
ON CONFLICT DO NOTHING""")


async def load(tx: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Order]:
    """The orders of these ids with their lines, to be looked at."""
    return await _with_lines(tx, (await tx.execute(READ, {"ids": list(ids)})).all())


async def lock(
    tx: AsyncConnection, ids: Collection[UUID], shipments: bool = True
) -> dict[UUID, Order]:
    """The orders of these ids, in order of the ids; the caller may save them.

    Without `shipments` the order does not know which are being posted, or were handed over.
    """
    found = await _with_lines(tx, (await tx.execute(LOCK, {"ids": list(ids)})).all())
    if found and shipments:
        # After the lock, in a statement of its own: so it sees what the lock waited for.
        for row in await tx.execute(LOAD_SHIPMENTS, {"ids": list(found)}):
            order = found[row.order_id]
            (order.handed_over if row.handed_over else order.posting).add(row.shipment_id)
    return found


async def _with_lines(tx: AsyncConnection, rows: Sequence[Any]) -> dict[UUID, Order]:
    found = {row[0]: _order(row) for row in rows}
    if found:
        for row in await tx.execute(LOAD_LINES, {"ids": list(found)}):
            found[row[0]].lines.append(Line(*row[1:]))
    return found


async def save(
    tx: AsyncConnection,
    changed: Sequence[Order],
    lines: Sequence[tuple[Order, Line]],
    history: Sequence[Entry],
    said: Sequence[Said],
) -> None:
    """Keep orders that the caller locked, those of their lines that may differ, what happened to
    them, and what is said of it: one statement for all of it."""
    if changed or said:
        await tx.execute(
            SAVE,
            {
                **ORDERS_NEW.binds(changed),
                **line_binds(LINES_NEW, lines),
                **HISTORY_IN.binds(history),
                **outbox.columns(said),
            },
        )


async def forget_customer_name(tx: AsyncConnection, id: UUID) -> None:
    """Leave neither the typed name nor its words for the search."""
    await tx.execute(
        sa.text("""
        UPDATE orders SET customer_name = NULL, words = '', edition = edition + 1
        WHERE id = :id"""),
        {"id": id},
    )


async def save_shipments(
    tx: AsyncConnection, orders: Mapping[UUID, Order], news: Collection[tuple[UUID, UUID]]
) -> None:
    """Note how the shipments (order, shipment) that were heard of stand with their orders."""
    if not news:
        return
    begun = [pair for pair in news if pair[1] in orders[pair[0]].posting]
    ended = [pair for pair in news if pair[1] not in orders[pair[0]].posting]
    done = [pair for pair in news if pair[1] in orders[pair[0]].handed_over]
    values: dict[str, list[UUID]] = {}
    for name, pairs in (("begun", begun), ("ended", ended), ("done", done)):
        values[f"{name}_orders"] = [order for order, _ in pairs]
        values[f"{name}_shipments"] = [shipment for _, shipment in pairs]
    await tx.execute(SAVE_SHIPMENTS, values)


async def histories(tx: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, list[Any]]:
    """What happened to the orders, oldest first."""
    h = order_history.c
    question = sa.select(order_history).where(h.order_id.in_(ids)).order_by(h.order_id, h.version)
    found: dict[UUID, list[Any]] = {id: [] for id in ids}
    for row in await tx.execute(question):
        found[row.order_id].append(row)
    return found


async def overdue(
    tx: AsyncConnection, now: datetime, first: timedelta, longest: timedelta, limit: int
) -> dict[UUID, Order]:
    """Locked orders whose hold command is to be given again: nobody answered it yet.

    After the first pause, and then whenever the order waited twice as long as when it was asked
    last, or for the longest pause.
    """
    rows = await tx.execute(
        sa.text("""
        SELECT id FROM orders
        WHERE undecided_since IS NOT NULL
          AND hold_asked_at <= CAST(:now AS timestamptz) - greatest(CAST(:first AS interval),
            least(hold_asked_at - undecided_since, CAST(:longest AS interval)))
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED"""),
        {"now": now, "first": first, "longest": longest, "limit": limit},
    )
    return await load(tx, list(rows.scalars()))


async def asked_again(tx: AsyncConnection, ids: Collection[UUID], now: datetime) -> None:
    """Note that the hold command was given again."""
    await tx.execute(sa.update(orders).where(orders.c.id.in_(ids)).values(hold_asked_at=now))


UNDECIDED = sa.text("""
SELECT id FROM orders WHERE id = ANY(CAST(:ids AS uuid[])) AND decided_revision < revision""")


async def undecided(tx: AsyncConnection, ids: Collection[UUID]) -> set[UUID]:
    """Those of the orders whose newest command inventory did not answer yet."""
    return set((await tx.execute(UNDECIDED, {"ids": list(ids)})).scalars())


def new_order_binds(new: Sequence[Order]) -> dict[str, list[Any]]:
    """New orders as rows of their table."""
    return ORDERS_IN.binds(
        new,
        terms=[_terms_in(order.terms) for order in new],
        words=[lexemes(order.customer_name) for order in new],
    )


def line_binds(rows: Rows, lines: Sequence[tuple[Order, Line]]) -> dict[str, list[Any]]:
    """The lines as rows of their table."""
    return rows.binds([line for _, line in lines], order_id=[order.id for order, _ in lines])


def entry_of(order: Order, happening: Happening) -> Entry:
    """The happening as a row of the history, with the statuses right after it."""
    return Entry(
        order.id,
        order.version,
        happening.at,
        happening.by,
        happening.what.value,
        happening.detail,
        order.status,
        order.financial_status,
    )


def _terms_in(terms: Sequence[Term]) -> str:
    return json.dumps(
        [
            {"id": str(t.id), "due_on": t.due_on.isoformat(), "amount": f"{t.amount:f}"}
            for t in terms
        ]
    )


def _order(row: Sequence[Any]) -> Order:
    terms = [
        Term(UUID(t["id"]), date.fromisoformat(t["due_on"]), Decimal(t["amount"]))
        for t in row[TERMS_AT]
    ]
    return Order(*[*row[:TERMS_AT], terms, [], *row[TERMS_AT + 1 :]])
