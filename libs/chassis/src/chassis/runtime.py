"""What a running service has at hand; edges get it as a dependency."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Request

from chassis.bus import Bus
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.settings import Settings


@dataclass(slots=True)
class Runtime:
    """The database, the bus and the settings; `parts` is the service's own (see Service.start)."""

    settings: Settings
    db: Database
    bus: Bus | None
    consumers: Mapping[str, Consumer]
    parts: Any = field(default=None)

    async def problems(self) -> dict[str, str]:
        """What keeps the service from being ready; empty when it is."""
        found: dict[str, str] = {}
        if self.bus is not None and not self.bus.ready:
            found["kafka"] = "not connected yet"
        try:
            async with self.db.reading() as tx:
                await tx.execute(sa.text("SELECT 1 FROM outbox LIMIT 1"))
        except (sa.exc.SQLAlchemyError, OSError) as error:
            found["database"] = type(error).__name__
        return found


async def runtime_of(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


Here = Annotated[Runtime, Depends(runtime_of)]
