"""Shipments, and the copies of orders and stores that they need."""

from alembic import op
from chassis import plumbing

revision = "0001"
down_revision = None

OWN = """
CREATE TABLE stores (store_id uuid PRIMARY KEY);

CREATE TABLE warehouses (
  warehouse_id uuid PRIMARY KEY,
  store_id uuid NOT NULL
);

CREATE TABLE orders (
  order_id uuid PRIMARY KEY,
  store_id uuid NOT NULL,
  warehouse_id uuid NOT NULL,
  currency text NOT NULL,
  status text NOT NULL,
  marked boolean NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE order_lines (
  order_id uuid NOT NULL REFERENCES orders,
  line_id uuid NOT NULL,
  sku text NOT NULL,
  unit text NOT NULL,
  quantity numeric NOT NULL,
  unit_price numeric NOT NULL,
  amount numeric NOT NULL,
  posting numeric NOT NULL DEFAULT 0 CHECK (posting >= 0),
  posted numeric NOT NULL DEFAULT 0 CHECK (posted >= 0),
  posted_amount numeric NOT NULL DEFAULT 0 CHECK (posted_amount >= 0),
  PRIMARY KEY (order_id, line_id)
) WITH (fillfactor = 80);

CREATE TABLE shipments (
  id uuid PRIMARY KEY,
  order_id uuid NOT NULL REFERENCES orders,
  store_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('hand_over', 'delivery')),
  state text NOT NULL CHECK (state IN ('draft', 'posting', 'posted', 'refused')),
  currency text NOT NULL,
  override boolean NOT NULL,
  value numeric,
  left_before numeric,
  consumed numeric,
  due_now numeric,
  reason text,
  shortages jsonb NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  posted_by text,
  posting_at timestamptz,
  decided_at timestamptz,
  version bigint NOT NULL,
  CHECK (left_before >= value AND value >= 0),
  CHECK ((state = 'posted') = (value IS NOT NULL)),
  CHECK ((state = 'refused') = (reason IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX shipments_order_id ON shipments (order_id);
CREATE INDEX shipments_created_at ON shipments (created_at, id);
CREATE INDEX shipments_posting ON shipments (created_at, id) WHERE state = 'posting';

CREATE TABLE shipment_lines (
  shipment_id uuid NOT NULL REFERENCES shipments,
  position integer NOT NULL,
  line_id uuid NOT NULL,
  sku text NOT NULL,
  quantity numeric NOT NULL CHECK (quantity > 0),
  amount numeric,
  PRIMARY KEY (shipment_id, position),
  UNIQUE (shipment_id, line_id)
);
"""


def upgrade() -> None:
    op.execute(plumbing.CREATE)
    op.execute(OWN)
