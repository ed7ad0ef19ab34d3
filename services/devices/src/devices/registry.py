"""Questions and changes about devices, enrolment codes, customers and stores."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from devices.domain import Device, EnrolmentCode
from devices.store import customers, devices, enrolment_codes, stores

# Enrolment.


async def add_code(
    tx: AsyncConnection, code: EnrolmentCode, code_hash: bytes, made_by: str
) -> None:
    row = {
        "id": code.id,
        "code_hash": code_hash,
        "name": code.name,
        "store_ids": list(code.store_ids),
        "made_by": made_by,
        "expires_at": code.expires_at,
    }
    await tx.execute(insert(enrolment_codes).values(row))


async def get_code(tx: AsyncConnection, id: UUID) -> EnrolmentCode:
    row = (await tx.execute(sa.select(enrolment_codes).where(enrolment_codes.c.id == id))).one()
    return _code(row)


async def lock_code(tx: AsyncConnection, code_hash: bytes) -> EnrolmentCode | None:
    """Locked, so that two agents with one code cannot both enrol."""
    found = sa.select(enrolment_codes).where(enrolment_codes.c.code_hash == code_hash)
    row = (await tx.execute(found.with_for_update())).one_or_none()
    return _code(row) if row else None


async def use_code(tx: AsyncConnection, id: UUID, now: datetime) -> None:
    used = sa.update(enrolment_codes).where(enrolment_codes.c.id == id)
    await tx.execute(used.values(used_at=now))


def _code(row: Any) -> EnrolmentCode:
    return EnrolmentCode(row.id, row.name, tuple(row.store_ids), row.expires_at, row.used_at)


# Devices.


async def add_device(tx: AsyncConnection, device: Device) -> None:
    row = {
        "id": device.id,
        "name": device.name,
        "store_ids": list(device.store_ids),
        "transport": device.transport,
        "signing_key": device.signing_key,
        "sealing_key": device.sealing_key,
        "enrolled_at": device.enrolled_at,
    }
    await tx.execute(insert(devices).values(row))


async def get_devices(tx: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Device]:
    rows = await tx.execute(sa.select(devices).where(devices.c.id.in_(ids)))
    return {row.id: _device(row) for row in rows}


async def lock_device(tx: AsyncConnection, id: UUID) -> Device | None:
    found = sa.select(devices).where(devices.c.id == id).with_for_update()
    row = (await tx.execute(found)).one_or_none()
    return _device(row) if row else None


async def list_devices(
    tx: AsyncConnection,
    scope: frozenset[UUID] | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Device]:
    """Newest first; with a scope only devices all of whose stores are in it."""
    found = sa.select(devices).order_by(devices.c.enrolled_at.desc(), devices.c.id.desc())
    if scope is not None:
        inside = devices.c.store_ids.contained_by(list(scope))
        found = found.where(inside, sa.func.cardinality(devices.c.store_ids) > 0)
    if after is not None:
        key = sa.tuple_(devices.c.enrolled_at, devices.c.id)
        found = found.where(key < sa.tuple_(sa.literal(after[0]), sa.literal(after[1])))
    return [_device(row) for row in await tx.execute(found.limit(limit))]


async def link_device(tx: AsyncConnection, id: UUID, link_id: UUID, now: datetime) -> None:
    """This connection is the device's now; an older one is not any more."""
    linked = sa.update(devices).where(devices.c.id == id)
    await tx.execute(linked.values(link_id=link_id, seen_at=now))


async def unlink_device(tx: AsyncConnection, id: UUID, link_id: UUID) -> None:
    mine = sa.and_(devices.c.id == id, devices.c.link_id == link_id)
    await tx.execute(sa.update(devices).where(mine).values(link_id=None))


async def seen(tx: AsyncConnection, link_ids: Sequence[UUID], now: datetime) -> set[UUID]:
    """Note that these links live; those that are still good come back."""
    good = sa.and_(devices.c.link_id.in_(link_ids), devices.c.revoked_at.is_(None))
    noted = sa.update(devices).where(good).values(seen_at=now).returning(devices.c.link_id)
    return {id for id in (await tx.execute(noted)).scalars() if id is not None}


async def any_on_kafka(tx: AsyncConnection) -> bool:
    """Whether an agent listens on Kafka at all: most chains have none."""
    on_kafka = sa.and_(devices.c.transport == "kafka", devices.c.revoked_at.is_(None))
    return bool((await tx.execute(sa.select(sa.exists().where(on_kafka)))).scalar_one())


async def revoke_device(tx: AsyncConnection, id: UUID, now: datetime) -> None:
    revoked = sa.update(devices).where(devices.c.id == id)
    await tx.execute(revoked.values(revoked_at=now, link_id=None))


async def count_scans(tx: AsyncConnection, id: UUID, last_scan: int, version: int) -> None:
    counted = sa.update(devices).where(devices.c.id == id)
    await tx.execute(counted.values(last_scan=last_scan, version=version))


def _device(row: Any) -> Device:
    return Device(
        id=row.id,
        name=row.name,
        store_ids=tuple(row.store_ids),
        transport=row.transport,
        signing_key=row.signing_key,
        sealing_key=row.sealing_key,
        enrolled_at=row.enrolled_at,
        revoked_at=row.revoked_at,
        link_id=row.link_id,
        seen_at=row.seen_at,
        last_scan=row.last_scan,
        version=row.version,
    )


# Copies of what others own.


async def keep_customers(tx: AsyncConnection, rows: Sequence[dict[str, str | None]]) -> None:
    """The newest name and language of each; an erased customer keeps neither."""
    put = insert(customers).values(list(rows))
    newest = {"name": put.excluded.name, "language": put.excluded.language}
    await tx.execute(put.on_conflict_do_update(index_elements=["customer_key"], set_=newest))


async def keep_stores(tx: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    put = insert(stores).values(list(rows))
    newest = {"code": put.excluded.code, "name": put.excluded.name}
    await tx.execute(put.on_conflict_do_update(index_elements=["id"], set_=newest))


async def known_stores(tx: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    return set((await tx.execute(sa.select(stores.c.id).where(stores.c.id.in_(ids)))).scalars())
