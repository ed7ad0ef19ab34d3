"""The tables that every service's database has for the bus and for idempotency, and their upkeep.

A service's first migration runs `CREATE`; its later ones never touch these tables by hand.
"""

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger()
TABLES = ("outbox", "seen", "inbox", "parked", "idempotency")
OUTBOX_DAYS_AHEAD = 14
OUTBOX_KEPT_DAYS = 7
# As `keep_outbox` is told to make none, and to drop none.
NO_DAYS_AHEAD, ALL_KEPT_DAYS = -1, 36_500
INBOX_KEPT_DAYS = 30  # Longer than any topic keeps commands.
IDEMPOTENCY_KEPT_DAYS = 30
RESOLVED_KEPT_DAYS = 30

CREATE = """
CREATE TABLE outbox (
  position bigint GENERATED ALWAYS AS IDENTITY,
  event_id uuid NOT NULL,
  topic text NOT NULL,
  key text NOT NULL,
  version bigint NOT NULL,
  type text NOT NULL,
  payload bytea,
  headers jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  PRIMARY KEY (position, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX outbox_unpublished ON outbox (position) WHERE published_at IS NULL;
CREATE INDEX outbox_key ON outbox (topic, key, version);

CREATE TABLE seen (
  subscriber text NOT NULL,
  key text NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (subscriber, key)
) WITH (fillfactor = 80);

CREATE TABLE inbox (
  subscriber text NOT NULL,
  event_id uuid NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (subscriber, event_id)
);
CREATE INDEX inbox_seen_at ON inbox USING brin (seen_at);

CREATE TABLE parked (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subscriber text NOT NULL,
  topic text NOT NULL,
  key text NOT NULL,
  version bigint NOT NULL,
  type text NOT NULL,
  event_id uuid NOT NULL,
  payload bytea,
  headers jsonb NOT NULL,
  reason text NOT NULL CHECK (reason IN ('error', 'behind', 'gap')),
  error text NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz,
  resolved_by text,
  UNIQUE (subscriber, event_id)
);
CREATE INDEX parked_open ON parked (subscriber, key) WHERE resolved_at IS NULL;

CREATE TABLE idempotency (
  principal text NOT NULL,
  key text NOT NULL,
  fingerprint bytea NOT NULL,
  status smallint NOT NULL,
  subject text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_created_at ON idempotency USING brin (created_at);

-- The running service may not create tables; this function, its owner's, keeps the partitions.
-- A new one is attached, for that blocks no writer; an old one is dropped only if that is quick.
CREATE FUNCTION keep_outbox(days_ahead integer, kept_days integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $keep$
DECLARE
  day date;
  part text;
  unsent boolean;
BEGIN
  PERFORM set_config('lock_timeout', '500ms', true);
  FOR day IN SELECT current_date + n FROM generate_series(0, days_ahead) AS n LOOP
    part := 'outbox_' || to_char(day, 'YYYYMMDD');
    IF to_regclass(part) IS NULL THEN
      EXECUTE format('CREATE TABLE %I (LIKE outbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                     part);
      EXECUTE format('ALTER TABLE outbox ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                     part, day, day + 1);
    END IF;
  END LOOP;
  FOR part IN SELECT inhrelid::regclass::text FROM pg_inherits
              WHERE inhparent = 'outbox'::regclass LOOP
    IF to_date(right(part, 8), 'YYYYMMDD') < current_date - kept_days THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE published_at IS NULL)', part) INTO unsent;
      IF NOT unsent THEN
        EXECUTE format('DROP TABLE %I', part);
      END IF;
    END IF;
  END LOOP;
END
$keep$;
SELECT keep_outbox(14, 7);
"""


KEEP_OUTBOX = sa.text("SELECT keep_outbox(:ahead, :kept)")
LOCK_NOT_AVAILABLE = "55P03"


async def make_days_ahead(tx: AsyncConnection) -> None:
    """Make the next days' partitions."""
    await tx.execute(KEEP_OUTBOX, {"ahead": OUTBOX_DAYS_AHEAD, "kept": ALL_KEPT_DAYS})


async def forget_old(tx: AsyncConnection) -> None:
    """Forget keys that nobody says again, and parked records that were resolved long ago."""
    for table, since, days in (
        ("inbox", "seen_at", INBOX_KEPT_DAYS),
        ("idempotency", "created_at", IDEMPOTENCY_KEPT_DAYS),
        ("parked", "resolved_at", RESOLVED_KEPT_DAYS),
    ):
        old = sa.text(f"DELETE FROM {table} WHERE {since} < now() - make_interval(days => :days)")
        await tx.execute(old, {"days": days})


async def drop_sent_days(tx: AsyncConnection) -> None:
    """Drop what was sent long ago; while somebody reads the outbox it stays until the next time.

    Every writer waits behind the attempt, so it is not made again at once.
    """
    try:
        async with tx.begin_nested():
            await tx.execute(KEEP_OUTBOX, {"ahead": NO_DAYS_AHEAD, "kept": OUTBOX_KEPT_DAYS})
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        log.warning("the outbox is in use, sent days are dropped later")


# Each in a transaction of its own: from the drop to its commit every writer waits.
UPKEEP = (make_days_ahead, forget_old, drop_sent_days)
