"""The settings for new orders over HTTP."""

from typing import Annotated, Literal

from chassis.http.auth import Principal, allow
from chassis.http.etags import IfMatch, require_version, set_etag
from chassis.http.fields import Body, Exact, Figure
from chassis.http.idempotency import KeyedIfSent, done_before
from chassis.runtime import Here
from contracts.identity import Right
from contracts.orders import Channel
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.order_settings import handlers, store
from orders.order_settings.domain import OrderSettings

router = APIRouter(tags=["order settings"])
Percent = Annotated[Exact, Field(ge=0, le=100, decimal_places=2)]
FirstStatus = Literal["agreed", "pending_approval"]


class SettingsChange(Body):
    prepayment_percent: Percent | None = None
    first_status: dict[Channel, FirstStatus] = Field(default_factory=dict)


class SettingsAnswer(BaseModel):
    prepayment_percent: Figure
    first_status: dict[str, str]
    version: int


def show(settings: OrderSettings) -> SettingsAnswer:
    return SettingsAnswer.model_validate(settings, from_attributes=True)


@router.get("/order-settings")
async def get_settings(
    who: Annotated[Principal, allow(Right.ORDERS_READ)], here: Here, response: Response
) -> SettingsAnswer:
    """What new orders get: the prepayment proposed and the first status by channel."""
    async with here.db.reading() as tx:
        settings = await store.read(tx)
    set_etag(response, settings.version)
    return show(settings)


@router.patch("/order-settings")
async def change_settings(
    body: SettingsChange,
    who: Annotated[Principal, allow(Right.SETTINGS_WRITE)],
    here: Here,
    key: KeyedIfSent,
    expected: IfMatch,
    response: Response,
) -> SettingsAnswer:
    """Change them for orders from now on, in every store."""
    who.require_whole_chain()
    first_status = {str(channel): status for channel, status in body.first_status.items()}

    def check(settings: OrderSettings) -> None:
        require_version(expected, settings.version)

    async def work(tx: AsyncConnection) -> OrderSettings:
        if await done_before(tx, key, who, 200, "order-settings"):
            return await store.read(tx)
        return await handlers.change_settings(tx, check, body.prepayment_percent, first_status)

    settings = await here.db.run(work)
    set_etag(response, settings.version)
    return show(settings)
