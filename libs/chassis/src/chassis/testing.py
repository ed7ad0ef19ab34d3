"""What the tests of every service share: a migrated scratch database, tokens, and deliveries.

A test module names it in `pytest_plugins`-free style: services' tests/conftest.py calls
`service_fixtures(...)` once and gets the fixtures of its own service.
"""

import asyncio
import json
import os
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from contracts.catalogue import BY_TYPE
from contracts.identity import AUDIENCE, ISSUER, Role
from contracts.message import Message, Tombstone
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from sqlalchemy.engine import make_url

from chassis import migrations, parking
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.http.auth import ALGORITHM, Verifier
from chassis.ids import uuid7
from chassis.records import Record
from chassis.service import Service
from chassis.subscriptions import obey_commands

SIGNING_KEY = OKPKey.generate_key("Ed25519", auto_kid=True)


def token(
    role: Role = Role.MANAGER,
    store_ids: Sequence[UUID] | None = None,
    customer_id: UUID | None = None,
    account_id: UUID | None = None,
) -> str:
    """An access token as identity would sign it, good for five minutes."""
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(account_id or UUID(int=7)),
        "role": role.value,
        "stores": None if store_ids is None else [str(store) for store in store_ids],
        "customer_id": None if customer_id is None else str(customer_id),
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(minutes=5)).timestamp()),
    }
    header = {"alg": ALGORITHM, "kid": SIGNING_KEY.kid}
    return jwt.encode(header, claims, SIGNING_KEY, algorithms=[ALGORITHM])


def postgres_url() -> str:
    """The superuser's URL of the test server; `make test` starts one and says where."""
    url = os.environ.get("HOLDFAST_TEST_POSTGRES")
    if url is None:
        raise pytest.UsageError(
            "No test database: run `make test`, or `eval $(make -s test-env)` before pytest."
        )
    return url


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _url(name: str, driver: str) -> str:
    url = make_url(postgres_url()).set(database=name, drivername=driver)
    return url.render_as_string(hide_password=False)


