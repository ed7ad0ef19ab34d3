"""The town's printer: takes papers as an agent does, and says how each ended, or does not know."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from chassis.ids import uuid7
from chassis.testing import Bench
from contracts.agent_link import JobReport
from devices import handlers, registry
from devices.domain import Device
from joserfc.jwk import OKPKey
from sqlalchemy.ext.asyncio import AsyncConnection

ENDS = ("printed", "printed", "printed", "printed", "failed", "unknown")
NO_WAIT = timedelta(0)
MINE = sa.text("SELECT id, copies FROM print_jobs WHERE state = 'printing' ORDER BY asked_at, id")


class Printer:
    """One device for every store. What it was given and did not report is given to it again."""

    def __init__(self, hub: Bench, chance: random.Random) -> None:
        self.hub, self.chance = hub, chance
        self.device_id, self.link_id = uuid7(), uuid7()

    async def enrol(self) -> None:
        """Become known to the hub, and linked."""
        now = datetime.now(UTC)
        device = Device(
            id=self.device_id,
            name="the town's printer",
            store_ids=(),
            transport="websocket",
            signing_key=_public(OKPKey.generate_key("Ed25519")),
            sealing_key=_public(OKPKey.generate_key("X25519")),
            enrolled_at=now,
            revoked_at=None,
            link_id=None,
            seen_at=None,
            last_scan=0,
            version=0,
        )

        async def work(tx: AsyncConnection) -> None:
            await registry.add_device(tx, device)
            await registry.link_device(tx, self.device_id, self.link_id, now)

        await self.hub.db.run(work)

    async def turn(self) -> bool:
        """Take what is queued and report what is being printed; whether there was anything."""
        key = self.hub.app.state.runtime.parts.key
        await self.hub.db.run(
            lambda tx: handlers.hand_over_to_links(
                tx, [self.link_id], key, "en", datetime.now(UTC), NO_WAIT
            )
        )
        async with self.hub.db.reading() as tx:
            printing = [(row.id, row.copies) for row in await tx.execute(MINE)]
        if not printing:
            return False
        reports = [self._report(id, copies) for id, copies in printing]
        for _ in range(self.chance.randint(1, 2)):  # The hub's answer may be lost.
            await self._say(reports)
        return True

    def _report(self, job_id: UUID, copies: int) -> JobReport:
        values = {
            "job_id": job_id,
            "copy_number": copies,
            "state": self.chance.choice(ENDS),
            "reason": None,
            "at": datetime.now(UTC),
        }
        return JobReport.model_validate(values)

    async def _say(self, reports: list[JobReport]) -> None:
        now = datetime.now(UTC)
        await self.hub.db.run(lambda tx: handlers.record_reports(tx, self.device_id, reports, now))


def _public(key: OKPKey) -> dict[str, str]:
    return {name: str(value) for name, value in key.as_dict(private=False).items()}
