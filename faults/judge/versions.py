"""I2: whoever follows an aggregate has seen all of it, and everything said was sent."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import billing.app
import devices.app
import identity.app
import inventory.app
import notifications.app
import orders.app
import shipping.app
from chassis.service import Service
from chassis.subscriptions import Subscription, obey_commands
from contracts import topics
from contracts.message import Command

from faults.judge.databases import Databases, Question, Violation

SERVICES: dict[str, Service] = {
    one.service.name: one.service
    for one in (
        orders.app,
        inventory.app,
        billing.app,
        shipping.app,
        notifications.app,
        devices.app,
        identity.app,
    )
}
# Agents say these on Kafka themselves, so no outbox knows them.
WITHOUT_OUTBOX = (topics.PRINT_RESULTS,)
UNSENT = """
SELECT topic || ' ' || key AS subject, format('version %s was never sent', version) AS text
FROM outbox WHERE published_at IS NULL"""
PARKED = """
SELECT topic || ' ' || key AS subject,
       format('version %s is parked for %s (%s): %s', version, subscriber, reason, error) AS text
FROM parked WHERE resolved_at IS NULL"""
# Version 0: commands, dead letters. States are told once a batch, so they may leave some out.
NUMBERS = """
SELECT topic || ' ' || key AS subject,
       format('%s facts are kept from version %s to %s', count(*), min(version), max(version))
         AS text
FROM outbox WHERE version > 0 AND topic = ANY($1::text[])
GROUP BY topic, key HAVING count(*) <> max(version) - min(version) + 1
  OR count(DISTINCT version) <> count(*)"""
# Positions follow the versions of a key: the relay sends by position.
ORDER = """
SELECT topic || ' ' || key AS subject,
       format('version %s was written down after a later one', version) AS text
FROM (SELECT topic, key, version,
             max(version) OVER (PARTITION BY topic, key ORDER BY position) AS highest
      FROM outbox WHERE version > 0) AS said WHERE version < highest"""
SAID = "SELECT key, max(version) AS version FROM outbox WHERE topic = $1 GROUP BY key"
SEEN = "SELECT key, version FROM seen WHERE subscriber = $1"
COMMANDS = "SELECT event_id, key FROM outbox WHERE topic = $1"
OBEYED = """
SELECT event_id FROM inbox WHERE subscriber = $1
UNION SELECT event_id FROM parked WHERE subscriber = $1"""
STUCK = "SELECT subscriber, key FROM parked WHERE resolved_at IS NULL AND reason <> 'gap'"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A table whose rows count the facts that were said of them."""

    service: str
    topic: str
    sql: str  # Gives key and version.


AGGREGATES = (
    Aggregate("orders", topics.ORDERS, "SELECT id::text AS key, version FROM orders"),
    Aggregate("inventory", topics.HOLDS, "SELECT order_id::text AS key, version FROM order_hold"),
    Aggregate(
        "inventory",
        topics.STOCK,
        "SELECT warehouse_id || ':' || sku AS key, version FROM stock",
    ),
    Aggregate(
        "billing", topics.ACCOUNTS, "SELECT order_id::text AS key, version FROM order_account"
    ),
    Aggregate(
        "billing", topics.DOCUMENTS, "SELECT document_id::text AS key, version FROM document"
    ),
    Aggregate("shipping", topics.SHIPMENTS, "SELECT id::text AS key, version FROM shipments"),
    Aggregate("devices", topics.PRINT_JOBS, "SELECT id::text AS key, version FROM print_jobs"),
)


@dataclass(frozen=True, slots=True)
class Lag:
    """What a follower has not seen; `stuck` when an operator must act first."""

    service: str
    subscriber: str
    topic: str
    key: str
    text: str
    stuck: bool


async def violations(databases: Databases) -> list[Violation]:
    """What was not sent, not seen, parked, left out or said twice."""
    facts = [topic.name for topic in topics.TOPICS if topic.kind == "fact"]
    found: list[Violation] = []
    for service in databases.urls:
        found += await databases.ask(
            "I2", [Question(service, sql) for sql in (UNSENT, PARKED, ORDER)]
        )
        rows = await databases.rows(service, NUMBERS, facts)
        found += [Violation("I2", row["subject"], row["text"]) for row in rows]
    for aggregate in AGGREGATES:
        found += await _unsaid(databases, aggregate)
    for lag in await lags(databases):
        subject = f"{lag.topic} {lag.key}"
        found.append(Violation("I2", subject, f"{lag.service}.{lag.subscriber} {lag.text}"))
    return found


async def _unsaid(databases: Databases, aggregate: Aggregate) -> list[Violation]:
    """Aggregates whose last change is not in the outbox, which keeps what was said for a week."""
    said = await _said(databases, aggregate.service, aggregate.topic)
    return [
        Violation(
            "I2",
            f"{aggregate.topic} {row['key']}",
            f"is at version {row['version']}, the last one said is {said.get(row['key'], 0)}",
        )
        for row in await databases.rows(aggregate.service, aggregate.sql)
        if row["version"] != said.get(row["key"], 0)
    ]


async def lags(databases: Databases) -> list[Lag]:
    """What followers have not seen of what was said."""
    stuck: set[tuple[str, str, str]] = set()
    for service in databases.urls:
        rows = await databases.rows(service, STUCK)
        stuck |= {(service, row["subscriber"], row["key"]) for row in rows}
    found: list[Lag] = []
    for name, subscription in _followed(databases.urls):
        late = _late_commands if subscription.kind is Command else _late_facts
        for key, text in await late(databases, name, subscription):
            blocked = (name, subscription.name, key) in stuck
            found.append(Lag(name, subscription.name, subscription.topic, key, text, blocked))
    return found


def _followed(services: Iterable[str]) -> list[tuple[str, Subscription]]:
    return [
        (name, subscription)
        for name in services
        for subscription in obey_commands(name, SERVICES[name].subscriptions)
        if subscription.topic not in WITHOUT_OUTBOX
    ]


async def _late_facts(
    databases: Databases, service: str, subscription: Subscription
) -> list[tuple[str, str]]:
    owner = topics.BY_NAME[subscription.topic].owner
    said = await _said(databases, owner, subscription.topic)
    rows = await databases.rows(service, SEEN, subscription.name)
    seen = {row["key"]: row["version"] for row in rows}
    return [
        (key, f"saw version {seen.get(key, 0)} of {version}")
        for key, version in said.items()
        if seen.get(key, 0) != version
    ]


async def _late_commands(
    databases: Databases, service: str, subscription: Subscription
) -> list[tuple[str, str]]:
    given: dict[Any, str] = {}
    for sender in databases.urls:
        rows = await databases.rows(sender, COMMANDS, subscription.topic)
        given |= {row["event_id"]: row["key"] for row in rows}
    rows = await databases.rows(service, OBEYED, subscription.name)
    obeyed = {row["event_id"] for row in rows}
    late: dict[str, list[Any]] = defaultdict(list)
    for event_id, key in given.items():
        if event_id not in obeyed:
            late[key].append(event_id)
    return [(key, f"did not see {len(ids)} commands, {ids[0]} first") for key, ids in late.items()]


async def _said(databases: Databases, owner: str, topic: str) -> dict[str, int]:
    return {row["key"]: row["version"] for row in await databases.rows(owner, SAID, topic)}
