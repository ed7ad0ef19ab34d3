"""Whether anything is still on its way: what the judge waits for."""

from faults.judge import standing, versions
from faults.judge.databases import Databases, Question

UNSENT_MAIL = Question(
    "notifications",
    """
    SELECT order_id::text AS subject, channel || ' message is ' || state AS text FROM messages
    WHERE state IN ('queued', 'sending')""",
)
UNTOLD = Question(
    "notifications",
    """
    SELECT p.customer_key AS subject, 'news waits for a card that is known' AS text
    FROM pending p JOIN customers c ON c.key = p.customer_key""",
)
# A job that no agent serves stays queued until its time is over: it does not move.
UNPRINTED = Question(
    "devices",
    """
    SELECT j.id::text AS subject, 'print job is ' || j.state AS text FROM print_jobs j
    WHERE j.state IN ('queued', 'printing') AND j.expires_at > now() AND EXISTS (
      SELECT FROM devices d WHERE d.revoked_at IS NULL
      AND (d.store_ids = '{}' OR j.store_id = ANY(d.store_ids)))""",
)
QUESTIONS = (*standing.QUESTIONS, UNSENT_MAIL, UNTOLD, UNPRINTED)


async def moving(databases: Databases) -> list[str]:
    """What is still on its way, cheapest questions first; records parked for people do not move."""
    for service in databases.urls:
        rows = await databases.rows(service, f"{versions.UNSENT} LIMIT 20")
        if rows:
            return [f"{row['subject']}: {row['text']}" for row in rows]
    found = await databases.ask("", QUESTIONS)
    if found:
        return [f"{one.subject}: {one.text}" for one in found]
    return [
        f"{one.topic} {one.key}: {one.text}"
        for one in await versions.lags(databases)
        if not one.stuck
    ]
