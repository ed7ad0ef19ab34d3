"""The hub's end of the agents' links: WebSocket in, print jobs out, in any number of replicas."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from chassis.database import Database
from chassis.http.auth import open_to_all
from chassis.ids import uuid7
from contracts.agent_link import (
    FRAME_BYTES_MAX,
    FROM_AGENT,
    Acknowledged,
    Challenge,
    Enrol,
    Enrolled,
    FromAgent,
    FromHub,
    Heartbeat,
    Hello,
    JobReport,
    JobsSent,
    LinkRefused,
    Reports,
    ScanRead,
    Scans,
    Welcome,
)
from fastapi import APIRouter, Depends, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from devices import enrolment, handlers, registry
from devices.domain import CodeRefused, Device, DeviceRevoked, DevicesError, ProofRefused
from devices.handlers import NEWS, Parcel
from devices.seals import HubKey
from devices.settings import Settings

log = structlog.get_logger()
router = APIRouter(tags=["agents"])
HELLO_TIMEOUT_S = 10
SILENCES_MAX = 3  # Missed heartbeats until the link counts as dead.
POLL_S = 1.0  # News may get lost; jobs that wait for a name bring none.
SEND_AGAIN_AFTER = timedelta(seconds=60)
QUEUED_FRAMES_MAX = 4  # A slow line keeps its jobs in the database, for other agents too.
CLOSE_REFUSED, CLOSE_BROKEN = 4403, 1011


class NotUnderstood(Exception):
    """The agent does not speak as the link's contract says."""


@dataclass(eq=False)
class Link:
    """One agent's open connection."""

    socket: WebSocket
    link_id: UUID
    device_id: UUID
    heard_at: float = field(default_factory=time.monotonic)
    outgoing: "asyncio.Queue[FromHub]" = field(default_factory=asyncio.Queue)
    refusal: asyncio.Event = field(default_factory=asyncio.Event)

    def has_room(self) -> bool:
        return self.outgoing.qsize() < QUEUED_FRAMES_MAX

    async def write(self) -> None:
        while True:
            await say(self.socket, await self.outgoing.get())


async def say(socket: WebSocket, message: FromHub) -> None:
    await socket.send_text(message.model_dump_json())


async def hear(socket: WebSocket) -> FromAgent:
    frame = await socket.receive_text()
    if len(frame) > FRAME_BYTES_MAX:
        raise NotUnderstood("the frame is too long")
    try:
        return FROM_AGENT.validate_json(frame)
    except ValidationError as error:
        raise NotUnderstood("the frame is not one of the link's contract") from error


