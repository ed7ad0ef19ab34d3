"""I7: of each change that a customer is told of there is one e-mail and one account message."""

import json
from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

from contracts import topics

from faults.judge.databases import Databases, Question, Violation

# What the customer is told of: facts of orders that changed something, and ends of holds.
CHANGES = f"""
SELECT event_id, key AS order_id, version FROM outbox
WHERE topic = '{topics.ORDERS}'
AND jsonb_array_length(convert_from(payload, 'UTF8')::jsonb -> 'changed') > 0"""
REMINDERS = f"""
SELECT event_id, convert_from(payload, 'UTF8')::jsonb ->> 'order_id' AS order_id FROM outbox
WHERE topic = '{topics.HOLDS}' AND type = 'hold_ending.v1'"""
ORDERS = "SELECT id::text AS id, customer_id::text AS customer_id, notify FROM orders"
# Every e-mail address that a card ever had; an erased card has no rows here but its tombstone.
CARDS = f"""
SELECT key, payload FROM outbox WHERE topic = '{topics.CUSTOMERS}' ORDER BY position"""
MESSAGES = (
    "SELECT id::text AS id, event_id, order_id::text AS order_id, channel, state FROM messages"
)
SAID = f"""
SELECT key, count(*) AS count FROM outbox WHERE topic = '{topics.MESSAGES}' GROUP BY key"""
PENDING = Question(
    "notifications",
    """
    SELECT p.customer_key AS subject, 'news ' || p.event_id || ' waits for a card that is known'
      AS text
    FROM pending p JOIN customers c ON c.key = p.customer_key""",
)


async def violations(databases: Databases) -> list[Violation]:
    """Changes that were not told, told twice, or messages of nothing."""
    found = await databases.ask("I7", [PENDING])
    made: dict[UUID, Counter[str]] = defaultdict(Counter)
    messages = await databases.rows("notifications", MESSAGES)
    for row in messages:
        made[row["event_id"]][row["channel"]] += 1
    changes = await databases.rows("orders", CHANGES)
    orders = {row["id"]: row for row in await databases.rows("orders", ORDERS)}
    addresses = _addresses(await databases.rows("orders", CARDS))
    for change in changes:
        order = orders.get(change["order_id"])
        if order is not None:
            told = made[change["event_id"]]
            found += _compare(change, told, order, addresses.get(order["customer_id"]))
    reminders = await databases.rows("inventory", REMINDERS)
    for reminder in reminders:
        told, order = made[reminder["event_id"]], orders.get(reminder["order_id"])
        # Nobody is reminded of what is over by then, so only too many can be told.
        if told and (max(told.values()) > 1 or (order is not None and not order["notify"])):
            text = f"reminder told by {dict(told)}"
            found.append(Violation("I7", reminder["order_id"], text))
    known = {row["event_id"] for row in [*changes, *reminders]}
    found += [
        Violation("I7", row["order_id"], f"{row['channel']} message {row['id']} tells of nothing")
        for row in messages
        if row["event_id"] not in known
    ]
    return [*found, *await _sendings(databases, messages)]


def _addresses(rows: list[Any]) -> dict[str, list[str | None]]:
    """The addresses of each card that is not erased, in turn."""
    found: dict[str, list[str | None]] = {}
    for row in rows:
        if row["payload"] is None:
            found.pop(row["key"], None)
        else:
            found.setdefault(row["key"], []).append(json.loads(row["payload"])["email"])
    return found


def _compare(
    change: Any, told: Counter[str], order: Any, addresses: list[str | None] | None
) -> list[Violation]:
    """What the change was told by against what it had to be; addresses None: no card, or erased."""
    wanted = {"account": (0, 0), "email": (0, 0)}
    if not order["notify"]:
        return [Violation("I7", change["order_id"], "somebody was told")] if told else []
    if addresses is not None:
        wanted = {"account": (1, 1), "email": (int(all(addresses)), int(any(addresses)))}
    elif order["customer_id"] is not None:
        wanted = {"account": (0, 1), "email": (0, 1)}  # Erased, before the change or after it.
    return [
        Violation(
            "I7",
            change["order_id"],
            f"change {change['version']} has {told[channel]} {channel} messages, not {most}",
        )
        for channel, (least, most) in wanted.items()
        if not least <= told[channel] <= most
    ]


async def _sendings(databases: Databases, messages: list[Any]) -> list[Violation]:
    """Every message that has ended was said to have, once."""
    said = {row["key"]: row["count"] for row in await databases.rows("notifications", SAID)}
    found = []
    for row in messages:
        over = row["state"] in ("sent", "failed")
        count = said.get(row["id"], 0)
        if count != int(over):
            what = f"{row['channel']} message {row['id']} is {row['state']}"
            text = f"{what}, and its end was said {count} times"
            found.append(Violation("I7", row["order_id"], text))
    return found
