"""Every table of the billing service, in one place; the modules' store.py ask and change them.

Amounts are kept as numeric without a scale and are brought to the currency's decimals at the
edge, so that a currency with three decimals needs no other schema.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData()
MONEY = sa.Numeric()
AT = sa.DateTime(timezone=True)
UUIDS: sa.ARRAY[UUID] = sa.ARRAY(sa.Uuid)


def _money(name: str) -> sa.Column[object]:
    return sa.Column(name, MONEY, nullable=False, server_default="0")


# Append-only: neither the service nor the owner may change or delete a row.
transfer = sa.Table(
    "transfer",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("uuidv7()")),
    sa.Column("idempotency_key", sa.Text, nullable=False, unique=True),
    sa.Column("debit_account", sa.Text, nullable=False),
    sa.Column("credit_account", sa.Text, nullable=False),
    sa.Column("amount", MONEY, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("pending_of", sa.Uuid),  # Of two-phase transfers; none are made yet.
    sa.Column("reverses", sa.Uuid),
    sa.Column("event_id", sa.Uuid, nullable=False),  # The fact that tells of it.
    sa.Column("created_at", AT, nullable=False),
    sa.CheckConstraint("amount > 0", name="transfer_amount"),
    sa.CheckConstraint("debit_account <> credit_account", name="transfer_accounts"),
    sa.Index("transfer_debit", "debit_account", "created_at"),
    sa.Index("transfer_credit", "credit_account", "created_at"),
)

# The order's account, made by whichever fact of the order comes first. Locked by every change.
order_account = sa.Table(
    "order_account",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("placed", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("cancelled", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("number", sa.Text),
    sa.Column("store_id", sa.Uuid),
    sa.Column("customer_id", sa.Uuid),
    sa.Column("placed_at", AT),
    _money("total"),
    _money("paid"),
    _money("deposit_left"),
    _money("due_now"),
    _money("refunded"),
    _money("shipped_value"),
    sa.Column("due_since", AT),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint("least(paid, deposit_left, due_now, refunded) >= 0", name="order_balances"),
    sa.Index("order_account_customer", "customer_id"),
    sa.Index("order_account_due", "due_since", "order_id", postgresql_where=sa.text("due_now > 0")),
    sa.Index(
        "order_account_deposit",
        "placed_at",
        "order_id",
        postgresql_where=sa.text("deposit_left > 0"),
    ),
)

# What papers say of an order and what terms it has: written seldom, so apart from the balances.
order_copy = sa.Table(
    "order_copy",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("customer_key", sa.Text),
    sa.Column("terms", JSONB, nullable=False),
    sa.Column("lines", JSONB, nullable=False),
)

payment = sa.Table(
    "payment",
    metadata,
    sa.Column("payment_id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("store_id", sa.Uuid, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("amount", MONEY, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("document_id", sa.Uuid),
    _money("allocated"),  # What of it paid the document that it names when it was posted.
    sa.Column("allocations", JSONB, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),  # The account's, after it.
    sa.Column("at", AT, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("cancelled_at", AT),
    sa.Column("cancelled_by", sa.Text),
    sa.Column("cancel_reason", sa.Text),
    sa.CheckConstraint("amount > 0", name="payment_amount"),
    sa.CheckConstraint("allocated BETWEEN 0 AND amount", name="payment_allocated"),
    sa.Index("payment_order", "order_id"),
    sa.Index("payment_store", "store_id", "at", "payment_id"),
)

refund = sa.Table(
    "refund",
    metadata,
    sa.Column("refund_id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("store_id", sa.Uuid, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("amount", MONEY, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("at", AT, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.CheckConstraint("amount > 0", name="refund_amount"),
    sa.Index("refund_order", "order_id"),
    sa.Index("refund_store", "store_id", "at", "refund_id"),
)

hand_over = sa.Table(
    "hand_over",
    metadata,
    sa.Column("shipment_id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("store_id", sa.Uuid, nullable=False),
    sa.Column("value", MONEY, nullable=False),
    sa.Column("left_before", MONEY, nullable=False),
    sa.Column("consumed", MONEY, nullable=False),
    sa.Column("at", AT, nullable=False),
    sa.Index("hand_over_order", "order_id"),
)

document = sa.Table(
    "document",
    metadata,
    sa.Column("document_id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("number", sa.Text, nullable=False, unique=True),
    sa.Column("term_id", sa.Uuid),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("total", MONEY, nullable=False),
    sa.Column("uncovered", MONEY, nullable=False),
    sa.Column("covered_at_issue", MONEY, nullable=False),
    sa.Column("account_version", sa.BigInteger, nullable=False),
    sa.Column("lines", JSONB, nullable=False),
    _money("credited"),  # Of its total, what the order asks for no more.
    sa.Column("advances", MONEY, nullable=False),
    sa.Column("paid", MONEY, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("issued_at", AT, nullable=False),
    sa.Column("issued_by", sa.Text, nullable=False),
    sa.CheckConstraint("kind IN ('proforma', 'invoice')", name="document_kind"),
    sa.CheckConstraint("state IN ('open', 'partly_paid', 'paid', 'cancelled')", name="state_known"),
    sa.Index("document_order", "order_id"),
)

# Numbers of documents run without holes per store, kind and year.
document_series = sa.Table(
    "document_series",
    metadata,
    sa.Column("series", sa.Text, primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
)

store = sa.Table(
    "store",
    metadata,
    sa.Column("store_id", sa.Uuid, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
)

# The one table with names; a tombstone deletes the row.
customer = sa.Table(
    "customer",
    metadata,
    sa.Column("customer_key", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
)
