"""I5: every order is finished, or waits for someone named, or its deadline is still to come."""

from typing import Any

from faults.judge.databases import Databases, Question, Violation

UNANSWERED = Question(
    "orders",
    """
    SELECT id::text AS subject, format('%s, and inventory never answered revision %s (it is at %s)',
           status, revision, decided_revision) AS text
    FROM orders WHERE decided_revision < revision""",
)
POSTING = Question(
    "orders",
    """
    SELECT order_id::text AS subject,
           'the outcome of shipment ' || shipment_id || ' is not known' AS text
    FROM order_postings""",
)
UNDECIDED = Question(
    "shipping",
    """
    SELECT order_id::text AS subject, 'shipment ' || id || ' waits for inventory' AS text
    FROM shipments WHERE state = 'posting'""",
)
UNSETTLED = Question(
    "shipping",
    """
    SELECT order_id::text AS subject, 'shipment ' || id || ' waits for billing' AS text
    FROM shipments WHERE state = 'posted' AND due_now IS NULL""",
)
QUESTIONS = (UNANSWERED, POSTING, UNDECIDED, UNSETTLED)

STANDING = """
SELECT id, status, marked, revision, holding FROM orders
WHERE revision > 0 OR status NOT IN ('draft', 'pending_approval')"""
HOLDS = """
SELECT o.order_id, o.revision, o.released, o.until, o.remind_at,
       coalesce(sum(l.held), 0) AS held, coalesce(sum(l.awaiting), 0) AS awaiting
FROM order_hold o LEFT JOIN hold_line l USING (order_id)
GROUP BY o.order_id"""
FINISHED = ("closed", "cancelled")
# Who an order in each other status waits for; nobody waits in any other.
WAITS_FOR = {
    "draft": "its clerk",
    "pending_approval": "staff to agree",
    "agreed": "inventory",
    "in_progress": "goods, or the customer",
    "ready": "the customer",
    "shipped": "payment",
}


async def violations(databases: Databases) -> list[Violation]:
    """Orders that are not finished and that nobody has in hand."""
    found = await databases.ask("I5", QUESTIONS)
    holds = {row["order_id"]: row for row in await databases.rows("inventory", HOLDS)}
    for order in await databases.rows("orders", STANDING):
        text = _forgotten(order, holds.get(order["id"]))
        if text is not None:
            found.append(Violation("I5", str(order["id"]), text))
    return found


def _forgotten(order: Any, hold: Any) -> str | None:
    """Why nobody has the order in hand; None when somebody has, or it is finished."""
    over = order["status"] in FINISHED or order["marked"]
    if over:
        if hold is not None and (hold["held"] > 0 or hold["awaiting"] > 0):
            return f"{order['status']}, and its goods are still held or waited for"
        return None
    if order["status"] not in WAITS_FOR:
        return f"{order['status']}: nobody knows what that waits for"
    if hold is None or hold["revision"] != order["revision"]:
        there = "nothing" if hold is None else f"revision {hold['revision']}"
        return f"{order['status']}, asked for revision {order['revision']}, inventory has {there}"
    if order["holding"] and hold["released"]:
        return f"{order['status']}, and inventory has let its goods go"
    if hold["held"] > 0 and hold["until"] is None:
        return f"{order['status']}, and its goods are held without an end"
    return None
