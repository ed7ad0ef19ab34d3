-- A whole order in five transactions: accepted and held, deposit, hand-over, invoice, paid and closed.
\set w random(1, 100)
\set s random(1, 34)
\set c random(1, 2500)
WITH o AS MATERIALIZED (
  SELECT uuidv7() AS id, nextval('order_numbers') AS n, now() AS at, lpad(:c::text, 32, '0')::uuid AS customer,
    lpad(:w::text, 32, '0')::uuid AS place),
l AS MATERIALIZED (
  SELECT o.*, uuidv7() AS line, p AS position, lpad((:s + 33 * (p - 1))::text, 7, '0') AS sku
  FROM o, generate_series(1, 3) p),
a1 AS (INSERT INTO idempotency(principal, key, fingerprint, status, subject)
  SELECT 'manager@demo.example', id::text, sha256(id::text::bytea), 201, id::text FROM o),
a2 AS (INSERT INTO orders
  SELECT id, n::text, place, 'counter', customer, 'USD', at, 'manager@demo.example', 'nominal', place,
    at + interval '3 days', 50, true, '[]', sha256(id::text::bytea), true, 1, 1, 0, 2, 'ready', 'unpaid',
    30.00, 0, false, false FROM o),
a3 AS (INSERT INTO order_lines
  SELECT id, line, position, sku, 'An item of the chain, 16 OZ', 'piece', false, 0, 1, 10.0000, 10.00,
    1, 0, 0, 0 FROM l),
a4 AS (INSERT INTO order_history
  SELECT id, v, at, 'manager@demo.example', 'placed', '', 'ready', 'unpaid'
  FROM o, generate_series(1, 2) v),
a5 AS (INSERT INTO order_hold
  SELECT id, place, place, 'nominal', 1, at + interval '3 days', at, false, at + interval '2 days', 1 FROM o),
a6 AS (INSERT INTO hold_line SELECT id, line, place, sku, position, at, 1, 1, 0, 0 FROM l),
a7 AS (UPDATE stock SET held = held + 1, version = version + 1
  WHERE warehouse_id = lpad(:w::text, 32, '0')::uuid
    AND sku IN (lpad(:s::text, 7, '0'), lpad((:s + 33)::text, 7, '0'), lpad((:s + 66)::text, 7, '0'))),
a8 AS (INSERT INTO order_account
  SELECT id, 'USD', place, customer, at, 30.00, 0, 0, 0, 0, 0 FROM o),
b AS (INSERT INTO outbox(event_id, topic, key, version, type, payload, headers)
SELECT uuidv7(), t.topic, o.id::text, t.version, t.type, convert_to(repeat('x', t.size), 'UTF8'),
  '{"traceparent": "00-00000000000000000000000000000001-0000000000000001-01"}'
FROM o, (VALUES ('orders.orders', 1, 'order_placed.v1', 1400),
  ('inventory.commands', 0, 'hold_goods.v1', 700), ('inventory.holds', 1, 'holds_decided.v1', 750),
  ('orders.orders', 2, 'order_progressed.v1', 850)) AS t(topic, version, type, size))
SELECT id, place, customer FROM o \gset

-- The deposit: payment, ledger, account, order; payment_posted, order_progressed, the receipt's job.
WITH p AS MATERIALIZED (SELECT uuidv7() AS id, uuidv7() AS event, now() AS at),
a1 AS (INSERT INTO idempotency(principal, key, fingerprint, status, subject)
  SELECT 'manager@demo.example', id::text, sha256(id::text::bytea), 201, id::text FROM p),
a2 AS (INSERT INTO payment
  SELECT id, :id::uuid, :place::uuid, 'cash', 15.00, 'USD', NULL, 15.00,
    '[{"amount": "15.00", "term_id": null, "document_id": null}]', 1, at, 'manager@demo.example' FROM p),
a3 AS (INSERT INTO transfer(idempotency_key, debit_account, credit_account, amount, currency, kind, event_id,
    created_at)
  SELECT id::text || '-deposit', 'cash:' || :place::text, 'deposits:' || :id::text, 15.00, 'USD', 'payment', event, at
  FROM p),
