"""Use cases. Each runs inside the transaction that its caller opened; those of print jobs are
plural, for a print job is on the path of every order."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from chassis import outbox
from chassis.outbox import Said
from contracts.agent_link import JobReport, PrintOrder, ReceiptLine
from contracts.devices import PrintJobChanged, PrintPaper
from sqlalchemy.ext.asyncio import AsyncConnection

from devices import registry, store
from devices.domain import REVOKED, UNHEARD, JobState, PrintJob, UnknownPaper
from devices.seals import HubKey
from devices.store import ReadyJob

NEWS = "print-jobs"  # What links wait for: a job may be ready to be handed over.
HAND_OVER_MAX = 200
# Of the paper as it is stored, which is no shorter than what is signed and sealed; that makes it
# about 1.8 times as long, and a frame of the link or a record of Kafka has at most 1 MiB.
FRAME_PAPERS_BYTES_MAX = 250_000  # Several papers that travel together.
PAPER_BYTES_MAX = 390_000  # A longer one would never arrive.
SWEEP_MAX = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish to print, with the trace of what caused it."""

    command: PrintPaper
    trace: str | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """Sealed jobs for one device's link."""

    device_id: UUID
    sealed: str
    count: int


async def ask_for_papers(
    tx: AsyncConnection, asked: Sequence[Asked], now: datetime, lifetime: timedelta
) -> None:
    """Queue each paper once, however often it is asked for."""
    wishes = {one.command.job_id: one for one in asked}
    rows = [_row(one.command, now, lifetime) for one in wishes.values()]
    new = await store.add_jobs(tx, rows, now)
    facts = []
    for id, one in wishes.items():
        if id in new:
            wish = one.command
            job = PrintJob(
                id=id,
                order_id=wish.order_id,
                store_id=wish.store_id,
                state=JobState.QUEUED,
                reason=None,
                copies=1,
                device_id=None,
                asked_at=now,
                expires_at=wish.expires_at or now + lifetime,
                at=now,
                version=1,
            )
            facts.append(Said(_fact(job), job.version, trace=one.trace))
    await outbox.say(tx, facts)
    if new:
        await announce(tx)


def _row(wish: PrintPaper, now: datetime, lifetime: timedelta) -> dict[str, object]:
    return {
        "id": wish.job_id,
        "order_id": wish.order_id,
        "store_id": wish.store_id,
        "customer_key": wish.customer_key,
        "kind": wish.kind,
        "paper": wish.model_dump_json(),
        "expires_at": wish.expires_at or now + lifetime,
    }


async def announce(tx: AsyncConnection) -> None:
    """When this transaction commits, every replica's links look for jobs: once a batch."""
    await tx.execute(sa.text("SELECT pg_notify('changes', :news)"), {"news": NEWS})


def _fact(job: PrintJob, sealed: str | None = None) -> PrintJobChanged:
    return PrintJobChanged(
        job_id=job.id,
        order_id=job.order_id,
        store_id=job.store_id,
        device_id=job.device_id,
        kind="deposit_receipt",
        state=job.state.value,
        reason=job.reason,
        copies=job.copies,
        expires_at=job.expires_at,
        sealed=sealed,
        at=job.at,
    )


async def _change(tx: AsyncConnection, jobs: Sequence[PrintJob]) -> None:
    await store.save_jobs(tx, jobs)
    await outbox.say(tx, [Said(_fact(job), job.version) for job in jobs])


def print_order(ready: ReadyJob, copies: int, language: str) -> PrintOrder:
    """The job as the agent gets it: here, and nowhere else, the name joins the figures."""
    paper = PrintPaper.model_validate_json(ready.paper)
    return PrintOrder(
        job_id=ready.job.id,
        copy_number=copies,
        kind=paper.kind,
        expires_at=ready.job.expires_at,
        store_id=paper.store_id,
        store_code=ready.store_code or str(paper.store_id),
        store_name=ready.store_name or "",
        language=ready.language or language,
        customer_name=ready.customer_name,
        order_number=paper.order_number,
        currency=paper.currency,
        lines=tuple(
            ReceiptLine(
                description=line.description,
                unit=line.unit,
                quantity=line.quantity,
                unit_price=line.unit_price,
                amount=line.amount,
            )
            for line in paper.lines
        ),
        total=paper.total,
        payment=paper.payment,
        paid=paper.paid,
        due=paper.due,
        hold_until=paper.hold_until,
        at=paper.at,
    )


async def hand_over_to_links(
    tx: AsyncConnection,
    link_ids: Sequence[UUID],
    key: HubKey,
    language: str,
    now: datetime,
    name_wait: timedelta,
) -> list[Parcel]:
    """Take what is queued for the devices of these links; sealed, it goes to them after commit.

    Should the process end before it is sent, the device gets it with its next link.
    """
    queued = await store.take_queued(tx, link_ids, False, now, now - name_wait, HAND_OVER_MAX)
    ready = await _fitting(tx, queued, now)
    await _change(tx, [one.job.handed_to(one.device_id, now) for one in ready])
    return await _sealed(tx, ready, key, language)


async def _fitting(
    tx: AsyncConnection, queued: Sequence[ReadyJob], now: datetime
) -> list[ReadyJob]:
    """Those that can be sent; the others fail here, for they would never arrive."""
    too_long = {one.job.id for one in queued if len(one.paper.encode()) > PAPER_BYTES_MAX}
    await _change(tx, [one.job.too_long(now) for one in queued if one.job.id in too_long])
    return [one for one in queued if one.job.id not in too_long]


