"""Identity's tables, and one function per question or change."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from identity.domain import Account, Bucket, Failures, Session

metadata = sa.MetaData()
Moment = sa.DateTime(timezone=True)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("username", sa.Text, nullable=False, unique=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("store_ids", ARRAY(sa.Uuid)),
    sa.Column("customer_id", sa.Uuid),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index(
        "accounts_customer_id", "customer_id", postgresql_where=sa.text("customer_id IS NOT NULL")
    ),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.id"), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("began_at", Moment, nullable=False),
    sa.Column("rotated_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False, index=False),
    sa.Column("ended_at", Moment),
    sa.Index("sessions_account_id", "account_id", postgresql_where=sa.text("ended_at IS NULL")),
    sa.Index("sessions_expires_at", "expires_at"),
)
login_failures = sa.Table(
    "login_failures",
    metadata,
    sa.Column("bucket", sa.LargeBinary, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("began_at", Moment, nullable=False),
)
known_stores = sa.Table("known_stores", metadata, sa.Column("store_id", sa.Uuid, primary_key=True))
known_customers = sa.Table(
    "known_customers", metadata, sa.Column("customer_id", sa.Uuid, primary_key=True)
)


def _account(row: sa.Row[tuple[object, ...]]) -> Account:
    values = dict(row._mapping)
    if values["store_ids"] is not None:
        values["store_ids"] = tuple(values["store_ids"])
    return Account(**values)


async def add_account(tx: AsyncConnection, account: Account) -> bool:
    """Keep a new account; False when its id or its username is taken."""
    row = insert(accounts).values(asdict(account)).on_conflict_do_nothing()
    return (await tx.execute(row)).rowcount == 1


async def save_account(tx: AsyncConnection, account: Account) -> None:
    await tx.execute(sa.update(accounts).where(accounts.c.id == account.id).values(asdict(account)))


async def find_account(tx: AsyncConnection, id: UUID, lock: bool = False) -> Account | None:
    query = sa.select(accounts).where(accounts.c.id == id)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else _account(row)


async def find_username(tx: AsyncConnection, username: str) -> Account | None:
    row = (
        await tx.execute(sa.select(accounts).where(accounts.c.username == username))
    ).one_or_none()
    return None if row is None else _account(row)


async def existing_usernames(
    tx: AsyncConnection, usernames: Collection[str], active_only: bool = False
) -> set[str]:
    """Which of these usernames have an account."""
    query = sa.select(accounts.c.username).where(accounts.c.username.in_(usernames))
    if active_only:
        query = query.where(accounts.c.active)
    return set((await tx.execute(query)).scalars())


async def list_accounts(
    tx: AsyncConnection, role: str | None, active: bool | None, after: UUID | None, limit: int
) -> list[Account]:
    """Accounts in the order of their ids."""
    query = sa.select(accounts).order_by(accounts.c.id).limit(limit)
    if role is not None:
        query = query.where(accounts.c.role == role)
    if active is not None:
        query = query.where(accounts.c.active == active)
    if after is not None:
        query = query.where(accounts.c.id > after)
    return [_account(row) for row in await tx.execute(query)]


async def lock_customer_accounts(
    tx: AsyncConnection, customer_ids: Collection[UUID]
) -> list[Account]:
    """The logins tied to these cards."""
    query = sa.select(accounts).where(accounts.c.customer_id.in_(customer_ids))
    return [_account(row) for row in await tx.execute(query.order_by("id").with_for_update())]


async def lock_owners(tx: AsyncConnection) -> set[UUID]:
    """The active owners; two who would give up ownership at once take turns."""
    await tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('owners'))"))
    query = sa.select(accounts.c.id).where(accounts.c.role == "owner", accounts.c.active)
    return set((await tx.execute(query)).scalars())


async def add_session(tx: AsyncConnection, session: Session) -> None:
    await tx.execute(insert(sessions).values(asdict(session)))


async def lock_session(tx: AsyncConnection, id: UUID) -> Session | None:
    query = sa.select(sessions).where(sessions.c.id == id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Session(**row._mapping)


async def save_session(tx: AsyncConnection, session: Session) -> None:
    await tx.execute(sa.update(sessions).where(sessions.c.id == session.id).values(asdict(session)))


async def end_session(tx: AsyncConnection, id: UUID, now: datetime) -> None:
    open_one = sa.and_(sessions.c.id == id, sessions.c.ended_at.is_(None))
    await tx.execute(sa.update(sessions).where(open_one).values(ended_at=now))


async def end_sessions_of(tx: AsyncConnection, account_id: UUID, now: datetime) -> None:
    open_ones = sa.and_(sessions.c.account_id == account_id, sessions.c.ended_at.is_(None))
    await tx.execute(sa.update(sessions).where(open_ones).values(ended_at=now))


async def forget_old(
    tx: AsyncConnection, sessions_before: datetime, failures_before: datetime
) -> int:
    """Delete sessions and counters that no longer matter; how many sessions."""
    gone = await tx.execute(sa.delete(sessions).where(sessions.c.expires_at < sessions_before))
    await tx.execute(sa.delete(login_failures).where(login_failures.c.began_at < failures_before))
    return gone.rowcount


async def failures_of(
    tx: AsyncConnection, buckets: Sequence[Bucket], since: datetime
) -> list[Failures]:
    query = sa.select(login_failures).where(
        login_failures.c.bucket.in_([bucket.digest for bucket in buckets]),
        login_failures.c.began_at > since,
    )
    return [Failures(row.bucket, row.failures, row.began_at) for row in await tx.execute(query)]


COUNT_FAILURE = sa.text("""
INSERT INTO login_failures AS f (bucket, failures, began_at)
SELECT bucket, 1, :now FROM unnest(CAST(:buckets AS bytea[])) AS bucket ORDER BY bucket
ON CONFLICT (bucket) DO UPDATE SET
  failures = CASE WHEN f.began_at > :since THEN f.failures + 1 ELSE 1 END,
  began_at = CASE WHEN f.began_at > :since THEN f.began_at ELSE :now END""")


async def count_failure(
    tx: AsyncConnection, buckets: Sequence[Bucket], since: datetime, now: datetime
) -> None:
    """One failure more in each counter; a counter whose window is over begins anew."""
    digests = [bucket.digest for bucket in buckets]
    await tx.execute(COUNT_FAILURE, {"buckets": digests, "since": since, "now": now})


async def forget_failures(tx: AsyncConnection, bucket: Bucket) -> None:
    await tx.execute(sa.delete(login_failures).where(login_failures.c.bucket == bucket.digest))


async def unknown_stores(tx: AsyncConnection, store_ids: Sequence[UUID]) -> list[UUID]:
    """Those of the stores that nobody told us of."""
    query = sa.select(known_stores.c.store_id).where(known_stores.c.store_id.in_(store_ids))
    known = set((await tx.execute(query)).scalars())
    return [store_id for store_id in store_ids if store_id not in known]


async def knows_customer(tx: AsyncConnection, customer_id: UUID) -> bool:
    query = sa.select(known_customers).where(known_customers.c.customer_id == customer_id)
    return (await tx.execute(query)).one_or_none() is not None


async def know_stores(tx: AsyncConnection, store_ids: Collection[UUID]) -> None:
    rows = [{"store_id": id} for id in sorted(store_ids)]
    await tx.execute(insert(known_stores).values(rows).on_conflict_do_nothing())


async def know_customers(tx: AsyncConnection, customer_ids: Collection[UUID]) -> None:
    rows = [{"customer_id": id} for id in sorted(customer_ids)]
    await tx.execute(insert(known_customers).values(rows).on_conflict_do_nothing())


async def forget_customers(tx: AsyncConnection, customer_ids: Collection[UUID]) -> None:
    await tx.execute(
        sa.delete(known_customers).where(known_customers.c.customer_id.in_(customer_ids))
    )
