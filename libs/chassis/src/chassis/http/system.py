"""What operators and supervisors ask of every service: health, metrics, parked records."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from contracts.identity import Right
from fastapi import APIRouter, Depends, Path, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import parking
from chassis.http.auth import Principal, allow, open_to_all
from chassis.http.fields import Body, Text
from chassis.http.idempotency import Keyed, claim, unclaim
from chassis.http.problems import NotFound, Refusal
from chassis.runtime import Drain, Here, Runtime

NO_SUCH_RECORD = "No such parked record is open: look at the list again."

STOPPING = {"process": "about to stop"}


class ReplayRefused(Refusal):
    status, title = 409, "Refused again"


class ParkedRecord(BaseModel):
    id: int
    subscriber: str
    topic: str
    key: str
    version: int
    type: str
    event_id: UUID
    reason: parking.Reason
    error: str
    parked_at: datetime
    payload: str | None


class ParkedList(BaseModel):
    items: list[ParkedRecord]


class Replayed(BaseModel):
    handled: int


class Mended(Body):
    payload: dict[str, Any]


class Discarded(Body):
    reason: Text


Operator = Annotated[Principal, allow(Right.SYSTEM_OPERATE)]
ParkedId = Annotated[int, Path(ge=1, le=2**63 - 1)]  # What the table's key can be.


def probes() -> APIRouter:
    """Health, readiness and metrics: for the machine itself, not for the gateway."""
    router = APIRouter(dependencies=[Depends(open_to_all)], include_in_schema=False)

    @router.get("/healthz")
    async def healthz(request: Request, response: Response) -> dict[str, str]:
        drain: Drain = request.app.state.drain
        if drain.until is None:
            return {"status": "alive"}
        response.status_code = 503
        return STOPPING

    @router.get("/readyz")
    async def readyz(request: Request, response: Response) -> dict[str, str]:
        drain: Drain = request.app.state.drain
        if drain.until is not None:
            response.status_code = 503
            return STOPPING
        runtime: Runtime = request.app.state.runtime
        problems = await runtime.problems()
        if problems:
            response.status_code = 503
        return problems or {"status": "ready"}

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def operations(service: str) -> APIRouter:
    """Parked records: see, mend, replay in order, or discard."""
    router = APIRouter(prefix=f"/api/v1/system/{service}", tags=["system"])
    _add_seeing(router)
    _add_mending(router)
    return router


def _add_seeing(router: APIRouter) -> None:

    @router.get("/parked")
    async def list_parked(who: Operator, here: Here) -> ParkedList:
        """What waits for an operator, oldest first."""
        who.require_whole_chain()
        async with here.db.reading() as tx:
            rows = await parking.list_open(tx)
        return ParkedList(
            items=[ParkedRecord.model_validate(r, from_attributes=True) for r in rows]
        )

    @router.post("/parked/{id}/replay")
    async def replay_parked(id: ParkedId, who: Operator, here: Here, key: Keyed) -> Replayed:
        """Handle the record and those behind it, in order, up to 200 at once: all of them or none.

        One that is refused again ends it; what was handled before its 200 stays handled.
        """
        who.require_whole_chain()
        call, handled = key.of(who), 0

        async def work(tx: AsyncConnection) -> int:
            if await claim(tx, call, 200, str(id)) is not None:
                return 0
            count = await parking.replay(tx, here.consumers, id, who.name)
            if handled + count == 0:
                raise NotFound(NO_SUCH_RECORD)
            if count == parking.REPLAYED_MAX:
                await unclaim(tx, call)  # There may be more of it to do.
            return count

        try:
            while (count := await here.db.run(work)) == parking.REPLAYED_MAX:
                handled += count
        except Refusal:
            raise
        except Exception as error:
            before = f" {handled} before it were handled." if handled else ""
            raise ReplayRefused(
                f"{type(error).__name__}: {error}. Mend the record or its cause first.{before}"
            ) from error
        return Replayed(handled=handled + count)


def _add_mending(router: APIRouter) -> None:
    @router.post("/parked/{id}/mend")
    async def mend(id: ParkedId, body: Mended, who: Operator, here: Here, key: Keyed) -> Replayed:
        """Replace the record's body; replay it afterwards."""
        who.require_whole_chain()
        text = body.model_dump_json(include={"payload"})
        payload = text.removeprefix('{"payload":').removesuffix("}").encode()

        async def work(tx: AsyncConnection) -> None:
            new = await claim(tx, key.of(who), 200, str(id)) is None
            if new and not await parking.mend(tx, id, payload):
                raise NotFound(NO_SUCH_RECORD)

        await here.db.run(work)
        return Replayed(handled=0)

    @router.post("/parked/{id}/discard")
    async def discard_parked(
        id: ParkedId, body: Discarded, who: Operator, here: Here, key: Keyed
    ) -> Replayed:
        """Give the record up, with a reason; replay those behind it afterwards."""
        who.require_whole_chain()

        async def work(tx: AsyncConnection) -> None:
            if await claim(tx, key.of(who), 200, str(id)) is not None:
                return
            by = f"{who.name} discarded it: {body.reason}"
            if not await parking.discard(tx, here.consumers, id, by):
                raise NotFound(NO_SUCH_RECORD)

        await here.db.run(work)
        return Replayed(handled=0)
