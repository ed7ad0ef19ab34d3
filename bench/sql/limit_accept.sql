-- One order of three lines is accepted and its goods are held: one transaction, one round trip.
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
  SELECT id, 'USD', place, customer, at, 30.00, 0, 0, 0, 0, 0 FROM o)
-- order_placed, hold_goods, holds_decided and order_progressed, of the sizes that they have.
INSERT INTO outbox(event_id, topic, key, version, type, payload, headers)
SELECT uuidv7(), t.topic, o.id::text, t.version, t.type, convert_to(repeat('x', t.size), 'UTF8'),
  '{"traceparent": "00-00000000000000000000000000000001-0000000000000001-01"}'
FROM o, (VALUES ('orders.orders', 1, 'order_placed.v1', 1400),
  ('inventory.commands', 0, 'hold_goods.v1', 700), ('inventory.holds', 1, 'holds_decided.v1', 750),
  ('orders.orders', 2, 'order_progressed.v1', 850)) AS t(topic, version, type, size);
