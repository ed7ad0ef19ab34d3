"""I3: no unit is promised twice, held by nobody, or there without an entry that brought it."""

from uuid import UUID

from faults.judge.databases import Databases, Question, Violation

NEGATIVE = """
SELECT warehouse_id || ':' || sku AS subject,
       format('on hand %s, held %s: less than nothing', on_hand, held) AS text
FROM stock WHERE on_hand < 0 OR held < 0"""
# Where a line's held goods lie: a separate hold's in the temporary storage below its warehouse.
HELD = """
WITH open AS (
  SELECT CASE WHEN o.method = 'separate' THEN t.id ELSE o.warehouse_id END AS warehouse_id,
         l.sku, sum(l.held) AS held
  FROM hold_line l JOIN order_hold o USING (order_id)
  LEFT JOIN warehouses t ON t.parent_id = o.warehouse_id AND t.kind = 'temporary_storage'
  WHERE l.held > 0 GROUP BY 1, 2)
SELECT coalesce(s.warehouse_id, o.warehouse_id) || ':' || coalesce(s.sku, o.sku) AS subject,
       format('held is %s, its open holds add up to %s', coalesce(s.held, 0), coalesce(o.held, 0))
         AS text
FROM stock s FULL JOIN open o ON o.warehouse_id = s.warehouse_id AND o.sku = s.sku
WHERE coalesce(s.held, 0) <> coalesce(o.held, 0)"""
LEDGER = """
WITH entries AS (
  SELECT warehouse_id, sku, sum(quantity) AS quantity FROM stock_movement GROUP BY 1, 2)
SELECT coalesce(s.warehouse_id, e.warehouse_id) || ':' || coalesce(s.sku, e.sku) AS subject,
       format('on hand is %s, its ledger entries add up to %s', coalesce(s.on_hand, 0),
              coalesce(e.quantity, 0)) AS text
FROM stock s FULL JOIN entries e ON e.warehouse_id = s.warehouse_id AND e.sku = s.sku
WHERE coalesce(s.on_hand, 0) <> coalesce(e.quantity, 0)"""
# Each entry belongs to a document that says the same: goods neither appear nor go by themselves.
DOCUMENTS = """
WITH documents AS (
  SELECT r.id AS reference, r.warehouse_id, l.sku, l.quantity
  FROM receipts r JOIN receipt_lines l ON l.receipt_id = r.id
  UNION ALL
  SELECT t.id, t.from_warehouse_id, l.sku, -l.quantity
  FROM transfers t JOIN transfer_lines l ON l.transfer_id = t.id
  UNION ALL
  SELECT t.id, t.to_warehouse_id, l.sku, l.quantity
  FROM transfers t JOIN transfer_lines l ON l.transfer_id = t.id),
said AS (SELECT reference, warehouse_id, sku, sum(quantity) AS quantity
         FROM documents GROUP BY 1, 2, 3),
entered AS (SELECT reference, warehouse_id, sku, sum(quantity) AS quantity
            FROM stock_movement WHERE kind <> 'hand_over' GROUP BY 1, 2, 3)
SELECT coalesce(s.reference, e.reference)::text AS subject,
       format('its document moves %s of %s, the ledger %s', coalesce(s.quantity, 0),
              coalesce(s.sku, e.sku), coalesce(e.quantity, 0)) AS text
FROM said s FULL JOIN entered e
  ON e.reference = s.reference AND e.warehouse_id = s.warehouse_id AND e.sku = s.sku
WHERE coalesce(s.quantity, 0) <> coalesce(e.quantity, 0)"""
HAND_OVERS = """
WITH said AS (
  SELECT t.shipment_id AS reference, line ->> 1 AS sku, sum((line ->> 2)::numeric) AS quantity
  FROM take_outs t, jsonb_array_elements(t.lines) AS line WHERE t.refused IS NULL GROUP BY 1, 2),
entered AS (SELECT reference, sku, -sum(quantity) AS quantity
            FROM stock_movement WHERE kind = 'hand_over' GROUP BY 1, 2)
SELECT coalesce(s.reference, e.reference)::text AS subject,
       format('%s of %s were handed over, the ledger says %s', coalesce(s.quantity, 0),
              coalesce(s.sku, e.sku), coalesce(e.quantity, 0)) AS text
FROM said s FULL JOIN entered e ON e.reference = s.reference AND e.sku = s.sku
WHERE coalesce(s.quantity, 0) <> coalesce(e.quantity, 0)"""
TAKEN = """
WITH gone AS (
  SELECT (line ->> 0)::uuid AS line_id, t.order_id, sum((line ->> 2)::numeric) AS quantity
  FROM take_outs t, jsonb_array_elements(t.lines) AS line WHERE t.refused IS NULL GROUP BY 1, 2)
SELECT coalesce(l.order_id, g.order_id)::text AS subject,
       format('a line has %s taken, its hand-overs took %s', coalesce(l.taken, 0),
              coalesce(g.quantity, 0)) AS text
FROM hold_line l FULL JOIN gone g ON g.order_id = l.order_id AND g.line_id = l.line_id
WHERE coalesce(l.taken, 0) <> coalesce(g.quantity, 0)"""
RELEASED = """
SELECT o.order_id::text AS subject, format('released, and still holds %s of %s', l.held, l.sku)
  AS text
FROM order_hold o JOIN hold_line l USING (order_id) WHERE o.released AND l.held > 0"""
QUESTIONS = tuple(
    Question("inventory", sql)
    for sql in (NEGATIVE, HELD, LEDGER, DOCUMENTS, HAND_OVERS, TAKEN, RELEASED)
)

# Held beyond what is there: only in a main warehouse, by a hand-over that the store's setting or a
# manager allowed. `warned`: whether the setting was ever `warn`.
BROKEN = """
SELECT s.warehouse_id, s.sku, s.on_hand, s.held,
       w.kind = 'main' AND EXISTS (
         SELECT FROM stock_movement m WHERE m.warehouse_id = s.warehouse_id AND m.sku = s.sku
         AND m.kind = 'hand_over') AS explicable,
       st.held_goods_sale = 'warn' OR EXISTS (
         SELECT FROM outbox b WHERE b.topic = 'inventory.stores' AND b.key = st.id::text
         AND convert_from(b.payload, 'UTF8')::jsonb ->> 'held_goods_sale' = 'warn') AS warned
FROM stock s JOIN warehouses w ON w.id = s.warehouse_id JOIN stores st ON st.id = w.store_id
WHERE s.held > s.on_hand"""
OVERRIDDEN = """
SELECT DISTINCT o.warehouse_id, l.sku FROM shipments s JOIN orders o USING (order_id)
JOIN shipment_lines l ON l.shipment_id = s.id WHERE s.override AND s.state <> 'draft'"""


async def violations(databases: Databases) -> list[Violation]:
    """Stock that holds, hand-overs and the ledger do not explain, and units promised twice."""
    found = await databases.ask("I3", QUESTIONS)
    broken = await databases.rows("inventory", BROKEN)
    if not broken:
        return found
    # After inventory's: an override is written down before its goods are asked for.
    rows = await databases.rows("shipping", OVERRIDDEN)
    overridden: set[tuple[UUID, str]] = {(row["warehouse_id"], row["sku"]) for row in rows}
    for row in broken:
        spot = (row["warehouse_id"], row["sku"])
        if row["explicable"] and (row["warned"] or spot in overridden):
            continue
        text = f"held {row['held']} of {row['on_hand']} on hand, and nobody was allowed to break it"
        found.append(Violation("I3", f"{spot[0]}:{spot[1]}", text))
    return found
