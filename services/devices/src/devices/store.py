"""The devices database: its tables, and one function per question or change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from devices.domain import JobState, PrintJob

metadata = sa.MetaData()
TIME = sa.DateTime(timezone=True)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("store_ids", ARRAY(sa.Uuid), nullable=False),
    sa.Column("transport", sa.Text, nullable=False),
    sa.Column("signing_key", JSONB, nullable=False),
    sa.Column("sealing_key", JSONB, nullable=False),
    sa.Column("enrolled_at", TIME, nullable=False),
    sa.Column("revoked_at", TIME),
    sa.Column("link_id", sa.Uuid),
    sa.Column("seen_at", TIME),
    sa.Column("last_scan", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
)
enrolment_codes = sa.Table(
    "enrolment_codes",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("code_hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("store_ids", ARRAY(sa.Uuid), nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("expires_at", TIME, nullable=False),
    sa.Column("used_at", TIME),
)
print_jobs = sa.Table(
    "print_jobs",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("store_id", sa.Uuid, nullable=False),
    sa.Column("customer_key", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("copies", sa.Integer, nullable=False),
    sa.Column("device_id", sa.Uuid),
    sa.Column("paper", JSONB, nullable=False),  # The command: figures and ids, no names.
    sa.Column("asked_at", TIME, nullable=False),
    sa.Column("expires_at", TIME, nullable=False),
    sa.Column("at", TIME, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.CheckConstraint(
        "state IN ('queued', 'printing', 'printed', 'failed', 'unknown')", name="print_jobs_state"
    ),
    sa.CheckConstraint("copies >= 1", name="print_jobs_copies"),
    sa.Index("print_jobs_queued", "asked_at", postgresql_where=sa.text("state = 'queued'")),
    sa.Index("print_jobs_printing", "device_id", postgresql_where=sa.text("state = 'printing'")),
    sa.Index("print_jobs_order", "order_id"),
)
customers = sa.Table(
    "customers",
    metadata,
    sa.Column("customer_key", sa.Text, primary_key=True),
    sa.Column("name", sa.Text),  # Empty once the customer is erased.
    sa.Column("language", sa.Text),
)
stores = sa.Table(
    "stores",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
)

JOB_COLUMNS = """j.id, j.order_id, j.store_id, j.state, j.reason, j.copies, j.device_id,
  j.asked_at, j.expires_at, j.at, j.version"""
READY_COLUMNS = f"""{JOB_COLUMNS}, CAST(j.paper AS text) AS paper,
  c.name AS customer_name, c.language, s.code AS store_code, s.name AS store_name"""
READY_JOINS = """LEFT JOIN customers c ON c.customer_key = j.customer_key
  LEFT JOIN stores s ON s.id = j.store_id"""


@dataclass(frozen=True, slots=True)
class ReadyJob:
    """A job with all that is needed to print it."""

    job: PrintJob
    paper: str
    customer_name: str | None
    language: str | None
    store_code: str | None
    store_name: str | None
    device_id: UUID  # The device to which it goes.


# Print jobs.

# Those asked for together stay in their order, a microsecond apart: their ids have none.
ADD_JOBS = sa.text("""
INSERT INTO print_jobs(id, order_id, store_id, customer_key, kind, state, copies, paper,
                       asked_at, expires_at, at, version)
SELECT id, order_id, store_id, customer_key, kind, 'queued', 1, CAST(paper AS jsonb),
       CAST(:now AS timestamptz) + (place - 1) * interval '1 microsecond', expires_at, :now, 1