class Hub:
    """All links of this process. Jobs come from the database, so replicas need not know another."""

    def __init__(self, db: Database, key: HubKey, settings: Settings) -> None:
        self.db, self.key, self.settings = db, key, settings
        self.links: dict[UUID, Link] = {}
        self._name_wait = timedelta(seconds=settings.name_wait_s)

    async def hand_out(self) -> None:
        """Give queued jobs to the links, whenever there is news and every second."""
        with self.db.changes.watch([NEWS]) as changed:
            while True:
                changed.clear()
                if await self._hand_out_once():
                    continue
                try:
                    async with asyncio.timeout(POLL_S):
                        await changed.wait()
                except TimeoutError:
                    continue

    async def _hand_out_once(self) -> bool:
        """Whether there was something, so that there may be more."""
        ids = [link.link_id for link in self.links.values() if link.has_room()]
        if not ids:
            return False
        language = self.settings.language_default
        parcels = await self.db.run(
            lambda tx: handlers.hand_over_to_links(
                tx, ids, self.key, language, datetime.now(UTC), self._name_wait
            )
        )
        self._post(parcels)
        return bool(parcels)

    def _post(self, parcels: Sequence[Parcel]) -> None:
        by_device = {link.device_id: link for link in self.links.values()}
        for parcel in parcels:
            # A device that left meanwhile gets it with its next link, or again after a while.
            if link := by_device.get(parcel.device_id):
                link.outgoing.put_nowait(JobsSent(sealed=parcel.sealed))

    async def pulse(self) -> None:
        """Every few seconds: cut revoked, replaced and silent links; send again what got lost."""
        while True:
            await asyncio.sleep(self.settings.pulse_s)
            links = dict(self.links)
            if not links:
                continue
            now = datetime.now(UTC)
            good = await self._still_good(list(links), now)
            silent_since = time.monotonic() - SILENCES_MAX * self.settings.heartbeat_s
            for id, link in links.items():
                if id not in good or link.heard_at < silent_since:
                    link.refusal.set()
            devices = [link.device_id for link in links.values() if link.has_room()]
            self._post(await self._given_before(devices, now - SEND_AGAIN_AFTER))

    async def _still_good(self, links: Sequence[UUID], now: datetime) -> set[UUID]:
        return await self.db.run(lambda tx: registry.seen(tx, links, now))

    async def _given_before(self, devices: Sequence[UUID], before: datetime) -> list[Parcel]:
        language = self.settings.language_default
        async with self.db.reading() as tx:
            return await handlers.hand_over_again(tx, devices, before, self.key, language)

    async def serve(self, socket: WebSocket) -> None:
        """One connection, from the challenge to its end."""
        await socket.accept()
        try:
            await self._converse(socket)
        except WebSocketDisconnect:
            return
        except (DevicesError, NotUnderstood) as error:
            await _refuse(socket, error)
        except TimeoutError:
            await socket.close(CLOSE_REFUSED)
        except Exception:
            # The agent comes back by itself, and whatever it said is said again.
            log.exception("link broke")
            await socket.close(CLOSE_BROKEN)

    async def _converse(self, socket: WebSocket) -> None:
        nonce = secrets.token_urlsafe(32)
        await say(socket, Challenge(nonce=nonce))
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            first = await hear(socket)
        now = datetime.now(UTC)
        match first:
            case Enrol():
                id = uuid7()
                device = await self.db.run(lambda tx: enrolment.enrol(tx, id, first, nonce, now))
                log.info("device enrolled", device_id=str(id), transport=device.transport)
                await say(
                    socket,
                    Enrolled(device_id=id, hub_key=self.key.public, store_ids=device.store_ids),
                )
                await socket.close()
            case Hello(device_id=device_id, proof=proof):
                link = Link(socket, uuid7(), device_id)
                device = await self.db.run(
                    lambda tx: enrolment.link(tx, device_id, proof, nonce, link.link_id, now)
                )
                await self._keep(link, device)
            case _:
                raise NotUnderstood("the first word must be enrol or hello")

    async def _keep(self, link: Link, device: Device) -> None:
        log.info("linked", device_id=str(device.id))
        for parcel in await self._given_before([device.id], datetime.now(UTC)):
            link.outgoing.put_nowait(JobsSent(sealed=parcel.sealed))
        # Before the welcome: whoever was welcomed counts when it is asked who prints for a store.
        self.links[link.link_id] = link
        self.db.changes.announce([NEWS])
        tasks: list[asyncio.Task[Any]] = []
        try:
            welcome = Welcome(store_ids=device.store_ids, heartbeat_s=self.settings.heartbeat_s)
            await say(link.socket, welcome)
            work = (self._read(link), link.write(), link.refusal.wait())
            tasks += [asyncio.create_task(one) for one in work]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self.links[link.link_id]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.db.run(lambda tx: registry.unlink_device(tx, device.id, link.link_id))
        for task in done:
            task.result()
        await self._say_why(link)

    async def _say_why(self, link: Link) -> None:
        """Revoked is final for the agent; anything else lets it try again."""
        async with self.db.reading() as tx:
            device = (await registry.get_devices(tx, [link.device_id]))[link.device_id]
        device.refuse_if_revoked()
        detail = "Another connection of this device took over, or this one fell silent."
        await say(link.socket, LinkRefused(reason="replaced", detail=detail))
        await link.socket.close(CLOSE_REFUSED)

    async def _read(self, link: Link) -> None:
        while True:
            message = await hear(link.socket)
            link.heard_at = time.monotonic()
            match message:
                case Heartbeat():
                    continue
                case Reports(reports=reports):
                    await self._note(link.device_id, reports)
                    link.outgoing.put_nowait(Acknowledged(reports=reports))
                case Scans(scans=scans):
                    last = await self._note_scans(link.device_id, scans)
                    link.outgoing.put_nowait(Acknowledged(scans_up_to=last))
                case _:
                    raise NotUnderstood("said out of turn")

    async def _note(self, device_id: UUID, reports: Sequence[JobReport]) -> None:
        now = datetime.now(UTC)
        await self.db.run(lambda tx: handlers.record_reports(tx, device_id, reports, now))

    async def _note_scans(self, device_id: UUID, scans: Sequence[ScanRead]) -> int:
        return await self.db.run(lambda tx: enrolment.record_scans(tx, device_id, scans))


async def _refuse(socket: WebSocket, error: Exception) -> None:
    match error:
        case CodeRefused():
            refused = LinkRefused(reason="code_refused", detail=str(error))
        case ProofRefused():
            refused = LinkRefused(reason="proof_refused", detail=str(error))
        case DeviceRevoked():
            refused = LinkRefused(reason="revoked", detail=str(error))
        case _:
            refused = LinkRefused(reason="not_understood", detail=str(error))
    log.warning("link refused", reason=refused.reason)
    await say(socket, refused)
    await socket.close(CLOSE_REFUSED)


@router.websocket("/agents/link", dependencies=[Depends(open_to_all)])
async def serve_link(socket: WebSocket) -> None:
    """An agent's line to the hub: it proves itself by its key, not by a token."""
    hub: Hub = socket.app.state.runtime.parts.hub
    await hub.serve(socket)
