"""Settings for new orders; changing them leaves the orders taken before as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

FIRST_STATUSES = ("agreed", "pending_approval")


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """`prepayment_percent` of the total is proposed; `first_status` is by channel."""

    prepayment_percent: Decimal
    first_status: Mapping[str, str] = field(default_factory=dict)
    version: int = 1


def changed(
    settings: OrderSettings, percent: Decimal | None, first_status: Mapping[str, str]
) -> OrderSettings:
    """The settings with what is given changed; a new version only when something differs."""
    assert all(status in FIRST_STATUSES for status in first_status.values())
    new = replace(
        settings,
        prepayment_percent=settings.prepayment_percent if percent is None else percent,
        first_status={**settings.first_status, **first_status},
    )
    return settings if new == settings else replace(new, version=settings.version + 1)
