"""I6: no more papers than were asked for, and none printed again without anybody's knowing."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid5

from contracts import topics

from faults.judge.databases import Databases, Question, Violation

# The first paper was asked for by a command; each further one by a person, under a key.
ASKED = Question(
    "devices",
    """
    SELECT j.id::text AS subject,
           format('%s papers, and people asked for %s copies', j.copies, count(i.key)) AS text
    FROM print_jobs j LEFT JOIN idempotency i ON i.subject = j.id::text AND i.status = 202
    WHERE j.asked_at > now() - interval '29 days'
    GROUP BY j.id, j.copies HAVING j.copies - 1 > count(i.key)""",
)
# The states of each job as they were said, each with the one before it.
STEPS = f"""
WITH said AS (
  SELECT key, version, body ->> 'state' AS state, (body ->> 'copies')::int AS copies
  FROM (SELECT key, version, convert_from(payload, 'UTF8')::jsonb AS body
        FROM outbox WHERE topic = '{topics.PRINT_JOBS}') AS told),
steps AS (
  SELECT key, state, copies,
         lag(state) OVER w AS state_before, lag(copies) OVER w AS copies_before
  FROM said WINDOW w AS (PARTITION BY key ORDER BY version))"""
AGAIN = Question(
    "devices",
    f"""{STEPS}
    SELECT key AS subject, format('printed again after it was %s, and nobody asked', state_before)
      AS text
    FROM steps WHERE state IN ('queued', 'printing') AND copies = copies_before
    AND state_before <> 'queued'""",
)
PRINTED = Question(
    "devices",
    f"""{STEPS}
    SELECT key AS subject, format('printed %s times, and asked for %s times',
           count(*) FILTER (WHERE state = 'printed'), max(copies)) AS text
    FROM steps GROUP BY key HAVING count(*) FILTER (WHERE state = 'printed') > max(copies)""",
)
QUESTIONS = (ASKED, AGAIN, PRINTED)
COMMANDS = f"""
SELECT DISTINCT convert_from(payload, 'UTF8')::jsonb ->> 'job_id' AS job_id
FROM outbox WHERE topic = '{topics.DEVICES_COMMANDS}' AND type = 'print_paper.v1'"""
PAYMENTS = f"""
SELECT convert_from(payload, 'UTF8')::jsonb ->> 'payment_id' AS payment_id FROM outbox
WHERE topic = '{topics.ACCOUNTS}' AND type = 'payment_posted.v1'
AND (convert_from(payload, 'UTF8')::jsonb ->> 'deposit_left')::numeric > 0"""
JOBS = "SELECT id::text AS id, copies FROM print_jobs"
PRINTED_HERE = "SELECT job_id, copy_number FROM jobs WHERE state = 'printed'"


async def violations(databases: Databases, journals: Sequence[Path] = ()) -> list[Violation]:
    """Papers that nobody asked for, by the hub's database and the journals of agents."""
    found = await databases.ask("I6", QUESTIONS)
    jobs = {row["id"]: row["copies"] for row in await databases.rows("devices", JOBS)}
    asked = {row["job_id"] for row in await databases.rows("orders", COMMANDS)}
    found += [
        Violation("I6", id, "a job that nobody asked for") for id in sorted(jobs.keys() - asked)
    ]
    for row in await databases.rows("billing", PAYMENTS):
        receipt = str(uuid5(UUID(row["payment_id"]), "deposit_receipt"))
        if receipt not in jobs:
            found.append(Violation("I6", row["payment_id"], "a deposit was paid without a receipt"))
    for journal in journals:
        found += _of_journal(journal, jobs)
    return found


def _of_journal(journal: Path, jobs: dict[str, int]) -> list[Violation]:
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as connection:
        rows = connection.execute(PRINTED_HERE).fetchall()
    return [
        Violation("I6", job_id, f"paper {copy} came out, {jobs.get(job_id, 0)} were asked for")
        for job_id, copy in rows
        if copy > jobs.get(job_id, 0)
    ]