FROM unnest(CAST(:ids AS uuid[]), CAST(:order_ids AS uuid[]), CAST(:store_ids AS uuid[]),
            CAST(:customer_keys AS text[]), CAST(:kinds AS text[]), CAST(:papers AS text[]),
            CAST(:expires AS timestamptz[])) WITH ORDINALITY
     AS asked(id, order_id, store_id, customer_key, kind, paper, expires_at, place)
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id""")


async def add_jobs(
    tx: AsyncConnection, rows: Sequence[Mapping[str, Any]], now: datetime
) -> set[UUID]:
    """Queue the jobs that are not known yet, the oldest first; their ids come back."""
    columns = {
        "ids": "id",
        "order_ids": "order_id",
        "store_ids": "store_id",
        "customer_keys": "customer_key",
        "kinds": "kind",
        "papers": "paper",
        "expires": "expires_at",
    }
    values = {name: [row[field] for row in rows] for name, field in columns.items()}
    return set((await tx.execute(ADD_JOBS, {**values, "now": now})).scalars())


# The most special device of a store comes first: one that names it before one that serves all.
TAKE_QUEUED = sa.text(f"""
WITH able AS (
  SELECT id, store_ids FROM devices
  WHERE revoked_at IS NULL AND (link_id = ANY(CAST(:link_ids AS uuid[]))
    OR (CAST(:on_kafka AS boolean) AND transport = 'kafka')))
SELECT {READY_COLUMNS}, able.id AS to_device
FROM print_jobs j {READY_JOINS}
CROSS JOIN LATERAL (
  SELECT able.id FROM able
  WHERE able.store_ids = '{{}}' OR j.store_id = ANY(able.store_ids)
  ORDER BY cardinality(able.store_ids) = 0, able.id LIMIT 1) AS able
WHERE j.state = 'queued' AND j.expires_at > :now
  AND (j.asked_at <= :patience
       OR (s.id IS NOT NULL AND (j.customer_key IS NULL OR c.customer_key IS NOT NULL)))
ORDER BY j.asked_at LIMIT :limit
FOR UPDATE OF j SKIP LOCKED""")


async def take_queued(
    tx: AsyncConnection,
    link_ids: Sequence[UUID],
    on_kafka: bool,
    now: datetime,
    patience: datetime,
    limit: int,
) -> list[ReadyJob]:
    """Lock queued jobs that these links, or the agents on Kafka, can print.

    Jobs asked for after `patience` wait for their customer's and store's names to arrive.
    """
    values = {
        "link_ids": list(link_ids),
        "on_kafka": on_kafka,
        "now": now,
        "patience": patience,
        "limit": limit,
    }
    rows = (await tx.execute(TAKE_QUEUED, values)).all()
    return [_ready(row, row.to_device) for row in rows]


HANDED_OVER = sa.text(f"""
SELECT {READY_COLUMNS} FROM print_jobs j {READY_JOINS}
WHERE j.state = 'printing' AND j.device_id = ANY(CAST(:device_ids AS uuid[])) AND j.at <= :before
ORDER BY j.asked_at""")


async def handed_over(
    tx: AsyncConnection, device_ids: Sequence[UUID], before: datetime
) -> list[ReadyJob]:
    """What these devices were given before this time and have not reported."""
    rows = await tx.execute(HANDED_OVER, {"device_ids": list(device_ids), "before": before})
    return [_ready(row, row.device_id) for row in rows.all()]


SAVE_JOBS = sa.text("""
UPDATE print_jobs SET state = n.state, reason = n.reason, copies = n.copies,
  device_id = n.device_id, expires_at = n.expires_at, at = n.at, version = n.version
FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:reasons AS text[]),
            CAST(:copies AS integer[]), CAST(:device_ids AS uuid[]),
            CAST(:expires AS timestamptz[]), CAST(:ats AS timestamptz[]),
            CAST(:versions AS bigint[]))
     AS n(id, state, reason, copies, device_id, expires_at, at, version)
