-- The limit's own tables: those of the services where an order is kept, in their shape, each once.
-- What the services copy from one another is not here: the limit is the work without the services.
CREATE TABLE idempotency (
  principal text NOT NULL, key text NOT NULL, fingerprint bytea NOT NULL, status smallint NOT NULL,
  subject text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (principal, key));
CREATE TABLE outbox (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL, topic text NOT NULL,
  key text NOT NULL, version bigint NOT NULL, type text NOT NULL, payload bytea, headers jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(), published_at timestamptz);
CREATE INDEX outbox_unpublished ON outbox (position) WHERE published_at IS NULL;
CREATE INDEX outbox_key ON outbox (topic, key, version);
CREATE SEQUENCE order_numbers;
CREATE TABLE orders (
  id uuid PRIMARY KEY, number text NOT NULL, store_id uuid NOT NULL, channel text NOT NULL,
  customer_id uuid, currency text NOT NULL, placed_at timestamptz NOT NULL, placed_by text NOT NULL,
  method text NOT NULL, warehouse_id uuid NOT NULL, until timestamptz NOT NULL,
  prepayment_percent numeric NOT NULL, notify boolean NOT NULL, terms jsonb NOT NULL, request bytea,
  agreed boolean NOT NULL, revision integer NOT NULL, decided_revision integer NOT NULL,
  paid numeric NOT NULL, version bigint NOT NULL, status text NOT NULL, financial_status text NOT NULL,
  total numeric NOT NULL, shipped_amount numeric NOT NULL, shipped_unpaid boolean NOT NULL,
  paid_unshipped boolean NOT NULL) WITH (fillfactor = 80);
CREATE UNIQUE INDEX orders_number ON orders (number);
CREATE INDEX orders_placed ON orders (placed_at, id);
CREATE INDEX orders_status ON orders (status, placed_at, id);
CREATE INDEX orders_financial_status ON orders (financial_status, placed_at, id);
CREATE INDEX orders_store ON orders (store_id, placed_at, id);
CREATE INDEX orders_channel ON orders (channel, placed_at, id);
CREATE INDEX orders_customer ON orders (customer_id, placed_at, id);
CREATE INDEX orders_shipped_unpaid ON orders (placed_at, id) WHERE shipped_unpaid;
CREATE INDEX orders_paid_unshipped ON orders (placed_at, id) WHERE paid_unshipped;
CREATE TABLE order_lines (
  order_id uuid NOT NULL, id uuid NOT NULL, position integer NOT NULL, sku text NOT NULL,
  description text NOT NULL, unit text NOT NULL, special boolean NOT NULL, tax_rate numeric NOT NULL,
  quantity numeric NOT NULL, unit_price numeric NOT NULL, amount numeric NOT NULL, held numeric NOT NULL,
  taken numeric NOT NULL, shipped numeric NOT NULL, shipped_amount numeric NOT NULL,
  PRIMARY KEY (order_id, id)) WITH (fillfactor = 80);
CREATE TABLE order_history (
  order_id uuid NOT NULL, version bigint NOT NULL, at timestamptz NOT NULL, by text NOT NULL,
  what text NOT NULL, detail text NOT NULL, status text NOT NULL, financial_status text NOT NULL,
  PRIMARY KEY (order_id, version));
CREATE TABLE stock (
  warehouse_id uuid NOT NULL, sku text NOT NULL, on_hand numeric(14, 3) NOT NULL CHECK (on_hand >= 0),
  held numeric(14, 3) NOT NULL CHECK (held >= 0), version bigint NOT NULL,
  PRIMARY KEY (warehouse_id, sku)) WITH (fillfactor = 70);
CREATE TABLE stock_movement (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, warehouse_id uuid NOT NULL, sku text NOT NULL,
  kind text NOT NULL, reference uuid NOT NULL, quantity numeric(14, 3) NOT NULL, at timestamptz NOT NULL);
CREATE INDEX stock_movement_stock ON stock_movement (warehouse_id, sku, id);
CREATE TABLE order_hold (
  order_id uuid PRIMARY KEY, store_id uuid NOT NULL, warehouse_id uuid NOT NULL, method text NOT NULL,
  revision integer NOT NULL, until timestamptz, placed_at timestamptz, released boolean NOT NULL,
  remind_at timestamptz, version bigint NOT NULL) WITH (fillfactor = 80);
