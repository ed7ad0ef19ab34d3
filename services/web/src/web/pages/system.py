"""System: which services are ready, and which records wait for an operator."""

import asyncio
from typing import Annotated

from contracts.identity import Right
from fastapi import APIRouter, Depends
from starlette.responses import Response

from web.api import ApiProblem
from web.jsons import Json
from web.readiness import ask_all
from web.visit import Visit, needs, new_key, see_other, sent_key

router = APIRouter(include_in_schema=False)
Operator = Annotated[Visit, Depends(needs(Right.SYSTEM_OPERATE))]
LIMIT = 50


async def parked_of(visit: Visit, service: str) -> list[Json] | None:
    """The service's parked records; none for one that keeps no such list, None when away."""
    try:
        items, _ = await visit.api.get_page(f"/system/{service}/parked", limit=LIMIT)
    except ApiProblem as problem:
        if problem.status == 404:
            return []
        if problem.unreachable:
            return None
        raise
    return items


async def _show(visit: Visit, status: int = 200, sentence: str | None = None) -> Response:
    state = visit.request.app.state
    services = [name for name in state.settings.services if name != "web"]
    readiness, *parked = await asyncio.gather(
        ask_all(state.plain_http, state.settings.services),
        *(parked_of(visit, name) for name in services),
    )
    return visit.page(
        "system.html",
        status=status,
        readiness=readiness,
        parked=dict(zip(services, parked, strict=True)),
        new_key=new_key,
        sentence=sentence,
        live=state.live.is_following,
    )


@router.get("/system")
async def show(visit: Operator) -> Response:
    """Every service, and every parked record with its replay."""
    return await _show(visit)


@router.post("/system/{service}/parked/{record_id}/replay")
async def replay(visit: Operator, service: str, record_id: str) -> Response:
    """Tries the record again; those behind it follow."""
    form = await visit.form()
    known = service in visit.request.app.state.settings.services
    if not known or not record_id.replace("-", "").isalnum():
        raise ApiProblem(404, visit.say("There is no such page."), "")
    try:
        await visit.api.post(f"/system/{service}/parked/{record_id}/replay", {}, sent_key(form))
    except ApiProblem as problem:
        if problem.status in (401, 403, 404):
            raise
        return await _show(visit, problem.status, visit.sentence(problem))
    return see_other("/system?said=replayed")
