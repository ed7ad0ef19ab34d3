"""The town's services, and the turns that carry what they say to one another."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from chassis import relay
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.subscriptions import obey_commands
from chassis.testing import Bench, bench
from inventory.holds import handlers as holds
from notifications import sender
from notifications.settings import Settings as MailSettings

from faults.judge.versions import SERVICES
from faults.town.printer import Printer
from faults.town.topics import Follower, Topics

PRINTS = 0.1  # Of the turns: the printer looks for work.
RELAYS = 2  # Of each service, as if the lock of the leader had failed (E17).
TURNS_MAX = 200_000


class Town:
    """All services under one seed. Nothing moves but by `turn`, so a run can be run again."""

    def __init__(self, seed: int, benches: Mapping[str, Bench], mail_port: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - it is to be repeatable, not secret
        self.benches, self.mail_port = benches, mail_port
        self.printer = Printer(benches["devices"], self.chance)
        self.relays: dict[str, list[asyncpg.Connection[Any]]] = {}
        self.topics = Topics(
            self.chance,
            [
                Follower(one.topic, Consumer(name, one, running.db))
                for name, running in benches.items()
                for one in obey_commands(name, running.service.subscriptions)
            ],
        )

    @property
    def urls(self) -> dict[str, str]:
        """Each service's database, for the judge."""
        return {name: running.db.dsn for name, running in self.benches.items()}

    async def turn(self) -> bool:
        """One step of the machinery, drawn from the seed; False when nothing was to be done."""
        followers = self.topics.waiting()
        if followers and self.chance.random() < 0.7:
            await self.topics.deliver(self.chance.choice(followers))
            return True
        if self.chance.random() < PRINTS and await self.printer.turn():
            return True
        unsent = [name for name in self.benches if await self._has_unsent(name)]
        if unsent:
            await self._relay(self.chance.choice(unsent))
            return True
        if followers:
            await self.topics.deliver(self.chance.choice(followers))
            return True
        return False

    async def settle(self) -> None:
        """Turn until nothing moves any more, mails and papers included."""
        for _ in range(TURNS_MAX):
            if not (await self.turn() or await self._post() or await self.printer.turn()):
                return
        raise AssertionError("the town does not come to rest")

    async def remind(self, ahead: timedelta) -> None:
        """Let inventory look for holds that end, as if so much time had passed."""
        now = datetime.now(UTC) + ahead
        await self.benches["inventory"].db.run(lambda tx: holds.remind(tx, now=now))

    async def _has_unsent(self, name: str) -> bool:
        found = await self.relays[name][0].fetchval(
            "SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)"
        )
        return bool(found)

    async def _relay(self, name: str) -> None:
        """A round of a relay, now and then of both at once; one that fails starts again later."""
        working = self.relays[name][: self.chance.randint(1, RELAYS)]
        producer = cast(AIOKafkaProducer, self.topics)
        rounds = [relay.relay_once(one, producer, asyncio.Event()) for one in working]
        for outcome in await asyncio.gather(*rounds, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, KafkaError):
                raise outcome

    async def _post(self) -> bool:
        """Hand over the e-mails that are due; whether there were any."""
        settings = MailSettings.model_validate(
            {"database_url": self.urls["notifications"], "smtp_port": self.mail_port}
        )
        db = self.benches["notifications"].db
        return bool(await sender.send_due(db, settings, lambda: datetime.now(UTC)))


@asynccontextmanager
async def opened(
    seed: int, databases: Mapping[str, Database], key_file: Path, mail_port: int
) -> AsyncIterator[Town]:
    """A town on these databases, which are its services' own and migrated."""
    async with AsyncExitStack() as stack:
        benches: dict[str, Bench] = {}
        for name, service in SERVICES.items():
            own = {"signing_key_file": str(key_file)} if name in ("identity", "devices") else {}
            benches[name] = await stack.enter_async_context(bench(service, databases[name], **own))
        town = Town(seed, benches, mail_port)
        for name, url in town.urls.items():
            town.relays[name] = []
            for _ in range(RELAYS):
                connection = await asyncpg.connect(url)
                stack.push_async_callback(connection.close)
                town.relays[name].append(connection)
        await town.printer.enrol()
        yield town
