"""Devices, their enrolment codes, print jobs, and the copies of customers and stores."""

from alembic import op
from chassis import plumbing

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE devices (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  store_ids uuid[] NOT NULL,
  transport text NOT NULL,
  signing_key jsonb NOT NULL,
  sealing_key jsonb NOT NULL,
  enrolled_at timestamptz NOT NULL,
  revoked_at timestamptz,
  link_id uuid,
  seen_at timestamptz,
  last_scan bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 0
);

CREATE TABLE enrolment_codes (
  id uuid PRIMARY KEY,
  code_hash bytea NOT NULL UNIQUE,
  name text NOT NULL,
  store_ids uuid[] NOT NULL,
  made_by text NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz
);

CREATE TABLE print_jobs (
  id uuid PRIMARY KEY,
  order_id uuid NOT NULL,
  store_id uuid NOT NULL,
  customer_key text,
  kind text NOT NULL,
  state text NOT NULL,
  reason text,
  copies integer NOT NULL,
  device_id uuid,
  paper jsonb NOT NULL,
  asked_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  at timestamptz NOT NULL,
  version bigint NOT NULL,
  CONSTRAINT print_jobs_state
    CHECK (state IN ('queued', 'printing', 'printed', 'failed', 'unknown')),
  CONSTRAINT print_jobs_copies CHECK (copies >= 1)
) WITH (fillfactor = 80);
CREATE INDEX print_jobs_queued ON print_jobs (asked_at) WHERE state = 'queued';
CREATE INDEX print_jobs_printing ON print_jobs (device_id) WHERE state = 'printing';
CREATE INDEX print_jobs_order ON print_jobs (order_id);

CREATE TABLE customers (
  customer_key text PRIMARY KEY,
  name text,
  language text
);

CREATE TABLE stores (
  id uuid PRIMARY KEY,
  code text NOT NULL,
  name text NOT NULL
);
"""


def upgrade() -> None:
    op.execute(plumbing.CREATE)
    op.execute(TABLES)