WHERE print_jobs.id = n.id""")


async def save_jobs(tx: AsyncConnection, jobs: Sequence[PrintJob]) -> None:
    """Write the jobs back; the caller holds their locks."""
    if not jobs:
        return
    await tx.execute(
        SAVE_JOBS,
        {
            "ids": [job.id for job in jobs],
            "states": [job.state.value for job in jobs],
            "reasons": [job.reason for job in jobs],
            "copies": [job.copies for job in jobs],
            "device_ids": [job.device_id for job in jobs],
            "expires": [job.expires_at for job in jobs],
            "ats": [job.at for job in jobs],
            "versions": [job.version for job in jobs],
        },
    )


async def lock_jobs(tx: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, PrintJob]:
    """Locked in the order of their ids, so that two batches cannot deadlock."""
    return await _locked(tx, "j.id = ANY(CAST(:ids AS uuid[])) ORDER BY j.id", {"ids": list(ids)})


async def lock_ended(tx: AsyncConnection, now: datetime, limit: int) -> dict[UUID, PrintJob]:
    """Queued jobs whose time is over; what others hold is left to them."""
    where = "j.state = 'queued' AND j.expires_at <= :now ORDER BY j.id LIMIT :limit"
    return await _locked(tx, where, {"now": now, "limit": limit}, skip=True)


async def lock_unheard(tx: AsyncConnection, before: datetime, limit: int) -> dict[UUID, PrintJob]:
    """Jobs that an agent took, that ended before this time, and of which nothing was heard."""
    where = "j.state = 'printing' AND j.expires_at <= :before ORDER BY j.id LIMIT :limit"
    return await _locked(tx, where, {"before": before, "limit": limit}, skip=True)


async def lock_printing(tx: AsyncConnection, device_id: UUID) -> dict[UUID, PrintJob]:
    where = "j.state = 'printing' AND j.device_id = :device_id ORDER BY j.id"
    return await _locked(tx, where, {"device_id": device_id})


async def lock_newest_of_order(tx: AsyncConnection, order_id: UUID) -> PrintJob | None:
    """The order's newest paper."""
    where = "j.order_id = :order_id ORDER BY j.asked_at DESC, j.id DESC LIMIT 1"
    found = await _locked(tx, where, {"order_id": order_id})
    return next(iter(found.values()), None)


async def find_job(tx: AsyncConnection, id: UUID | None, order_id: UUID | None) -> PrintJob | None:
    """The job of this id, else the newest of this order; not locked."""
    found = sa.text(f"""
        SELECT {JOB_COLUMNS} FROM print_jobs j
        WHERE j.id = CAST(:id AS uuid) OR j.order_id = CAST(:order_id AS uuid)
        ORDER BY j.asked_at DESC, j.id DESC LIMIT 1""")
    row = (await tx.execute(found, {"id": id, "order_id": order_id})).one_or_none()
    return _job(row) if row else None


async def _locked(
    tx: AsyncConnection, where: str, values: dict[str, Any], *, skip: bool = False
) -> dict[UUID, PrintJob]:
    lock = "FOR UPDATE SKIP LOCKED" if skip else "FOR UPDATE"
    rows = await tx.execute(
        sa.text(f"SELECT {JOB_COLUMNS} FROM print_jobs j WHERE {where} {lock}"), values
    )
    return {row.id: _job(row) for row in rows}


LIST_JOBS = sa.text(f"""
SELECT {JOB_COLUMNS} FROM print_jobs j
WHERE (CAST(:order_id AS uuid) IS NULL OR j.order_id = :order_id)
  AND (CAST(:state AS text) IS NULL OR j.state = :state)
  AND (CAST(:scope AS uuid[]) IS NULL OR j.store_id = ANY(:scope))
  AND (CAST(:after_at AS timestamptz) IS NULL
       OR (j.asked_at, j.id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
ORDER BY j.asked_at DESC, j.id DESC LIMIT :limit""")


async def list_jobs(
    tx: AsyncConnection,
    order_id: UUID | None,
    state: JobState | None,
    scope: frozenset[UUID] | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[PrintJob]:
    """Newest first, of the caller's stores."""
    values = {
        "order_id": order_id,
        "state": state.value if state else None,
        "scope": None if scope is None else list(scope),
        "after_at": after[0] if after else None,
        "after_id": after[1] if after else None,
        "limit": limit,
    }
    return [_job(row) for row in await tx.execute(LIST_JOBS, values)]


def _job(row: Any) -> PrintJob:
    return PrintJob(
        id=row.id,
        order_id=row.order_id,
        store_id=row.store_id,
        state=JobState(row.state),
        reason=row.reason,
        copies=row.copies,
        device_id=row.device_id,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        at=row.at,
        version=row.version,
    )


def _ready(row: Any, device_id: UUID) -> ReadyJob:
    return ReadyJob(
        job=_job(row),
        paper=row.paper,
        customer_name=row.customer_name,
        language=row.language,
        store_code=row.store_code,
        store_name=row.store_name,
        device_id=device_id,
    )