def migrated_template(service: str, folder: Path) -> Iterator[str]:
    """A database with all migrations applied, to copy; dropped at the end with all its copies."""
    name = f"template_{service.replace('-', '_')}_{uuid.uuid4().hex[:8]}"
    asyncio.run(_execute(postgres_url(), f"CREATE DATABASE {name}"))
    try:
        engine = sa.create_engine(_url(name, "postgresql+psycopg"))
        with engine.connect() as connection:
            config = Config(str(folder / "alembic.ini"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        engine.dispose()
        yield name
    finally:
        asyncio.run(_drop_all(name))


async def _drop_all(template: str) -> None:
    """The template and whatever was copied from it, which is named after it."""
    connection = await asyncpg.connect(postgres_url())
    try:
        made = "SELECT datname FROM pg_database WHERE starts_with(datname, $1)"
        for row in await connection.fetch(made, template):
            await connection.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")
    finally:
        await connection.close()


def difference_from_tables(template: str, metadata: sa.MetaData) -> list[Any]:
    """What alembic would still change so that the database matches the tables: must be empty."""
    engine = sa.create_engine(_url(template, "postgresql+psycopg"))
    with engine.connect() as connection:
        options = {"include_object": migrations.is_the_services_own, "compare_type": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    engine.dispose()
    return list(found)


# What a copy was made with is kept beside it, to be put back after each test.
KEEP = """
DROP SCHEMA IF EXISTS kept CASCADE;
CREATE SCHEMA kept;
CREATE TABLE kept.sequences AS SELECT format('%I.%I', schemaname, sequencename) AS name,
  coalesce(last_value, start_value) AS value, last_value IS NOT NULL AS used FROM pg_sequences;
CREATE TABLE kept.tables (name text, columns text);
DO $$
DECLARE one record; is_filled bool;
BEGIN
  FOR one IN
    SELECT c.oid::regclass::text AS name, string_agg(quote_ident(a.attname), ', ') AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    GROUP BY c.oid
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one.name) INTO is_filled;
    IF is_filled THEN
      EXECUTE format('CREATE TABLE kept.%I AS SELECT %s FROM %s',
        'rows of ' || one.name, one.columns, one.name);
    END IF;
    INSERT INTO kept.tables VALUES (one.name, CASE WHEN is_filled THEN one.columns END);
  END LOOP;
END $$"""
# Without the triggers: a ledger lets nobody delete.
PUT_BACK = """
DO $$
DECLARE one record;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR one IN SELECT name, columns FROM kept.tables LOOP
    EXECUTE 'DELETE FROM ' || one.name;
    IF one.columns IS NOT NULL THEN
      EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM kept.%I',
        one.name, one.columns, one.columns, 'rows of ' || one.name);
    END IF;
  END LOOP;
  PERFORM setval(name::regclass, value, used) FROM kept.sequences;
END $$"""
END_SESSIONS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
_idle: dict[str, list[str]] = defaultdict(list)  # Copies of a template that no test uses now.


@asynccontextmanager
async def scratch_database(template: str) -> AsyncIterator[Database]:
    """A database of the test's own, as the template was when it was first copied.

    After the test it is put back as it was and kept for the next: to make one takes longer than
    most tests. Whoever changes its tables, not only what is in them, must change them back.
    """
    if _idle[template]:
        name = _idle[template].pop()
    else:
        name = f"{template}_{uuid.uuid4().hex[:8]}"
        await _execute(postgres_url(), f"CREATE DATABASE {name} TEMPLATE {template}")
        await _execute(_url(name, "postgresql"), KEEP)
    db = Database(_url(name, "postgresql+asyncpg"), "test")
    try:
        yield db
    finally:
        await db.close()
        again = f"{template}_{uuid.uuid4().hex[:8]}"
        # Under another name: what the test left running finds nothing to write to.
        await _execute(
            postgres_url(),
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            f"{END_SESSIONS} WHERE datname = '{name}'",
            f"ALTER DATABASE {name} RENAME TO {again}",
            f"ALTER DATABASE {again} ALLOW_CONNECTIONS true",
        )
        await _execute(_url(again, "postgresql"), PUT_BACK)
        _idle[template].append(again)


async def until_some_wait_for_a_lock(db: Database, count: int = 1) -> None:
    """Return once so many transactions on this database are held up by others' locks."""
    question = sa.text("""
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'""")
    async with asyncio.timeout(30):
        while True:
            async with db.reading() as tx:
                if (await tx.execute(question)).scalar_one() >= count:
                    return
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Bench:
    """One service under test: its database, its HTTP edge, and its subscribers, without Kafka."""

    service: Service
    db: Database
    app: FastAPI
    http: httpx.AsyncClient

    def client(self, role: Role = Role.MANAGER, **who: Any) -> httpx.AsyncClient:
        """The HTTP client of a caller of this role; each POST gets a fresh Idempotency-Key."""
        return client_of(self.app, token(role, **who))

    async def deliver(self, *messages: Message, version: int | None = None) -> None:
        """Hand messages to the subscribers of their topics, as Kafka would, numbered per key.

        With `version`, all are delivered as that version (to play a duplicate or a gap).
        """
        for message in messages:
            number = await self._next_version(message) if version is None else version
            await self.deliver_record(record_of(message, number))

    async def deliver_record(self, record: Record) -> None:
        """Hand one record to every subscriber of its topic."""
        for subscription in obey_commands(self.service.name, self.service.subscriptions):
            if subscription.topic == record.topic:
                await Consumer(self.service.name, subscription, self.db).consume([record])

    async def _next_version(self, message: Message) -> int:
        # Only its own topic's: an order's id is a key on several topics, each with its numbers.
        own = self.service.subscriptions
        followers = [one.name for one in own if one.topic == message.TOPIC]
        async with self.db.reading() as tx:
            found = await tx.execute(
                sa.text("""
                SELECT coalesce(max(version), 0) FROM seen
                WHERE key = :key AND subscriber = ANY(CAST(:followers AS text[]))"""),
                {"key": message.subject, "followers": followers},
            )
            return int(found.scalar_one()) + 1

    async def said(self, kind: type[Message] | None = None) -> list[Any]:
        """What the service said so far, in order; only one kind when given."""
        async with self.db.reading() as tx:
            rows = await tx.execute(
                sa.text("SELECT type, key, payload, version FROM outbox ORDER BY position")
            )
            messages = [_message(row) for row in rows]
        return [m for m in messages if kind is None or isinstance(m, kind)]

    async def parked(self) -> list[parking.Parked]:
        """What waits for an operator."""
        async with self.db.reading() as tx:
            return await parking.list_open(tx)


def record_of(message: Message, version: int, event_id: UUID | None = None) -> Record:
    """The record that the relay would send."""
    headers = {
        "ce_id": str(event_id or uuid7()),
        "ce_type": message.TYPE,
        "ce_time": datetime.now(UTC).isoformat(),
        "version": str(version),
    }
    gone = isinstance(message, Tombstone)
    payload = None if gone else message.model_dump_json().encode()
    return Record(message.TOPIC, 0, message.subject, payload, headers)


def _message(row: Any) -> Message:
    kind = BY_TYPE[row.type]
    if row.payload is None:
        return kind.model_validate({kind.KEY: row.key})
    return kind.model_validate(json.loads(row.payload))


@asynccontextmanager
async def bench(service: Service, db: Database, **settings: Any) -> AsyncIterator[Bench]:
    """The service with its HTTP edge only, on the given database."""
    url = db.engine.url.render_as_string(hide_password=False)
    values = {"database_url": url, "roles": "http", **settings}
    app = service.create_app(
        service.settings.model_validate(values), db, Verifier("", KeySet([SIGNING_KEY]))
    )
    async with (
        app.router.lifespan_context(app),
        client_of(app, token(Role.MANAGER)) as http,
    ):
        yield Bench(service, db, app, http)


def client_of(app: FastAPI, access_token: str | None) -> httpx.AsyncClient:
    """A client of the app; each POST without an Idempotency-Key gets a fresh one."""

    async def with_key(request: httpx.Request) -> None:
        if request.method == "POST":
            request.headers.setdefault("Idempotency-Key", str(uuid7()))

    headers = {} if access_token is None else {"Authorization": f"Bearer {access_token}"}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://service/api/v1",
        headers=headers,
        event_hooks={"request": [with_key]},
    )
