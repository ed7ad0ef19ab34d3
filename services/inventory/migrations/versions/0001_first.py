"""Stores and their warehouses, stock with its ledger, holds with their transfers."""

from alembic import op
from chassis import plumbing

revision = "0001"
down_revision = None

STORES = """
CREATE TABLE stores (
  id uuid PRIMARY KEY,
  code text NOT NULL CONSTRAINT stores_code UNIQUE,
  name text NOT NULL,
  hold_method text NOT NULL CHECK (hold_method IN ('separate', 'nominal')),
  held_goods_sale text NOT NULL CHECK (held_goods_sale IN ('warn', 'block')),
  hold_days smallint NOT NULL CHECK (hold_days BETWEEN 1 AND 90),
  version bigint NOT NULL
);
CREATE TABLE warehouses (
  id uuid PRIMARY KEY,
  store_id uuid NOT NULL REFERENCES stores (id),
  parent_id uuid REFERENCES warehouses (id),
  code text NOT NULL,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('main', 'temporary_storage')),
  CHECK ((kind = 'temporary_storage') = (parent_id IS NOT NULL)),
  CONSTRAINT warehouses_code UNIQUE (store_id, code)
);
CREATE UNIQUE INDEX one_temporary_storage ON warehouses (parent_id)
  WHERE kind = 'temporary_storage';
"""
STOCK = """
CREATE TABLE items (
  sku text PRIMARY KEY,
  unit text NOT NULL
);
CREATE TABLE stock (
  warehouse_id uuid NOT NULL REFERENCES warehouses (id),
  sku text NOT NULL,
  on_hand numeric(14, 3) NOT NULL CONSTRAINT never_less_than_nothing CHECK (on_hand >= 0),
  held numeric(14, 3) NOT NULL CONSTRAINT never_hold_less_than_nothing CHECK (held >= 0),
  version bigint NOT NULL,
  PRIMARY KEY (warehouse_id, sku)
) WITH (fillfactor = 70);
CREATE INDEX stock_sku ON stock (sku, warehouse_id);
CREATE INDEX stock_broken ON stock (warehouse_id, sku) WHERE held > on_hand;

CREATE TABLE stock_movement (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  warehouse_id uuid NOT NULL,
  sku text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('receipt', 'transfer', 'hand_over', 'put_back')),
  reference uuid NOT NULL,
  quantity numeric(14, 3) NOT NULL CHECK (quantity <> 0),
  at timestamptz NOT NULL
);
CREATE INDEX stock_movement_stock ON stock_movement (warehouse_id, sku, id);

CREATE TABLE receipts (
  id uuid PRIMARY KEY,
  warehouse_id uuid NOT NULL REFERENCES warehouses (id),
  at timestamptz NOT NULL,
  by text NOT NULL
);
CREATE TABLE receipt_lines (
  receipt_id uuid NOT NULL REFERENCES receipts (id),
  position integer NOT NULL,
  sku text NOT NULL,
  quantity numeric(14, 3) NOT NULL CHECK (quantity > 0),
  unit_cost numeric(18, 4),
  PRIMARY KEY (receipt_id, position)
);
"""
HOLDS = """
CREATE TABLE order_hold (
  order_id uuid PRIMARY KEY,
  store_id uuid NOT NULL,
  warehouse_id uuid NOT NULL REFERENCES warehouses (id),
  method text NOT NULL CHECK (method IN ('separate', 'nominal')),
  revision integer NOT NULL,
  until timestamptz,
  placed_at timestamptz,
  released boolean NOT NULL,
  remind_at timestamptz,
  version bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX order_hold_remind_at ON order_hold (remind_at) WHERE remind_at IS NOT NULL;

CREATE TABLE hold_line (
  order_id uuid NOT NULL REFERENCES order_hold (order_id),
  line_id uuid NOT NULL,
  warehouse_id uuid NOT NULL,
  sku text NOT NULL,
  position integer NOT NULL,
  placed_at timestamptz,
  wanted numeric(14, 3) NOT NULL CHECK (wanted >= 0),
  held numeric(14, 3) NOT NULL CHECK (held >= 0),
  taken numeric(14, 3) NOT NULL CHECK (taken >= 0),
  to_put_back numeric(14, 3) NOT NULL CHECK (to_put_back >= 0),
  given_up boolean NOT NULL,
  awaiting numeric(14, 3) NOT NULL CHECK (awaiting >= 0),
  PRIMARY KEY (order_id, line_id)
) WITH (fillfactor = 80);
CREATE INDEX hold_line_line ON hold_line (line_id);
CREATE INDEX hold_line_held ON hold_line (warehouse_id, sku) WHERE held > 0;
CREATE INDEX hold_line_awaiting ON hold_line (warehouse_id, sku, placed_at, order_id, position)
  WHERE awaiting > 0;
CREATE INDEX hold_line_to_put_back ON hold_line (order_id, line_id) WHERE to_put_back > 0;

CREATE TABLE transfers (
  id uuid PRIMARY KEY,
  order_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('hold', 'put_back')),
  from_warehouse_id uuid NOT NULL REFERENCES warehouses (id),
  to_warehouse_id uuid NOT NULL REFERENCES warehouses (id),
  state text NOT NULL CHECK (state IN ('posted')),
  at timestamptz NOT NULL
);
CREATE INDEX transfers_order ON transfers (order_id, id);
CREATE TABLE transfer_lines (
  transfer_id uuid NOT NULL REFERENCES transfers (id),
  line_id uuid NOT NULL,
  sku text NOT NULL,
  quantity numeric(14, 3) NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (transfer_id, line_id)
);
CREATE TABLE take_outs (
  shipment_id uuid PRIMARY KEY,
  order_id uuid NOT NULL,
  refused text,
  lines jsonb NOT NULL,
  at timestamptz NOT NULL
);
"""
# The ledger is written once: the running service may add to it and read it.
LEDGER = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'inventory_app') THEN
    GRANT SELECT, INSERT ON stock_movement TO inventory_app;
    REVOKE UPDATE, DELETE, TRUNCATE ON stock_movement FROM inventory_app;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute(plumbing.CREATE)
    for part in (STORES, STOCK, HOLDS, LEDGER):
        op.execute(part)
