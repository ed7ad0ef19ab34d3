"""Tables of orders, and the questions and changes to them, all for many orders at once."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.metadata import metadata
from orders.orders.domain import Happening, Line, Order, Term
from orders.rows import Rows
from orders.words import lexemes


def _column(name: str, type: Any, **more: Any) -> "sa.Column[Any]":
    return sa.Column(name, type, **{"nullable": False, **more})


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
    _column("cancelled", sa.Boolean),
    _column("closed", sa.Boolean),
    _column("marked", sa.Boolean),
    _column("revision", sa.Integer),
    _column("asked_revision", sa.Integer),
    _column("decided_revision", sa.Integer),
    _column("released", sa.Boolean),
    _column("holding", sa.Boolean),
    _column("hold_asked_at", TIME, nullable=True),
    _column("undecided_since", TIME, nullable=True),
    _column("paid", sa.Numeric),
    _column("refunded", sa.Numeric),
    _column("version", sa.BigInteger),
    _column("edition", sa.BigInteger),
    _column("status", sa.Text),
    _column("financial_status", sa.Text),
    _column("total", sa.Numeric),
    _column("shipped_amount", sa.Numeric),
    _column("shipped_unpaid", sa.Boolean),
    _column("paid_unshipped", sa.Boolean),
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
    _column("held", sa.Numeric),
    _column("taken", sa.Numeric),
    _column("shipped", sa.Numeric),
    _column("shipped_amount", sa.Numeric),
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
ORDER_FIELDS = [f.name for f in fields(Order) if f.name not in ("lines", "posting", "terms")]
LINE_FIELDS = [f.name for f in fields(Line)]

Entry = Mapping[str, Any]  # A row of the history.

ORDERS_IN = Rows("orders", orders.c)
LINES_IN = Rows("lines", order_lines.c)
HISTORY_IN = Rows("history", order_history.c)
ORDERS_NEW = Rows("orders", [orders.c.id, *(orders.c[name] for name in MUTABLE)])
LINES_NEW = Rows(
    "lines",
    [order_lines.c.order_id, order_lines.c.id, *(order_lines.c[name] for name in MUTABLE_LINE)],
)
SAVE_ORDERS = sa.text(f"""
UPDATE orders AS o SET {ORDERS_NEW.assignments(["id"])}
FROM {ORDERS_NEW.source} WHERE o.id = u.id""")
SAVE_LINES = sa.text(f"""
UPDATE order_lines AS l SET {LINES_NEW.assignments(["order_id", "id"])}
FROM {LINES_NEW.source} WHERE l.order_id = u.order_id AND l.id = u.id""")
SAVE_HISTORY = sa.text(f"""
INSERT INTO order_history({HISTORY_IN.names}) SELECT {HISTORY_IN.values} FROM {HISTORY_IN.source}
ORDER BY order_id, version""")
ORDER_COLUMNS = ", ".join(f"o.{name}" for name in [*ORDER_FIELDS, "terms"])
LOAD = f"""
SELECT {ORDER_COLUMNS} FROM orders AS o WHERE o.id = ANY(CAST(:ids AS uuid[])) ORDER BY o.id"""
LOAD_LINES = sa.text(f"""
SELECT order_id, {", ".join(LINE_FIELDS)} FROM order_lines
WHERE order_id = ANY(CAST(:ids AS uuid[])) ORDER BY order_id, position""")
LOAD_POSTINGS = sa.text("""
SELECT order_id, shipment_id FROM order_postings WHERE order_id = ANY(CAST(:ids AS uuid[]))""")


async def load(tx: AsyncConnection, ids: Collection[UUID], lock: bool = False) -> dict[UUID, Order]:
    """The orders of these ids, in order of the ids; locked, the caller may save them."""
    question = sa.text(LOAD + (" FOR UPDATE OF o" if lock else ""))
    rows = (await tx.execute(question, {"ids": list(ids)})).all()
    found = {row.id: _order(row) for row in rows}
    if found:
        for row in await tx.execute(LOAD_LINES, {"ids": list(found)}):
            values = row._asdict()
            found[values.pop("order_id")].lines.append(Line(**values))
        # After the lock, in a statement of its own: so it sees what the lock waited for.
        for row in await tx.execute(LOAD_POSTINGS, {"ids": list(found)}):
            found[row.order_id].posting.add(row.shipment_id)
    return found


async def save(tx: AsyncConnection, changed: Sequence[Order], history: Sequence[Entry]) -> None:
    """Keep orders that the caller locked, with their lines and what happened to them."""
    rows = [{name: getattr(order, name) for name in ORDERS_NEW.types} for order in changed]
    await tx.execute(SAVE_ORDERS, ORDERS_NEW.binds(rows))
    lines = [line_row(order, line) for order in changed for line in order.lines]
    await tx.execute(SAVE_LINES, LINES_NEW.binds(lines))
    await save_history(tx, history)


async def forget_customer_name(tx: AsyncConnection, id: UUID) -> None:
    """Leave neither the typed name nor its words for the search."""
    await tx.execute(
        sa.text("""
        UPDATE orders SET customer_name = NULL, words = '', edition = edition + 1
        WHERE id = :id"""),
        {"id": id},
    )


async def save_history(tx: AsyncConnection, history: Sequence[Entry]) -> None:
    """Add to the orders' histories."""
    if history:
        await tx.execute(SAVE_HISTORY, HISTORY_IN.binds(history))


