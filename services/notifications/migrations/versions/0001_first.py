"""Messages, what waits for a customer's card, and copies of orders, customers and stores."""

from alembic import op
from chassis import plumbing

revision = "0001"
down_revision = None

COPIES = """
CREATE TABLE orders (
  id uuid PRIMARY KEY,
  store_id uuid NOT NULL,
  number text NOT NULL,
  customer_id uuid,
  customer_key text,
  notify boolean NOT NULL,
  status text NOT NULL,
  financial_status text NOT NULL,
  currency text NOT NULL,
  total numeric(18, 3) NOT NULL,
  paid numeric(18, 3) NOT NULL,
  prepayment numeric(18, 3) NOT NULL,
  until timestamptz,
  lines jsonb NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE hold_ends (
  order_id uuid PRIMARY KEY,
  until timestamptz NOT NULL
);
CREATE TABLE customers (
  key text PRIMARY KEY,
  customer_id uuid,
  name text NOT NULL,
  email text,
  language text NOT NULL,
  erased boolean NOT NULL
);
CREATE TABLE stores (
  id uuid PRIMARY KEY,
  name text NOT NULL
);
"""
WAITING = """
CREATE TABLE pending (
  event_id uuid PRIMARY KEY,
  position bigint GENERATED ALWAYS AS IDENTITY,
  customer_key text NOT NULL,
  news jsonb NOT NULL,
  at timestamptz NOT NULL
);
CREATE INDEX pending_customer ON pending (customer_key, position);
CREATE TABLE early_reminders (
  event_id uuid PRIMARY KEY,
  order_id uuid NOT NULL,
  until timestamptz NOT NULL,
  ended boolean NOT NULL
);
CREATE INDEX early_reminders_order ON early_reminders (order_id);
"""
MESSAGES = """
CREATE TABLE messages (
  id uuid PRIMARY KEY,
  position bigint GENERATED ALWAYS AS IDENTITY,
  event_id uuid NOT NULL,
  order_id uuid NOT NULL,
  store_id uuid NOT NULL,
  customer_id uuid,
  customer_key text NOT NULL,
  channel text NOT NULL CHECK (channel IN ('email', 'account')),
  kind text NOT NULL CHECK (kind IN ('change', 'reminder')),
  language text NOT NULL,
  address text,
  subject text NOT NULL,
  body text NOT NULL,
  html text,
  state text NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'failed')),
  reason text,
  attempts integer NOT NULL,
  next_attempt_at timestamptz,
  trace text,
  at timestamptz NOT NULL,
  read_at timestamptz,
  CONSTRAINT told_once UNIQUE (event_id, channel)
) WITH (fillfactor = 90);
CREATE INDEX messages_order ON messages (order_id, position);
CREATE INDEX messages_own ON messages (customer_id, position) WHERE channel = 'account';
CREATE INDEX messages_customer ON messages (customer_key);
CREATE INDEX messages_due ON messages (next_attempt_at, position)
  WHERE state IN ('queued', 'sending');
"""


def upgrade() -> None:
    op.execute(plumbing.CREATE)
    for part in (COPIES, WAITING, MESSAGES):
        op.execute(part)
