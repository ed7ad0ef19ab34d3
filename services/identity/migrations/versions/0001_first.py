"""Accounts, sessions, failed sign-ins, and which stores and cards there are."""

from alembic import op
from chassis import plumbing

revision = "0001"
down_revision = None

OWN = """
CREATE TABLE accounts (
  id uuid PRIMARY KEY,
  username text NOT NULL UNIQUE,
  password_hash text NOT NULL,
  role text NOT NULL CHECK (role IN ('owner', 'manager', 'cashier', 'customer', 'device')),
  store_ids uuid[],
  customer_id uuid,
  language text NOT NULL,
  active boolean NOT NULL,
  version bigint NOT NULL,
  created_at timestamptz NOT NULL,
  CHECK ((role = 'customer') = (customer_id IS NOT NULL))
);
CREATE INDEX accounts_customer_id ON accounts (customer_id) WHERE customer_id IS NOT NULL;

CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  generation integer NOT NULL,
  began_at timestamptz NOT NULL,
  rotated_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz
);
CREATE INDEX sessions_account_id ON sessions (account_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE login_failures (
  bucket bytea PRIMARY KEY,
  failures integer NOT NULL,
  began_at timestamptz NOT NULL
);

CREATE TABLE known_stores (store_id uuid PRIMARY KEY);
CREATE TABLE known_customers (customer_id uuid PRIMARY KEY);
"""


def upgrade() -> None:
    op.execute(plumbing.CREATE)
    op.execute(OWN)
