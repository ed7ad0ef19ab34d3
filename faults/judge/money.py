"""I4: every amount is in the ledger once, and every balance is the sum of its transfers.

A transfer has one amount, one currency, one debit and one credit, so debits equal credits by its
shape; what can go wrong is a transfer too many, too few, or in another currency than its order's.
"""

from faults.judge.databases import Databases, Question, Violation

ACCOUNTS = """moves AS (
  SELECT debit_account AS account, currency, amount FROM transfer
  UNION ALL SELECT credit_account, currency, -amount FROM transfer),
sums AS (SELECT account, sum(amount) AS balance FROM moves GROUP BY 1)"""
CURRENCIES = f"""
WITH {ACCOUNTS}
SELECT DISTINCT a.order_id::text AS subject,
       format('a transfer of it is in %s, the order in %s', m.currency, a.currency) AS text
FROM moves m JOIN order_account a ON a.order_id::text = split_part(m.account, ':', 2)
WHERE split_part(m.account, ':', 1) IN ('deposits', 'receivable') AND m.currency <> a.currency"""
BALANCES = f"""
WITH {ACCOUNTS}
SELECT a.order_id::text AS subject,
       format('deposit %s and due %s, its transfers add up to %s and %s', a.deposit_left, a.due_now,
              -coalesce(d.balance, 0), coalesce(r.balance, 0)) AS text
FROM order_account a
LEFT JOIN sums d ON d.account = 'deposits:' || a.order_id
LEFT JOIN sums r ON r.account = 'receivable:' || a.order_id
WHERE a.deposit_left <> -coalesce(d.balance, 0) OR a.due_now <> coalesce(r.balance, 0)"""
NOBODYS = f"""
WITH {ACCOUNTS}
SELECT s.account AS subject, 'an account of an order that is not there' AS text FROM sums s
WHERE split_part(s.account, ':', 1) IN ('deposits', 'receivable') AND NOT EXISTS (
  SELECT FROM order_account a WHERE a.order_id::text = split_part(s.account, ':', 2))"""
FIGURES = """
WITH paid AS (SELECT order_id, sum(amount) FILTER (WHERE cancelled_at IS NULL) AS amount
              FROM payment GROUP BY 1),
refunded AS (SELECT order_id, sum(amount) AS amount FROM refund GROUP BY 1),
shipped AS (SELECT order_id, sum(value) AS amount FROM hand_over GROUP BY 1)
SELECT a.order_id::text AS subject,
       format('paid %s, refunded %s, shipped %s; its documents say %s, %s, %s', a.paid, a.refunded,
              a.shipped_value, coalesce(p.amount, 0) - coalesce(r.amount, 0),
              coalesce(r.amount, 0), coalesce(s.amount, 0)) AS text
FROM order_account a LEFT JOIN paid p USING (order_id) LEFT JOIN refunded r USING (order_id)
LEFT JOIN shipped s USING (order_id)
WHERE (a.paid, a.refunded, a.shipped_value) IS DISTINCT FROM
  (coalesce(p.amount, 0) - coalesce(r.amount, 0), coalesce(r.amount, 0), coalesce(s.amount, 0))"""
# What each document is to move, by the beginning of its transfers' keys; what the deposit covers of
# an order that wants nothing more has no document.
ENTRIES = """
WITH documents AS (
  SELECT 'payment' AS kind, payment_id AS id, amount FROM payment
  UNION ALL SELECT 'cancel', payment_id, amount FROM payment WHERE cancelled_at IS NOT NULL
  UNION ALL SELECT 'refund', refund_id, amount FROM refund
  UNION ALL SELECT 'hand_over', shipment_id, value + consumed FROM hand_over),
said AS (SELECT kind, id::text, amount FROM documents WHERE amount <> 0),
posted AS (
  SELECT split_part(idempotency_key, ':', 1) AS kind, split_part(idempotency_key, ':', 2) AS id,
         sum(amount) AS amount FROM transfer WHERE idempotency_key NOT LIKE 'consumed:%'
  GROUP BY 1, 2)
SELECT coalesce(s.id, p.id) AS subject,
       format('a %s of %s, the ledger moved %s for it', coalesce(s.kind, p.kind),
              coalesce(s.amount, 0), coalesce(p.amount, 0)) AS text
FROM said s FULL JOIN posted p ON p.kind = s.kind AND p.id = s.id
WHERE coalesce(s.amount, 0) <> coalesce(p.amount, 0)"""
CONSUMED = """
SELECT split_part(account, ':', 2) AS subject,
       format('%s of deposit was consumed or given back, only %s was paid', out_, in_) AS text
FROM (
  SELECT account, sum(amount) FILTER (WHERE paid_in) AS in_,
         sum(amount) FILTER (WHERE NOT paid_in) AS out_
  FROM (SELECT credit_account AS account, amount, true AS paid_in FROM transfer
        UNION ALL SELECT debit_account, amount, false FROM transfer) AS sides
  WHERE account LIKE 'deposits:%' GROUP BY 1) AS flows
WHERE coalesce(out_, 0) > coalesce(in_, 0)"""
UNCOVERED = """
SELECT order_id::text AS subject,
       format('all is handed over, %s is due while %s of deposit is left', due_now, deposit_left)
         AS text
FROM order_account
WHERE placed AND NOT cancelled AND shipped_value >= total AND due_now > 0 AND deposit_left > 0"""
QUESTIONS = tuple(
    Question("billing", sql)
    for sql in (CURRENCIES, BALANCES, NOBODYS, FIGURES, ENTRIES, CONSUMED, UNCOVERED)
)


async def violations(databases: Databases) -> list[Violation]:
    """Money that its documents and transfers do not explain."""
    return await databases.ask("I4", QUESTIONS)
