"""Settings: the first status by channel, the deposit proposed, how each store holds goods."""

from typing import Annotated
from uuid import UUID

from contracts.identity import Right
from fastapi import APIRouter, Depends
from starlette.responses import Response

from web import words
from web.api import ApiProblem
from web.jsons import Json
from web.visit import Visit, needs, new_key, see_other, sent_key

router = APIRouter(include_in_schema=False)
Manager = Annotated[Visit, Depends(needs(Right.SETTINGS_WRITE))]
StoreManager = Annotated[Visit, Depends(needs(Right.STORES_WRITE))]
FIRST_STATUSES = ("pending_approval", "agreed")
STORE_FIELDS = ("hold_method", "held_goods_sale", "hold_days")


async def _show(
    visit: Visit,
    problem: ApiProblem | None = None,
    typed: Json | None = None,
    store_id: str | None = None,
) -> Response:
    state = visit.request.app.state
    order_settings = await visit.api.ask("GET", "/order-settings")
    places = await state.directory.places(visit.known.account_id, visit.api, visit.now)
    return visit.page(
        "settings.html",
        status=problem.status if problem else 200,
        order_settings=order_settings.body,
        etag=order_settings.etag,
        new_key=new_key,
        first_statuses=FIRST_STATUSES,
        places=places,
        problem=problem,
        sentence=visit.sentence(problem) if problem else None,
        refused_store=store_id,
        typed=typed or {},
    )


@router.get("/settings")
async def show(visit: Manager) -> Response:
    """The chain's settings; changes count for new orders only."""
    return await _show(visit)


@router.post("/settings/orders")
async def change_orders(visit: Manager) -> Response:
    """Changes what new orders get, if nobody changed it meanwhile."""
    form = await visit.form()
    body: Json = {
        "prepayment_percent": visit.language.typed_number(str(form.get("prepayment_percent", ""))),
        "first_status": {
            channel: str(form[f"first-{channel}"])
            for channel in words.CHANNEL
            if form.get(f"first-{channel}") in FIRST_STATUSES
        },
    }
    try:
        await visit.api.patch("/order-settings", body, str(form.get("etag", "")), sent_key(form))
    except ApiProblem as problem:
        if problem.status in (401, 403):
            raise
        return await _show(visit, problem, body)
    return see_other("/settings?said=saved")


@router.post("/settings/stores/{store_id}")
async def change_store(visit: StoreManager, store_id: UUID) -> Response:
    """Changes how a store holds goods; orders taken earlier stay as they are."""
    form = await visit.form()
    body: Json = {name: str(form[name]) for name in STORE_FIELDS if str(form.get(name, "")).strip()}
    if str(body.get("hold_days", "")).isdigit():
        body["hold_days"] = int(body["hold_days"])
    try:
        etag = await _etag(visit, store_id)
        await visit.api.patch(f"/stores/{store_id}", body, etag, sent_key(form))
    except ApiProblem as problem:
        if problem.status in (401, 403, 404):
            raise
        return await _show(visit, problem, body, str(store_id))
    visit.request.app.state.directory.forget(visit.known.account_id)
    return see_other("/settings?said=saved")


async def _etag(visit: Visit, store_id: UUID) -> str:
    """The store's version now: the form sends whole values, so the last word wins on purpose."""
    answer = await visit.api.ask("GET", f"/stores/{store_id}")
    return answer.etag or "*"