async def save_postings(
    tx: AsyncConnection, begun: Sequence[tuple[UUID, UUID]], ended: Sequence[tuple[UUID, UUID]]
) -> None:
    """Note which shipments (order, shipment) are being posted, and which no longer are."""
    if begun:
        await tx.execute(
            sa.text("""
            INSERT INTO order_postings(order_id, shipment_id)
            SELECT * FROM unnest(CAST(:orders AS uuid[]), CAST(:shipments AS uuid[]))
            ON CONFLICT DO NOTHING"""),
            _pairs(begun),
        )
    if ended:
        await tx.execute(
            sa.text("""
            DELETE FROM order_postings AS p
            USING unnest(CAST(:orders AS uuid[]), CAST(:shipments AS uuid[])) AS u(o, s)
            WHERE p.order_id = u.o AND p.shipment_id = u.s"""),
            _pairs(ended),
        )


async def histories(tx: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, list[Any]]:
    """What happened to the orders, oldest first."""
    h = order_history.c
    question = sa.select(order_history).where(h.order_id.in_(ids)).order_by(h.order_id, h.version)
    found: dict[UUID, list[Any]] = {id: [] for id in ids}
    for row in await tx.execute(question):
        found[row.order_id].append(row)
    return found


async def overdue(tx: AsyncConnection, before: datetime, limit: int) -> dict[UUID, Order]:
    """Locked orders whose hold command was given before this time and not answered yet."""
    rows = await tx.execute(
        sa.text("""
        SELECT id FROM orders WHERE undecided_since IS NOT NULL AND hold_asked_at < :before
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED"""),
        {"before": before, "limit": limit},
    )
    return await load(tx, list(rows.scalars()))


async def asked_again(tx: AsyncConnection, ids: Collection[UUID], now: datetime) -> None:
    """Note that the hold command was given again."""
    await tx.execute(sa.update(orders).where(orders.c.id.in_(ids)).values(hold_asked_at=now))


async def all_decided(tx: AsyncConnection, ids: Collection[UUID]) -> bool:
    """Whether inventory answered the newest command of each of the orders."""
    o = orders.c
    question = sa.select(o.id).where(o.id.in_(ids), o.decided_revision < o.revision).limit(1)
    return (await tx.execute(question)).first() is None


def order_row(order: Order) -> Mapping[str, Any]:
    """The order as a row of its table."""
    row: dict[str, Any] = {name: getattr(order, name) for name in ORDER_FIELDS}
    row["terms"] = json.dumps(
        [
            {"id": str(t.id), "due_on": t.due_on.isoformat(), "amount": f"{t.amount:f}"}
            for t in order.terms
        ]
    )
    row["words"] = lexemes(order.customer_name)
    return row


def line_row(order: Order, line: Line) -> Mapping[str, Any]:
    """The line as a row of its table."""
    return {"order_id": order.id, **{name: getattr(line, name) for name in LINE_FIELDS}}


def history_row(order: Order, happening: Happening) -> Entry:
    """The happening as a row of the history, with the statuses right after it."""
    return {
        "order_id": order.id,
        "version": order.version,
        "at": happening.at,
        "by": happening.by,
        "what": happening.what.value,
        "detail": happening.detail,
        "status": order.status,
        "financial_status": order.financial_status,
    }


def _order(row: Any) -> Order:
    values = row._asdict()
    terms = [
        Term(UUID(t["id"]), date.fromisoformat(t["due_on"]), Decimal(t["amount"]))
        for t in values["terms"]
    ]
    return Order(**{**values, "terms": terms, "lines": []})


def _pairs(pairs: Sequence[tuple[UUID, UUID]]) -> dict[str, list[UUID]]:
    return {"orders": [order for order, _ in pairs], "shipments": [ship for _, ship in pairs]}
