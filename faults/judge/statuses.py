"""I8: both statuses of every order follow from its holds, shipments and payments.

The rules are written down here a second time, from the flow page and not from the orders service,
and are given the other services' documents, not what the orders service heard of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from faults.judge.databases import Databases, Violation

ZERO = Decimal(0)
ORDERS = """
SELECT id, status, financial_status, agreed, cancelled, closed, first_status, holding,
       asked_revision, total, paid, refunded FROM orders"""
LINES = """
SELECT order_id, id, quantity, amount, held, taken, shipped, shipped_amount FROM order_lines
ORDER BY order_id, position"""
HOLDS = "SELECT order_id, revision, released FROM order_hold"
HOLD_LINES = "SELECT order_id, line_id, held, taken FROM hold_line"
SHIPPED = """
SELECT l.line_id, sum(l.quantity) AS quantity, sum(l.amount) AS amount
FROM shipments s JOIN shipment_lines l ON l.shipment_id = s.id WHERE s.state = 'posted'
GROUP BY 1"""
SHIPPINGS_COPY = "SELECT order_id, status FROM orders"
MONEY = """
WITH moved AS (
  SELECT order_id, amount AS paid, 0 AS refunded FROM payment WHERE cancelled_at IS NULL
  UNION ALL SELECT order_id, -amount, amount FROM refund)
SELECT order_id, sum(paid) AS paid, sum(refunded) AS refunded FROM moved GROUP BY 1"""
BILLINGS_COPY = "SELECT order_id, total, cancelled FROM order_account WHERE placed"


@dataclass(frozen=True, slots=True)
class Line:
    """What is ordered, and what the other services' documents say of it."""

    quantity: Decimal
    amount: Decimal
    held: Decimal
    taken: Decimal
    shipped: Decimal

    @property
    def gone(self) -> Decimal:
        return max(self.taken, self.shipped)


@dataclass(frozen=True, slots=True)
class Facts:
    """What people decided of an order, and what happened to its goods and money."""

    agreed: bool
    cancelled: bool
    closed: bool
    first_status: str
    holding: bool
    decided: bool
    lines: Sequence[Line]
    paid: Decimal
    refunded: Decimal


def main_status(facts: Facts) -> str:
    """The first line of the flow page's table that fits."""
    worth = sum((line.amount for line in facts.lines), ZERO)
    wanted = [line for line in facts.lines if line.quantity > 0]
    over = bool(wanted) and all(line.shipped >= line.quantity for line in wanted)
    if facts.cancelled and not any(line.gone > 0 for line in facts.lines):
        return "cancelled"
    if facts.closed or (over and facts.paid == worth):
        return "closed"
    if over:
        return "shipped"
    if not facts.agreed:
        return facts.first_status
    if not facts.decided:
        return "agreed"
    short = facts.holding and any(line.held + line.gone < line.quantity for line in wanted)
    return "in_progress" if short else "ready"


def financial_status(total: Decimal, facts: Facts, cancelled: bool) -> str:
    """Paid against the total, which is nothing for a cancelled order."""
    if facts.paid > total:
        return "overpaid"
    if facts.paid == total and not cancelled:
        return "paid"
    if facts.paid > 0:
        return "partly_paid"
    return "refunded" if facts.refunded > 0 else "unpaid"


async def violations(databases: Databases) -> list[Violation]:
    """Orders whose statuses or figures are not what the documents say."""
    orders = await databases.rows("orders", ORDERS)
    lines = _grouped(await databases.rows("orders", LINES))
    holds = {row["order_id"]: row for row in await databases.rows("inventory", HOLDS)}
    held = {
        (row["order_id"], row["line_id"]): row
        for row in await databases.rows("inventory", HOLD_LINES)
    }
    shipped = {row["line_id"]: row for row in await databases.rows("shipping", SHIPPED)}
    money = {row["order_id"]: row for row in await databases.rows("billing", MONEY)}
    found: list[Violation] = []
    for order in orders:
        own = lines.get(order["id"], [])
        documents = [
            (line, held.get((order["id"], line["id"])), shipped.get(line["id"])) for line in own
        ]
        moved = money.get(order["id"])
        facts = _facts(order, holds.get(order["id"]), documents, moved)
        expected = _figures(facts)
        kept = {name: order[name] for name in expected}
        found += _differences(order["id"], kept, expected)
        for line, hold, parts in documents:
            found += _differences(order["id"], *_of_line(line, hold, parts))
    return [*found, *await _copies(databases, orders)]


def _grouped(rows: Sequence[Any]) -> dict[UUID, list[Any]]:
    groups: dict[UUID, list[Any]] = {}
    for row in rows:
        groups.setdefault(row["order_id"], []).append(row)
    return groups


def _facts(order: Any, hold: Any, documents: Sequence[tuple[Any, Any, Any]], moved: Any) -> Facts:
    asked = order["asked_revision"]
    decided = hold is not None and 0 < asked <= hold["revision"] and not hold["released"]
    return Facts(
        agreed=order["agreed"],
        cancelled=order["cancelled"],
        closed=order["closed"],
        first_status=order["first_status"],
        holding=order["holding"],
        decided=decided,
        lines=[
            Line(
                line["quantity"],
                line["amount"],
                own["held"] if own else ZERO,
                own["taken"] if own else ZERO,
                parts["quantity"] if parts else ZERO,
            )
            for line, own, parts in documents
        ],
        paid=moved["paid"] if moved else ZERO,
        refunded=moved["refunded"] if moved else ZERO,
    )


def _figures(facts: Facts) -> dict[str, Any]:
    status = main_status(facts)
    cancelled = status == "cancelled"
    total = ZERO if cancelled else sum((line.amount for line in facts.lines), ZERO)
    return {
        "status": status,
        "financial_status": financial_status(total, facts, cancelled),
        "total": total,
        "paid": facts.paid,
        "refunded": facts.refunded,
    }


def _of_line(line: Any, hold: Any, parts: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    names = ("held", "taken", "shipped", "shipped_amount")
    expected = {
        "held": hold["held"] if hold else ZERO,
        "taken": hold["taken"] if hold else ZERO,
        "shipped": parts["quantity"] if parts else ZERO,
        "shipped_amount": parts["amount"] if parts else ZERO,
    }
    return {name: line[name] for name in names}, expected


def _differences(order_id: UUID, kept: dict[str, Any], expected: dict[str, Any]) -> list[Violation]:
    return [
        Violation(
            "I8", str(order_id), f"{name} is {kept[name]}, the documents say {expected[name]}"
        )
        for name in expected
        if kept[name] != expected[name]
    ]


async def _copies(databases: Databases, orders: Sequence[Any]) -> list[Violation]:
    """What shipping and billing decide by must be what the order is."""
    found: list[Violation] = []
    shippings = {row["order_id"]: row for row in await databases.rows("shipping", SHIPPINGS_COPY)}
    billings = {row["order_id"]: row for row in await databases.rows("billing", BILLINGS_COPY)}
    for order in orders:
        id, cancelled = order["id"], order["status"] == "cancelled"
        shipping, billing = shippings.get(id), billings.get(id)
        if shipping is None or shipping["status"] != order["status"]:
            status = shipping["status"] if shipping else "unknown"
            text = f"{order['status']}, but {status} to shipping"
            found.append(Violation("I8", str(id), text))
        if billing is None or (billing["total"], billing["cancelled"]) != (
            order["total"],
            cancelled,
        ):
            total = billing["total"] if billing else "unknown"
            text = f"worth {order['total']}, but {total} to billing"
            found.append(Violation("I8", str(id), text))
    return found
