"""The JSON edge: print jobs, reprints, devices and their enrolment."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from chassis.http.auth import Principal, allow
from chassis.http.fields import Body, Text
from chassis.http.idempotency import Keyed, claim
from chassis.http.pages import Cursor, Limit, Page, after, moment, page_of
from chassis.http.problems import NotFound
from chassis.http.waiting import Wait, once_known
from chassis.ids import uuid7
from chassis.runtime import Here
from contracts.devices import PaperKind
from contracts.identity import Right
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from devices import enrolment, handlers, registry, store
from devices.domain import (
    Device,
    EnrolmentCode,
    JobState,
    PrintJob,
    UnknownPaper,
    UnknownStore,
    in_scope,
    make_code,
)
from devices.settings import JobSettings, Settings

router = APIRouter()
STORES_MAX = 1_000
Reader = Annotated[Principal, allow(Right.PAPERS_READ)]
Printing = Annotated[Principal, allow(Right.PAPERS_PRINT)]
Manager = Annotated[Principal, allow(Right.DEVICES_MANAGE)]


class ReprintWanted(Body):
    """Which paper: `job_id`, or the newest of `order_id`."""

    order_id: UUID | None = None
    job_id: UUID | None = None
    reprint: Literal[True] = True

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.order_id is None) == (self.job_id is None):
            raise ValueError("Name the paper by either order_id or job_id.")
        return self


class PrintJobShown(BaseModel):
    """`copies` counts the papers asked for: 1 for the paper itself, one more for each reprint."""

    id: UUID
    order_id: UUID
    store_id: UUID
    kind: PaperKind
    device_id: UUID | None
    state: JobState
    reason: str | None
    copies: int
    asked_at: AwareDatetime
    expires_at: AwareDatetime
    at: AwareDatetime


class CodeWanted(Body):
    """`store_ids` empty: the agent will serve every store."""

    name: Text
    store_ids: list[UUID] = Field(default_factory=list, max_length=STORES_MAX)


class CodeShown(BaseModel):
    id: UUID
    code: str
    name: str
    store_ids: list[UUID]
    expires_at: AwareDatetime


class Revocation(Body):
    pass


class DeviceShown(BaseModel):
    id: UUID
    name: str
    store_ids: list[UUID]
    transport: Literal["websocket", "kafka"]
    state: Literal["linked", "away", "on_kafka", "revoked"]
    enrolled_at: AwareDatetime
    seen_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


@router.get("/print-jobs", tags=["print jobs"])
async def list_print_jobs(
    who: Reader,
    here: Here,
    order_id: UUID | None = None,
    state: JobState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PrintJobShown]:
    """Papers of your stores, newest first."""
    begin = after(cursor, moment, UUID)
    async with here.db.reading() as tx:
        rows = await store.list_jobs(tx, order_id, state, who.store_ids, begin, limit + 1)
    return page_of(rows, limit, _job, lambda job: (job.asked_at.isoformat(), str(job.id)))


@router.post("/print-jobs", status_code=202, tags=["print jobs"])
async def reprint(
    body: ReprintWanted, who: Printing, here: Here, key: Keyed, wait: Wait
) -> PrintJobShown:
    """Print a paper once more; the new one says COPY.

    What is on its way to a printer is waited for (409), until its agent was silent for minutes.
    """
    assert isinstance(here.settings, Settings)
    lifetime, silence = JobSettings().lifetime, timedelta(seconds=here.settings.silent_s)

    async def work(tx: AsyncConnection) -> PrintJob:
        job = await store.find_job(tx, body.job_id, body.order_id)
        subject = str(job.id) if job else ""
        kept = await claim(tx, key.of(who), 202, subject)
        if kept is not None:
            return (await store.lock_jobs(tx, [UUID(kept.subject)]))[UUID(kept.subject)]
        now = datetime.now(UTC)
        return await handlers.reprint(
            tx, body.job_id, body.order_id, who.store_ids, now, lifetime, silence
        )

    return _job(await once_known(here.db, lambda: here.db.run(work), UnknownPaper, wait))


@router.post("/devices/enrolment-codes", status_code=201, tags=["devices"])
async def make_enrolment_code(
    body: CodeWanted, who: Manager, here: Here, key: Keyed, wait: Wait
) -> CodeShown:
    """A one-time code for a new agent, good for 15 minutes."""
    if not in_scope(body.store_ids, who.store_ids):
        raise NotFound("You may enrol agents for your own stores only: name those.")
    secret, id, call = here.parts.key.code_secret, uuid7(), key.of(who)

    async def work(tx: AsyncConnection) -> tuple[EnrolmentCode, str]:
        kept = await claim(tx, call, 201, str(id))
        asked = (call.principal, call.key)
        if kept is not None:
            return await registry.get_code(tx, UUID(kept.subject)), make_code(secret, *asked)
        now = datetime.now(UTC)
        return await enrolment.make_enrolment_code(
            tx, id, body.name, body.store_ids, asked, secret, now
        )

    code, text = await once_known(here.db, lambda: here.db.run(work), UnknownStore, wait)
    return CodeShown(
        id=code.id,
        code=text,
        name=code.name,
        store_ids=list(code.store_ids),
        expires_at=code.expires_at,
    )


@router.get("/devices", tags=["devices"])
async def list_devices(
    who: Manager,
    here: Here,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeviceShown]:
    """The agents of your stores, newest first."""
    begin = after(cursor, moment, UUID)
    async with here.db.reading() as tx:
        rows = await registry.list_devices(tx, who.store_ids, begin, limit + 1)
    return page_of(
        rows, limit, _device, lambda device: (device.enrolled_at.isoformat(), str(device.id))
    )


@router.post("/devices/{id}/revoke", tags=["devices"])
async def revoke_device(
    id: UUID, who: Manager, here: Here, key: Keyed, body: Revocation | None = None
) -> DeviceShown:
    """Cut the agent off within a minute; what it was printing becomes unknown."""

    async def work(tx: AsyncConnection) -> Device:
        device = (await registry.get_devices(tx, [id])).get(id)
        if device is None or not in_scope(device.store_ids, who.store_ids):
            raise NotFound("No such device is in your stores: check the id.")
        if await claim(tx, key.of(who), 200, str(id)) is not None:
            return device
        return await enrolment.revoke(tx, id, datetime.now(UTC)) or device

    return _device(await here.db.run(work))


def _job(job: PrintJob) -> PrintJobShown:
    return PrintJobShown(
        id=job.id,
        order_id=job.order_id,
        store_id=job.store_id,
        kind="deposit_receipt",
        device_id=job.device_id,
        state=job.state,
        reason=job.reason,
        copies=job.copies,
        asked_at=job.asked_at,
        expires_at=job.expires_at,
        at=job.at,
    )


def _device(device: Device) -> DeviceShown:
    return DeviceShown(
        id=device.id,
        name=device.name,
        store_ids=list(device.store_ids),
        transport=device.transport,
        state=_state(device),
        enrolled_at=device.enrolled_at,
        seen_at=device.seen_at,
        revoked_at=device.revoked_at,
    )


def _state(device: Device) -> Literal["linked", "away", "on_kafka", "revoked"]:
    if device.revoked_at is not None:
        return "revoked"
    if device.transport == "kafka":
        return "on_kafka"
    return "linked" if device.link_id is not None else "away"
