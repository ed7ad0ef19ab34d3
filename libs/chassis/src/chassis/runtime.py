"""What a running service has at hand; edges get it as a dependency."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Request

from chassis.bus import Bus
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.settings import Settings
from chassis.transient import is_transient

ANSWER_S = 2.0  # Less than whoever asks for readiness waits for it.


@dataclass(slots=True)
class Drain:
    """Whether this process is about to stop, and when (on the monotonic clock) it will."""

    until: float | None = None


@dataclass(slots=True)
class Runtime:
    """The database, the bus and the settings; `parts` is the service's own (see Service.start)."""

    settings: Settings
    db: Database
    bus: Bus | None
    consumers: Mapping[str, Consumer]
    parts: Any = field(default=None)

    async def problems(self) -> dict[str, str]:
        """What keeps the service from being ready; empty when it is. Asked anew each time."""
        kafka, database = await asyncio.gather(self._kafka_problem(), self._database_problem())
        answers = {"kafka": kafka, "database": database}
        return {name: answer for name, answer in answers.items() if answer is not None}

    async def _kafka_problem(self) -> str | None:
        if self.bus is None:
            return None
        if not self.bus.ready:
            return "not connected yet"
        return None if await self.bus.broker.ping(ANSWER_S) else "does not answer"

    async def _database_problem(self) -> str | None:
        try:
            async with asyncio.timeout(ANSWER_S), self.db.reading() as tx:
                await tx.execute(sa.text("SELECT 1 FROM outbox LIMIT 1"))
        except Exception as error:
            if not isinstance(error, sa.exc.SQLAlchemyError) and not is_transient(error):
                raise
            return type(error).__name__
        return None


async def runtime_of(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


Here = Annotated[Runtime, Depends(runtime_of)]
