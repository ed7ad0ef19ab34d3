"""Use cases of the settings."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from orders.order_settings import store
from orders.order_settings.domain import OrderSettings, changed


async def change_settings(
    tx: AsyncConnection,
    check: Callable[[OrderSettings], None],
    percent: Decimal | None,
    first_status: Mapping[str, str],
) -> OrderSettings:
    """Change what is given; `check` sees the settings under their lock."""
    settings = await store.read(tx, lock=True)
    check(settings)
    new = changed(settings, percent, first_status)
    if new.version != settings.version:
        await store.update(tx, new)
    return new
