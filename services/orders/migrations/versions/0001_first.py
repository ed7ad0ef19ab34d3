"""The plumbing and the first tables of the catalogue, customers, settings, stores and orders."""

from alembic import op
from chassis import plumbing

revision = "0001"
down_revision = None

TABLES = """
CREATE SEQUENCE order_numbers START WITH 1001;
CREATE TABLE customers (
  id UUID NOT NULL,
  name TEXT NOT NULL,
  phone TEXT,
  email TEXT,
  language TEXT NOT NULL,
  card_number TEXT,
  category TEXT,
  version BIGINT NOT NULL,
  erased BOOLEAN NOT NULL,
  phone_reversed TEXT,
  words TSVECTOR NOT NULL,
  PRIMARY KEY (id)
);
CREATE UNIQUE INDEX customers_card_number ON customers (card_number);
CREATE INDEX customers_phone_reversed ON customers (phone_reversed text_pattern_ops);
CREATE INDEX customers_words ON customers USING gin (words);
CREATE TABLE items (
  sku TEXT NOT NULL,
  name TEXT NOT NULL,
  unit TEXT NOT NULL,
  kind TEXT NOT NULL,
  barcodes TEXT[] NOT NULL,
  tax_rate NUMERIC NOT NULL,
  price NUMERIC NOT NULL,
  currency TEXT NOT NULL,
  version BIGINT NOT NULL,
  words TSVECTOR NOT NULL,
  PRIMARY KEY (sku)
);
CREATE INDEX items_words ON items USING gin (words);
CREATE TABLE order_history (
  order_id UUID NOT NULL,
  version BIGINT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  by TEXT NOT NULL,
  what TEXT NOT NULL,
  detail TEXT NOT NULL,
  status TEXT NOT NULL,
  financial_status TEXT NOT NULL,
  PRIMARY KEY (order_id, version)
);
CREATE TABLE order_lines (
  order_id UUID NOT NULL,
  id UUID NOT NULL,
  position INTEGER NOT NULL,
  sku TEXT NOT NULL,
  description TEXT NOT NULL,
  unit TEXT NOT NULL,
  special BOOLEAN NOT NULL,
  tax_rate NUMERIC NOT NULL,
  quantity NUMERIC NOT NULL,
  unit_price NUMERIC NOT NULL,
  amount NUMERIC NOT NULL,
  held NUMERIC NOT NULL,
  awaiting NUMERIC NOT NULL,
  taken NUMERIC NOT NULL,
  shipped NUMERIC NOT NULL,
  shipped_amount NUMERIC NOT NULL,
  PRIMARY KEY (order_id, id)
) WITH (fillfactor = 80);
CREATE TABLE order_postings (
  order_id UUID NOT NULL,
  shipment_id UUID NOT NULL,
  PRIMARY KEY (order_id, shipment_id)
);
CREATE TABLE order_settings (
  "only" BOOLEAN NOT NULL CHECK ("only"),
  prepayment_percent NUMERIC NOT NULL,
  first_status JSONB NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY ("only")
);
CREATE TABLE orders (
  id UUID NOT NULL,
  number TEXT NOT NULL,
  store_id UUID NOT NULL,
  channel TEXT NOT NULL,
  customer_id UUID,
  customer_name TEXT,
  currency TEXT NOT NULL,
  placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  placed_by TEXT NOT NULL,
  method TEXT NOT NULL,
  warehouse_id UUID NOT NULL,
  until TIMESTAMP WITH TIME ZONE NOT NULL,
  first_status TEXT NOT NULL,
  prepayment_percent NUMERIC NOT NULL,
  prepayment_typed NUMERIC,
  notify BOOLEAN NOT NULL,
  terms JSONB NOT NULL,
  request BYTEA,
  agreed BOOLEAN NOT NULL,
  cancelled BOOLEAN NOT NULL,
  closed BOOLEAN NOT NULL,
  marked BOOLEAN NOT NULL,
  revision INTEGER NOT NULL,
  asked_revision INTEGER NOT NULL,
  decided_revision INTEGER NOT NULL,
  released BOOLEAN NOT NULL,
  holding BOOLEAN NOT NULL,
  hold_asked_at TIMESTAMP WITH TIME ZONE,
  undecided_since TIMESTAMP WITH TIME ZONE,
  paid NUMERIC NOT NULL,
  refunded NUMERIC NOT NULL,
  version BIGINT NOT NULL,
  edition BIGINT NOT NULL,
  status TEXT NOT NULL,
  financial_status TEXT NOT NULL,
  total NUMERIC NOT NULL,
  shipped_amount NUMERIC NOT NULL,
  shipped_unpaid BOOLEAN NOT NULL,
  paid_unshipped BOOLEAN NOT NULL,
  words TSVECTOR NOT NULL,
  PRIMARY KEY (id)
) WITH (fillfactor = 80);
CREATE INDEX orders_channel ON orders (channel, placed_at, id);
CREATE INDEX orders_customer ON orders (customer_id, placed_at, id);
CREATE INDEX orders_financial_status ON orders (financial_status, placed_at, id);
CREATE INDEX orders_marked ON orders (placed_at, id) WHERE marked;
CREATE UNIQUE INDEX orders_number ON orders (number);
CREATE INDEX orders_open_until ON orders (until)
  WHERE status NOT IN ('shipped', 'closed', 'cancelled');
CREATE INDEX orders_paid_unshipped ON orders (placed_at, id) WHERE paid_unshipped;
CREATE INDEX orders_placed ON orders (placed_at, id);
CREATE INDEX orders_shipped_unpaid ON orders (placed_at, id) WHERE shipped_unpaid;
CREATE INDEX orders_status ON orders (status, placed_at, id);
CREATE INDEX orders_store ON orders (store_id, placed_at, id);
CREATE INDEX orders_undecided ON orders (undecided_since) WHERE undecided_since IS NOT NULL;
CREATE INDEX orders_words ON orders USING gin (words);
CREATE TABLE stores (
  id UUID NOT NULL,
  code TEXT NOT NULL,
  name TEXT NOT NULL,
  hold_method TEXT NOT NULL,
  hold_days INTEGER NOT NULL,
  PRIMARY KEY (id)
);
CREATE TABLE warehouses (
  id UUID NOT NULL,
  store_id UUID NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  PRIMARY KEY (id)
);
CREATE TABLE item_barcodes (
  barcode TEXT NOT NULL,
  sku TEXT NOT NULL,
  PRIMARY KEY (barcode),
  FOREIGN KEY(sku) REFERENCES items (sku)
);
CREATE INDEX item_barcodes_sku ON item_barcodes (sku);
"""
# Counter, telephone and salesmen speak with the customer: their orders are agreed at once.
SETTINGS = """
INSERT INTO order_settings("only", prepayment_percent, first_status, version)
VALUES (true, 50, '{"counter": "agreed", "phone": "agreed", "salesman": "agreed",
  "email": "pending_approval", "site": "pending_approval", "social_network": "pending_approval",
  "messenger": "pending_approval", "marketplace": "pending_approval"}', 1);
"""


def upgrade() -> None:
    op.execute(plumbing.CREATE)
    op.execute(TABLES)
    op.execute(SETTINGS.replace(":", r"\:"))
