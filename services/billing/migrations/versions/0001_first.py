"""The ledger, the orders' accounts, payments, documents, and the copies that they need."""

from alembic import op
from chassis import plumbing

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE customer (
  customer_key TEXT NOT NULL,
  name TEXT NOT NULL,
  language TEXT NOT NULL,
  PRIMARY KEY (customer_key)
);
CREATE TABLE document (
  document_id UUID NOT NULL,
  order_id UUID NOT NULL,
  kind TEXT NOT NULL,
  number TEXT NOT NULL,
  term_id UUID,
  currency TEXT NOT NULL,
  total NUMERIC NOT NULL,
  uncovered NUMERIC NOT NULL,
  covered_at_issue NUMERIC NOT NULL,
  account_version BIGINT NOT NULL,
  lines JSONB NOT NULL,
  advances NUMERIC NOT NULL,
  paid NUMERIC NOT NULL,
  state TEXT NOT NULL,
  version BIGINT NOT NULL,
  issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
  issued_by TEXT NOT NULL,
  PRIMARY KEY (document_id),
  CONSTRAINT document_kind CHECK (kind IN ('proforma', 'invoice')),
  CONSTRAINT state_known CHECK (state IN ('open', 'partly_paid', 'paid', 'cancelled')),
  UNIQUE (number)
);
CREATE INDEX document_order ON document (order_id);
CREATE TABLE document_series (
  series TEXT NOT NULL,
  last BIGINT NOT NULL,
  PRIMARY KEY (series)
);
CREATE TABLE hand_over (
  shipment_id UUID NOT NULL,
  order_id UUID NOT NULL,
  store_id UUID NOT NULL,
  value NUMERIC NOT NULL,
  left_before NUMERIC NOT NULL,
  consumed NUMERIC NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (shipment_id)
);
CREATE INDEX hand_over_order ON hand_over (order_id);
CREATE TABLE order_account (
  order_id UUID NOT NULL,
  currency TEXT NOT NULL,
  placed BOOLEAN DEFAULT 'false' NOT NULL,
  cancelled BOOLEAN DEFAULT 'false' NOT NULL,
  number TEXT,
  store_id UUID,
  customer_id UUID,
  placed_at TIMESTAMP WITH TIME ZONE,
  total NUMERIC DEFAULT '0' NOT NULL,
  paid NUMERIC DEFAULT '0' NOT NULL,
  deposit_left NUMERIC DEFAULT '0' NOT NULL,
  due_now NUMERIC DEFAULT '0' NOT NULL,
  refunded NUMERIC DEFAULT '0' NOT NULL,
  shipped_value NUMERIC DEFAULT '0' NOT NULL,
  due_since TIMESTAMP WITH TIME ZONE,
  version BIGINT DEFAULT '0' NOT NULL,
  PRIMARY KEY (order_id),
  CONSTRAINT order_balances CHECK (least(paid, deposit_left, due_now, refunded) >= 0)
);
CREATE INDEX order_account_customer ON order_account (customer_id);
CREATE INDEX order_account_deposit ON order_account (placed_at, order_id) WHERE deposit_left > 0;
CREATE INDEX order_account_due ON order_account (due_since, order_id) WHERE due_now > 0;
CREATE TABLE order_copy (
  order_id UUID NOT NULL,
  customer_key TEXT,
  prepayment NUMERIC NOT NULL,
  terms JSONB NOT NULL,
  lines JSONB NOT NULL,
  PRIMARY KEY (order_id)
);
CREATE TABLE payment (
  payment_id UUID NOT NULL,
  order_id UUID NOT NULL,
  store_id UUID NOT NULL,
  method TEXT NOT NULL,
  amount NUMERIC NOT NULL,
  currency TEXT NOT NULL,
  document_id UUID,
  allocated NUMERIC DEFAULT '0' NOT NULL,
  allocations JSONB NOT NULL,
  version BIGINT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  by TEXT NOT NULL,
  cancelled_at TIMESTAMP WITH TIME ZONE,
  cancelled_by TEXT,
  cancel_reason TEXT,
  PRIMARY KEY (payment_id),
  CONSTRAINT payment_amount CHECK (amount > 0),
  CONSTRAINT payment_allocated CHECK (allocated BETWEEN 0 AND amount)
);
CREATE INDEX payment_order ON payment (order_id);
CREATE INDEX payment_store ON payment (store_id, at, payment_id);
CREATE TABLE refund (
  refund_id UUID NOT NULL,
  order_id UUID NOT NULL,
  store_id UUID NOT NULL,
  method TEXT NOT NULL,
  amount NUMERIC NOT NULL,
  currency TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  by TEXT NOT NULL,
  PRIMARY KEY (refund_id),
  CONSTRAINT refund_amount CHECK (amount > 0)
);
CREATE INDEX refund_order ON refund (order_id);
CREATE INDEX refund_store ON refund (store_id, at, refund_id);
CREATE TABLE store (
  store_id UUID NOT NULL,
  code TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (store_id)
);
CREATE TABLE transfer (
  id UUID DEFAULT uuidv7() NOT NULL,
  idempotency_key TEXT NOT NULL,
  debit_account TEXT NOT NULL,
  credit_account TEXT NOT NULL,
  amount NUMERIC NOT NULL,
  currency TEXT NOT NULL,
  kind TEXT NOT NULL,
  pending_of UUID,
  reverses UUID,
  event_id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT transfer_amount CHECK (amount > 0),
  CONSTRAINT transfer_accounts CHECK (debit_account <> credit_account),
  UNIQUE (idempotency_key)
);
CREATE INDEX transfer_credit ON transfer (credit_account, created_at);
CREATE INDEX transfer_debit ON transfer (debit_account, created_at);
"""

# The ledger is append-only for everyone, its owner included; the running service lacks the right
# as well, where it has a role of its own.
APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $refuse$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: post a transfer that reverses this one'
    USING ERRCODE = 'restrict_violation';
END
$refuse$;
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
DO $rights$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_app') THEN
    REVOKE UPDATE, DELETE, TRUNCATE ON transfer FROM billing_app;
  END IF;
END
$rights$;
"""


def upgrade() -> None:
    op.execute(plumbing.CREATE)
    op.execute(TABLES)
    op.execute("ALTER TABLE order_account SET (fillfactor = 70)")
    op.execute("ALTER TABLE document SET (fillfactor = 80)")
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    """There is nothing before the first: drop the database instead."""
    raise NotImplementedError("drop the database: nothing lies before the first migration")