a4 AS (UPDATE order_account SET paid = 15, deposit_left = 15, version = 1 WHERE order_id = :id::uuid),
a5 AS (UPDATE orders SET paid = 15, financial_status = 'partly_paid', paid_unshipped = true, version = 3
  WHERE id = :id::uuid),
a6 AS (INSERT INTO order_history
  SELECT :id::uuid, 3, at, 'billing', 'paid', '15.00', 'ready', 'partly_paid' FROM p),
a7 AS (INSERT INTO print_jobs
  SELECT id, :id::uuid, :place::uuid, 'deposit_receipt', 'printed', 1,
    jsonb_build_object('paper', repeat('x', 1200)), at, 3 FROM p)
INSERT INTO outbox(event_id, topic, key, version, type, payload, headers)
SELECT uuidv7(), t.topic, :id::text, t.version, t.type, convert_to(repeat('x', t.size), 'UTF8'),
  '{"traceparent": "00-00000000000000000000000000000001-0000000000000001-01"}'
FROM (VALUES ('billing.accounts', 1, 'payment_posted.v1', 550), ('orders.orders', 3, 'order_progressed.v1', 850),
  ('devices.commands', 0, 'print_paper.v1', 1300), ('devices.print-jobs', 1, 'print_job_changed.v1', 400))
  AS t(topic, version, type, size);

-- The hand-over: shipment, goods out, deposit consumed; what each service says of it.
WITH s AS MATERIALIZED (SELECT uuidv7() AS id, uuidv7() AS event, now() AS at),
l AS MATERIALIZED (SELECT line_id, sku, position FROM hold_line WHERE order_id = :id::uuid),
a1 AS (INSERT INTO idempotency(principal, key, fingerprint, status, subject)
  SELECT 'manager@demo.example', id::text, sha256(id::text::bytea), 201, id::text FROM s),
a2 AS (INSERT INTO shipments
  SELECT id, :id::uuid, :place::uuid, 'hand_over', 'posted', 30.00, 15.00, 15.00, 'manager@demo.example',
    at, 3 FROM s),
a3 AS (INSERT INTO shipment_lines SELECT s.id, position, line_id, sku, 1, 10.00 FROM s, l),
a4 AS (UPDATE stock SET on_hand = on_hand - 1, held = held - 1, version = version + 1
  WHERE warehouse_id = :place::uuid
    AND sku IN (lpad(:s::text, 7, '0'), lpad((:s + 33)::text, 7, '0'), lpad((:s + 66)::text, 7, '0'))),
a5 AS (INSERT INTO stock_movement(warehouse_id, sku, kind, reference, quantity, at)
  SELECT :place::uuid, sku, 'hand_over', s.id, -1, at FROM s, l),
a6 AS (UPDATE hold_line SET held = 0, taken = 1 WHERE order_id = :id::uuid),
a7 AS (UPDATE order_hold SET remind_at = NULL, version = 2 WHERE order_id = :id::uuid),
a8 AS (INSERT INTO transfer(idempotency_key, debit_account, credit_account, amount, currency, kind, event_id,
    created_at)
  SELECT id::text || k.suffix, k.debit, k.credit, k.amount, 'USD', k.kind, event, at
  FROM s, (VALUES ('-revenue', 'receivable:' || :id::text, 'revenue:' || :place::text, 30.00, 'hand_over'),
    ('-consumed', 'deposits:' || :id::text, 'receivable:' || :id::text, 15.00, 'deposit_consumed'))
    AS k(suffix, debit, credit, amount, kind)),
a9 AS (UPDATE order_account SET deposit_left = 0, due_now = 15, shipped_value = 30, version = 2
  WHERE order_id = :id::uuid),
a10 AS (UPDATE orders SET status = 'shipped', shipped_amount = 30, shipped_unpaid = true, paid_unshipped = false,
  version = 4 WHERE id = :id::uuid),