CREATE INDEX order_hold_remind_at ON order_hold (remind_at) WHERE remind_at IS NOT NULL;
CREATE TABLE hold_line (
  order_id uuid NOT NULL, line_id uuid NOT NULL, warehouse_id uuid NOT NULL, sku text NOT NULL,
  position integer NOT NULL, placed_at timestamptz, wanted numeric(14, 3) NOT NULL,
  held numeric(14, 3) NOT NULL, taken numeric(14, 3) NOT NULL, awaiting numeric(14, 3) NOT NULL,
  PRIMARY KEY (order_id, line_id)) WITH (fillfactor = 80);
CREATE INDEX hold_line_line ON hold_line (line_id);
CREATE INDEX hold_line_held ON hold_line (warehouse_id, sku) WHERE held > 0;
CREATE TABLE order_account (
  order_id uuid PRIMARY KEY, currency text NOT NULL, store_id uuid, customer_id uuid,
  placed_at timestamptz, total numeric NOT NULL, paid numeric NOT NULL, deposit_left numeric NOT NULL,
  due_now numeric NOT NULL, shipped_value numeric NOT NULL, version bigint NOT NULL)
  WITH (fillfactor = 70);
CREATE INDEX order_account_customer ON order_account (customer_id);
CREATE TABLE payment (
  payment_id uuid PRIMARY KEY, order_id uuid NOT NULL, store_id uuid NOT NULL, method text NOT NULL,
  amount numeric NOT NULL, currency text NOT NULL, document_id uuid, allocated numeric NOT NULL,
  allocations jsonb NOT NULL, version bigint NOT NULL, at timestamptz NOT NULL, by text NOT NULL);
CREATE INDEX payment_order ON payment (order_id);
CREATE INDEX payment_store ON payment (store_id, at, payment_id);
CREATE TABLE transfer (
  id uuid PRIMARY KEY DEFAULT uuidv7(), idempotency_key text NOT NULL UNIQUE, debit_account text NOT NULL,
  credit_account text NOT NULL, amount numeric NOT NULL CHECK (amount > 0), currency text NOT NULL,
  kind text NOT NULL, event_id uuid NOT NULL, created_at timestamptz NOT NULL);
CREATE INDEX transfer_credit ON transfer (credit_account, created_at);
CREATE INDEX transfer_debit ON transfer (debit_account, created_at);
CREATE TABLE print_jobs (
  id uuid PRIMARY KEY, order_id uuid NOT NULL, store_id uuid NOT NULL, kind text NOT NULL,
  state text NOT NULL, copies integer NOT NULL, paper jsonb NOT NULL, at timestamptz NOT NULL,
  version bigint NOT NULL);
CREATE INDEX print_jobs_order ON print_jobs (order_id);
CREATE TABLE shipments (
  id uuid PRIMARY KEY, order_id uuid NOT NULL, store_id uuid NOT NULL, kind text NOT NULL,
  state text NOT NULL, value numeric, consumed numeric, due_now numeric, created_by text NOT NULL,
  created_at timestamptz NOT NULL, version bigint NOT NULL);
CREATE INDEX shipments_order_id ON shipments (order_id);
CREATE TABLE shipment_lines (
  shipment_id uuid NOT NULL, position integer NOT NULL, line_id uuid NOT NULL, sku text NOT NULL,
  quantity numeric NOT NULL, amount numeric, PRIMARY KEY (shipment_id, position));
CREATE TABLE document (
  document_id uuid PRIMARY KEY, order_id uuid NOT NULL, kind text NOT NULL, number text NOT NULL UNIQUE,
  currency text NOT NULL, total numeric NOT NULL, lines jsonb NOT NULL, advances numeric NOT NULL,
  paid numeric NOT NULL, state text NOT NULL, version bigint NOT NULL, issued_at timestamptz NOT NULL,
  issued_by text NOT NULL) WITH (fillfactor = 80);
CREATE INDEX document_order ON document (order_id);

-- A hundred warehouses with a hundred items each, as much of each as any run may want.
INSERT INTO stock
SELECT lpad(w::text, 32, '0')::uuid, lpad(s::text, 7, '0'), 100000000, 0, 1
FROM generate_series(1, 100) w, generate_series(1, 100) s;
