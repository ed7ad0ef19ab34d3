"""Tables of notifications, the copies of what others say, and what waits; all of it plural.

The questions and changes of the messages themselves are in `messages`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from notifications.domain import Customer, Line, News, Order, Reminder

metadata = sa.MetaData()
MONEY = sa.Numeric(18, 3)
TIME = sa.DateTime(timezone=True)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("store_id", sa.Uuid, nullable=False),
    sa.Column("number", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Uuid),
    sa.Column("customer_key", sa.Text),
    sa.Column("notify", sa.Boolean, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("financial_status", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("total", MONEY, nullable=False),
    sa.Column("paid", MONEY, nullable=False),
    sa.Column("prepayment", MONEY, nullable=False),
    sa.Column("until", TIME),
    sa.Column("lines", JSONB, nullable=False),
)
hold_ends = sa.Table(
    "hold_ends",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("until", TIME, nullable=False),
)
customers = sa.Table(
    "customers",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Uuid),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("erased", sa.Boolean, nullable=False),
)
stores = sa.Table(
    "stores",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
)
pending = sa.Table(
    "pending",
    metadata,
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("customer_key", sa.Text, nullable=False),
    sa.Column("news", JSONB, nullable=False),
    sa.Column("at", TIME, nullable=False),
    sa.Index("pending_customer", "customer_key", "position"),
)
early_reminders = sa.Table(
    "early_reminders",
    metadata,
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("until", TIME, nullable=False),
    sa.Column("ended", sa.Boolean, nullable=False),
    sa.Index("early_reminders_order", "order_id"),
)
messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("event_id", sa.Uuid, nullable=False),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("store_id", sa.Uuid, nullable=False),
    sa.Column("customer_id", sa.Uuid),
    sa.Column("customer_key", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("address", sa.Text),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("html", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", TIME),
    sa.Column("trace", sa.Text),
    sa.Column("at", TIME, nullable=False),
    sa.Column("read_at", TIME),
    sa.UniqueConstraint("event_id", "channel", name="told_once"),
    sa.Index("messages_order", "order_id", "position"),
    sa.Index(
        "messages_own",
        "customer_id",
        "position",
        postgresql_where=sa.text("channel = 'account'"),
    ),
    sa.Index("messages_customer", "customer_key"),
    sa.Index(
        "messages_due",
        "next_attempt_at",
        "position",
        postgresql_where=sa.text("state IN ('queued', 'sending')"),
    ),
)

LINES = TypeAdapter(tuple[Line, ...])
NEWS = TypeAdapter(News)

# Copies of what others say.

FIND_ORDERS = sa.text("""
SELECT o.id, o.store_id, o.number, o.customer_id, o.customer_key, o.notify, o.status,
       o.financial_status, o.currency, o.total, o.paid, o.prepayment,
       coalesce(h.until, o.until) AS until, CAST(o.lines AS text) AS lines
FROM orders o LEFT JOIN hold_ends h ON h.order_id = o.id
WHERE o.id = ANY(CAST(:ids AS uuid[]))""")


async def find_orders(tx: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Order]:
    """The copies that are here, with the newest end of their holds."""
    rows = await tx.execute(FIND_ORDERS, {"ids": list(ids)})
    return {
        row.id: Order(**{**row._asdict(), "lines": LINES.validate_json(row.lines)}) for row in rows
    }


KEEP_ORDERS = sa.text("""
INSERT INTO orders(id, store_id, number, customer_id, customer_key, notify, status,
  financial_status, currency, total, paid, prepayment, until, lines)
SELECT id, store_id, number, customer_id, customer_key, notify, status,
  financial_status, currency, total, paid, prepayment, until, CAST(lines AS jsonb)
FROM unnest(CAST(:id AS uuid[]), CAST(:store_id AS uuid[]), CAST(:number AS text[]),
  CAST(:customer_id AS uuid[]), CAST(:customer_key AS text[]), CAST(:notify AS boolean[]),
  CAST(:status AS text[]), CAST(:financial_status AS text[]), CAST(:currency AS text[]),
  CAST(:total AS numeric[]), CAST(:paid AS numeric[]), CAST(:prepayment AS numeric[]),
  CAST(:until AS timestamptz[]), CAST(:lines AS text[]))
  AS o(id, store_id, number, customer_id, customer_key, notify, status, financial_status,
       currency, total, paid, prepayment, until, lines)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET status = excluded.status,
  financial_status = excluded.financial_status, total = excluded.total, paid = excluded.paid,
  prepayment = excluded.prepayment, lines = excluded.lines""")
ORDER_COLUMNS = tuple(column.name for column in orders.columns if column.name != "lines")


async def keep_orders(tx: AsyncConnection, copies: Sequence[Order]) -> None:
    """Write the copies as they now are."""
    if not copies:
        return
    values: dict[str, list[Any]] = {
        name: [getattr(copy, name) for copy in copies] for name in ORDER_COLUMNS
    }
    values["lines"] = [LINES.dump_json(copy.lines).decode() for copy in copies]
    await tx.execute(KEEP_ORDERS, values)


async def store_of_order(tx: AsyncConnection, order_id: UUID) -> UUID | None:
    """The order's store; None when the order is not known here."""
    query = sa.select(orders.c.store_id).where(orders.c.id == order_id)
    return (await tx.execute(query)).scalar_one_or_none()