a11 AS (UPDATE order_lines SET held = 0, taken = 1, shipped = 1, shipped_amount = 10 WHERE order_id = :id::uuid),
a12 AS (INSERT INTO order_history
  SELECT :id::uuid, 4, at, 'shipping', 'shipped', '', 'shipped', 'partly_paid' FROM s)
INSERT INTO outbox(event_id, topic, key, version, type, payload, headers)
SELECT uuidv7(), t.topic, :id::text, t.version, t.type, convert_to(repeat('x', t.size), 'UTF8'),
  '{"traceparent": "00-00000000000000000000000000000001-0000000000000001-01"}'
FROM (VALUES ('inventory.commands', 0, 'take_out.v1', 550), ('inventory.holds', 2, 'goods_taken.v1', 1000),
  ('shipping.shipments', 1, 'shipment_posted.v1', 700), ('billing.accounts', 2, 'hand_over_settled.v1', 550),
  ('orders.orders', 4, 'order_progressed.v1', 850)) AS t(topic, version, type, size);

-- The invoice.
WITH d AS MATERIALIZED (SELECT uuidv7() AS id, now() AS at),
a1 AS (INSERT INTO idempotency(principal, key, fingerprint, status, subject)
  SELECT 'manager@demo.example', id::text, sha256(id::text::bytea), 201, id::text FROM d),
a2 AS (INSERT INTO document
  SELECT id, :id::uuid, 'invoice', id::text, 'USD', 30.00, jsonb_build_object('lines', repeat('x', 500)),
    15.00, 0, 'open', 1, at, 'manager@demo.example' FROM d)
INSERT INTO outbox(event_id, topic, key, version, type, payload, headers)
SELECT uuidv7(), 'billing.documents', id::text, 1, 'document_issued.v1', convert_to(repeat('x', 600), 'UTF8'),
  '{"traceparent": "00-00000000000000000000000000000001-0000000000000001-01"}'
FROM d RETURNING key AS document \gset

-- The rest is paid and the order is closed.
WITH p AS MATERIALIZED (SELECT uuidv7() AS id, uuidv7() AS event, now() AS at),
a1 AS (INSERT INTO idempotency(principal, key, fingerprint, status, subject)
  SELECT 'manager@demo.example', id::text, sha256(id::text::bytea), 201, id::text FROM p),
a2 AS (INSERT INTO payment
  SELECT id, :id::uuid, :place::uuid, 'cash', 15.00, 'USD', :document::uuid, 15.00,
    '[{"amount": "15.00", "term_id": null, "document_id": null}]', 2, at, 'manager@demo.example' FROM p),
a3 AS (INSERT INTO transfer(idempotency_key, debit_account, credit_account, amount, currency, kind, event_id,
    created_at)
  SELECT id::text || '-due', 'cash:' || :place::text, 'receivable:' || :id::text, 15.00, 'USD', 'payment', event, at
  FROM p),
a4 AS (UPDATE order_account SET paid = 30, due_now = 0, version = 3 WHERE order_id = :id::uuid),
a5 AS (UPDATE document SET paid = 15, state = 'paid', version = 2 WHERE document_id = :document::uuid),
a6 AS (UPDATE orders SET paid = 30, status = 'closed', financial_status = 'paid', shipped_unpaid = false,
  version = 5 WHERE id = :id::uuid),
a7 AS (INSERT INTO order_history
  SELECT :id::uuid, 5, at, 'billing', 'paid', '15.00', 'closed', 'paid' FROM p)
INSERT INTO outbox(event_id, topic, key, version, type, payload, headers)
SELECT uuidv7(), t.topic, :id::text, t.version, t.type, convert_to(repeat('x', t.size), 'UTF8'),
  '{"traceparent": "00-00000000000000000000000000000001-0000000000000001-01"}'
FROM (VALUES ('billing.accounts', 3, 'payment_posted.v1', 550),
  ('billing.documents', 2, 'document_paid_changed.v1', 300), ('orders.orders', 5, 'order_progressed.v1', 850))
  AS t(topic, version, type, size);
