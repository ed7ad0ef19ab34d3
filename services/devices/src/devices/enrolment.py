"""Use cases of devices: enrol, link, revoke, and what their scanners read."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis import outbox
from chassis.outbox import Said
from contracts.agent_link import Enrol, ScanRead
from contracts.devices import Scanned
from sqlalchemy.ext.asyncio import AsyncConnection

from devices import handlers, registry
from devices.domain import (
    CODE_LIFETIME,
    CodeRefused,
    Device,
    DeviceRevoked,
    EnrolmentCode,
    ProofRefused,
    UnknownStore,
    code_hash,
    make_code,
)
from devices.seals import X25519, check_proof, public_key


async def make_enrolment_code(
    tx: AsyncConnection,
    id: UUID,
    name: str,
    store_ids: Sequence[UUID],
    call: tuple[str, str],
    secret: bytes,
    now: datetime,
) -> tuple[EnrolmentCode, str]:
    """A one-time code for an agent of these stores (none named: all); only its hash is stored."""
    known = await registry.known_stores(tx, store_ids)
    for position, store_id in enumerate(store_ids):
        if store_id not in known:
            raise UnknownStore(store_id, position)
    text = make_code(secret, *call)
    code = EnrolmentCode(id, name, tuple(dict.fromkeys(store_ids)), now + CODE_LIFETIME, None)
    await registry.add_code(tx, code, code_hash(text), made_by=call[0])
    return code, text


async def enrol(tx: AsyncConnection, id: UUID, wish: Enrol, nonce: str, now: datetime) -> Device:
    """A new device, if the code is good and the agent holds the keys that it brings."""
    check_proof(wish.proof, wish.signing_key, nonce, wish.code)
    public_key(wish.sealing_key, X25519)
    code = await registry.lock_code(tx, code_hash(wish.code))
    if code is None:
        raise CodeRefused
    code.use(now)
    await registry.use_code(tx, code.id, now)
    device = Device(
        id=id,
        name=code.name,
        store_ids=code.store_ids,
        transport=wish.transport,
        signing_key=wish.signing_key,
        sealing_key=wish.sealing_key,
        enrolled_at=now,
        revoked_at=None,
        link_id=None,
        seen_at=None,
        last_scan=0,
        version=0,
    )
    await registry.add_device(tx, device)
    return device


async def link(
    tx: AsyncConnection, device_id: UUID, proof: str, nonce: str, link_id: UUID, now: datetime
) -> Device:
    """Take over the device's link, if the caller holds its key and nobody revoked it."""
    device = await registry.lock_device(tx, device_id)
    if device is None:
        raise ProofRefused
    check_proof(proof, device.signing_key, nonce, str(device_id))
    device.refuse_if_revoked()
    await registry.link_device(tx, device_id, link_id, now)
    await handlers.announce(tx)
    return device


async def revoke(tx: AsyncConnection, device_id: UUID, now: datetime) -> Device | None:
    """Cut the device off; what it was printing is unknown. A second time changes nothing."""
    device = await registry.lock_device(tx, device_id)
    if device is None or device.revoked_at is not None:
        return device
    await registry.revoke_device(tx, device_id, now)
    await handlers.doubt_jobs_of(tx, device_id, now)
    await handlers.announce(tx)
    return (await registry.get_devices(tx, [device_id]))[device_id]


async def record_scans(tx: AsyncConnection, device_id: UUID, scans: Sequence[ScanRead]) -> int:
    """Say each scan once, in the device's order; up to which number all are known now."""
    device = await registry.lock_device(tx, device_id)
    if device is None:
        raise DeviceRevoked
    device.refuse_if_revoked()
    last, version, facts = device.last_scan, device.version, []
    for scan in sorted(scans, key=lambda scan: scan.number):
        if scan.number <= last:
            continue
        last, version = scan.number, version + 1
        said = Scanned(
            device_id=device_id,
            scan_id=scan.scan_id,
            store_id=device.scan_store(scan.store_id),
            scanner=scan.scanner,
            code=scan.code,
            symbology=scan.symbology,
            at=scan.at,
        )
        facts.append(Said(said, version))
    if facts:
        await registry.count_scans(tx, device_id, last, version)
        await outbox.say(tx, facts)
    return last