async def hand_over_again(
    tx: AsyncConnection, devices: Sequence[UUID], before: datetime, key: HubKey, language: str
) -> list[Parcel]:
    """What these devices were given before this time and did not report.

    A link may have broken before it arrived; an agent that knows the job prints nothing twice.
    """
    return await _sealed(tx, await store.handed_over(tx, devices, before), key, language)


async def _sealed(
    tx: AsyncConnection, ready: Sequence[ReadyJob], key: HubKey, language: str
) -> list[Parcel]:
    by_device: dict[UUID, list[ReadyJob]] = defaultdict(list)
    for one in ready:
        by_device[one.device_id].append(one)
    known = await registry.get_devices(tx, list(by_device))
    parcels = []
    for device_id, jobs in by_device.items():
        for some in _in_frames(jobs):
            orders = [print_order(one, one.job.copies, language) for one in some]
            sealed = key.seal(device_id, known[device_id].sealing_key, orders)
            parcels.append(Parcel(device_id, sealed, len(orders)))
    return parcels


def _in_frames(jobs: Iterable[ReadyJob]) -> Iterable[list[ReadyJob]]:
    frame: list[ReadyJob] = []
    size = 0
    for job in jobs:
        length = len(job.paper.encode())
        if frame and size + length > FRAME_PAPERS_BYTES_MAX:
            yield frame
            frame, size = [], 0
        frame.append(job)
        size += length
    if frame:
        yield frame


async def hand_over_on_kafka(
    tx: AsyncConnection, key: HubKey, language: str, now: datetime, name_wait: timedelta
) -> int:
    """Take what is queued for agents that listen on Kafka; each fact carries its sealed job."""
    queued = await store.take_queued(tx, [], True, now, now - name_wait, HAND_OVER_MAX)
    ready = await _fitting(tx, queued, now)
    if not ready:
        return 0
    known = await registry.get_devices(tx, list({one.device_id for one in ready}))
    jobs, facts = [], []
    for one in ready:
        job = one.job.handed_to(one.device_id, now)
        order = print_order(one, job.copies, language)
        sealed = key.seal(one.device_id, known[one.device_id].sealing_key, [order])
        jobs.append(job)
        facts.append(Said(_fact(job, sealed), job.version))
    await store.save_jobs(tx, jobs)
    await outbox.say(tx, facts)
    return len(jobs)


async def record_reports(
    tx: AsyncConnection, device_id: UUID, reports: Sequence[JobReport], now: datetime
) -> int:
    """Note how the device says its jobs ended; how many of them were news.

    What is no news, or another device's, changes nothing and is acknowledged all the same.
    """
    jobs = await store.lock_jobs(tx, [report.job_id for report in reports])
    changed: dict[UUID, PrintJob] = {}
    for report in reports:
        job = jobs.get(report.job_id)
        if job is None or report.state not in ("printed", "failed", "unknown"):
            continue
        state = JobState(report.state)
        news = job.reported(device_id, report.copy_number, state, report.reason, now)
        # One fact a job: a batch that says two things of a job is told what came first.
        if news is not None and job.id not in changed:
            changed[job.id] = news
    await _change(tx, list(changed.values()))
    return len(changed)


async def reprint(
    tx: AsyncConnection,
    job_id: UUID | None,
    order_id: UUID | None,
    sees: frozenset[UUID] | None,
    now: datetime,
    lifetime: timedelta,
    silence: timedelta,
) -> PrintJob:
    """Queue one more paper of this job, or of the order's newest, marked as a copy.

    What was given to an agent that fell silent for so long is in doubt: nobody has to wait for it.
    """
    if job_id is not None:
        job, reference, field = (await store.lock_jobs(tx, [job_id])).get(job_id), job_id, "job_id"
    else:
        assert order_id is not None
        job, reference, field = (
            await store.lock_newest_of_order(tx, order_id),
            order_id,
            "order_id",
        )
    if job is None or (sees is not None and job.store_id not in sees):
        raise UnknownPaper(reference, field)
    if job.state is JobState.PRINTING and await _is_silent(tx, job.device_id, now - silence):
        job = job.in_doubt(UNHEARD, now)
        await _change(tx, [job])
    again = job.reprinted(now, lifetime)
    await _change(tx, [again])
    await announce(tx)
    return again


async def _is_silent(tx: AsyncConnection, device_id: UUID | None, since: datetime) -> bool:
    assert device_id is not None, "some device has what is printing"
    return (await registry.get_devices(tx, [device_id]))[device_id].is_silent(since)


async def end_late_jobs(tx: AsyncConnection, now: datetime, unheard: timedelta) -> int:
    """Fail what nobody printed in time; doubt what an agent took and never spoke of again."""
    late = await store.lock_ended(tx, now, SWEEP_MAX)
    silent = await store.lock_unheard(tx, now - unheard, SWEEP_MAX)
    changed = [job.ended(now) for job in late.values()]
    changed += [job.in_doubt(UNHEARD, now) for job in silent.values()]
    await _change(tx, changed)
    return len(changed)


async def doubt_jobs_of(tx: AsyncConnection, device_id: UUID, now: datetime) -> None:
    """Its device is gone: what it was printing is unknown."""
    printing = await store.lock_printing(tx, device_id)
    await _change(tx, [job.in_doubt(REVOKED, now) for job in printing.values()])