async def keep_hold_ends(tx: AsyncConnection, ends: Mapping[UUID, datetime]) -> None:
    """Holds were extended: these are their ends now."""
    await tx.execute(
        sa.text("""
        INSERT INTO hold_ends(order_id, until)
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:untils AS timestamptz[])) ORDER BY 1
        ON CONFLICT (order_id) DO UPDATE SET until = excluded.until"""),
        {"ids": list(ends), "untils": list(ends.values())},
    )


async def keep_stores(tx: AsyncConnection, names: Mapping[UUID, str]) -> None:
    """What the stores are called now."""
    await tx.execute(
        sa.text("""
        INSERT INTO stores(id, name)
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) ORDER BY 1
        ON CONFLICT (id) DO UPDATE SET name = excluded.name"""),
        {"ids": list(names), "names": list(names.values())},
    )


async def store_names(tx: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, str]:
    """The names of those stores that are known."""
    query = sa.select(stores.c.id, stores.c.name).where(stores.c.id.in_(list(ids)))
    return {row.id: row.name for row in await tx.execute(query)}


KEEP_CUSTOMERS = sa.text("""
INSERT INTO customers(key, customer_id, name, email, language, erased)
SELECT * FROM unnest(CAST(:key AS text[]), CAST(:customer_id AS uuid[]), CAST(:name AS text[]),
  CAST(:email AS text[]), CAST(:language AS text[]), CAST(:erased AS boolean[])) ORDER BY 1
ON CONFLICT (key) DO UPDATE SET customer_id = excluded.customer_id, name = excluded.name,
  email = excluded.email, language = excluded.language, erased = excluded.erased""")
CUSTOMER_COLUMNS = tuple(column.name for column in customers.columns)


async def keep_customers(tx: AsyncConnection, known: Sequence[Customer]) -> None:
    """Write who the customers are now, the erased ones as an empty row that says so."""
    values = {name: [getattr(one, name) for one in known] for name in CUSTOMER_COLUMNS}
    await tx.execute(KEEP_CUSTOMERS, values)


async def lock_customers(tx: AsyncConnection, keys: Iterable[str]) -> dict[str, Customer]:
    """The customers that are known; none of them can be erased until the transaction ends."""
    rows = await tx.execute(
        sa.text("""
        SELECT key, customer_id, name, email, language, erased FROM customers
        WHERE key = ANY(CAST(:keys AS text[])) ORDER BY key FOR SHARE"""),
        {"keys": list(keys)},
    )
    return {row.key: Customer(**row._asdict()) for row in rows}


# What waits for its order or its customer.


async def keep_early_reminders(tx: AsyncConnection, early: Sequence[Reminder]) -> None:
    """The orders of these reminders are not known yet."""
    await tx.execute(
        sa.text("""
        INSERT INTO early_reminders(event_id, order_id, until, ended)
        SELECT * FROM unnest(CAST(:event_ids AS uuid[]), CAST(:order_ids AS uuid[]),
          CAST(:untils AS timestamptz[]), CAST(:ended AS boolean[]))
        ON CONFLICT DO NOTHING"""),
        {
            "event_ids": [one.event_id for one in early],
            "order_ids": [one.order_id for one in early],
            "untils": [one.until for one in early],
            "ended": [one.ended for one in early],
        },
    )


async def take_early_reminders(
    tx: AsyncConnection, order_ids: Sequence[UUID] | None = None
) -> list[Reminder]:
    """Take out the reminders of these orders; without ids, of all orders that are known by now."""
    condition = (
        "EXISTS (SELECT FROM orders o WHERE o.id = early_reminders.order_id)"
        if order_ids is None
        else "order_id = ANY(CAST(:ids AS uuid[]))"
    )
    rows = await tx.execute(
        sa.text(f"""
        DELETE FROM early_reminders WHERE {condition}
        RETURNING event_id, order_id, until, ended"""),
        {} if order_ids is None else {"ids": list(order_ids)},
    )
    return sorted((Reminder(**row._asdict()) for row in rows), key=lambda one: one.until)


async def wait_for_customers(tx: AsyncConnection, news: Sequence[News], now: datetime) -> None:
    """Keep the news, each as it was at its moment, until its customer is known."""
    await tx.execute(
        sa.text("""
        INSERT INTO pending(event_id, customer_key, news, at)
        SELECT event_id, key, CAST(news AS jsonb), :now
        FROM unnest(CAST(:event_ids AS uuid[]), CAST(:keys AS text[]), CAST(:news AS text[]))
          WITH ORDINALITY AS p(event_id, key, news, n) ORDER BY n
        ON CONFLICT DO NOTHING"""),
        {
            "event_ids": [one.event_id for one in news],
            "keys": [one.order.customer_key for one in news],
            "news": [NEWS.dump_json(one).decode() for one in news],
            "now": now,
        },
    )


async def take_pending(tx: AsyncConnection, keys: Iterable[str]) -> list[News]:
    """Take out what waits for these customers, oldest first."""
    rows = await tx.execute(
        sa.text("""
        DELETE FROM pending WHERE customer_key = ANY(CAST(:keys AS text[]))
        RETURNING position, CAST(news AS text) AS news"""),
        {"keys": list(keys)},
    )
    return [NEWS.validate_json(row.news) for row in sorted(rows, key=lambda row: row.position)]


async def met_keys(tx: AsyncConnection) -> list[str]:
    """Customers that are known and for whom something still waits."""
    rows = await tx.execute(
        sa.text("""
        SELECT DISTINCT p.customer_key FROM pending p JOIN customers c ON c.key = p.customer_key
        ORDER BY 1""")
    )
    return list(rows.scalars())
