"""Facts of the shipping service: goods handed over or sent."""

from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from contracts import topics
from contracts.inventory import Shortage
from contracts.message import Fact, Part

ShipmentKind = Literal["hand_over", "delivery"]


class ShippedLine(Part):
    line_id: UUID
    quantity: Decimal
    amount: Decimal  # What this part of the line is worth.


class ShipmentFact(Fact):
    TOPIC: ClassVar[str] = topics.SHIPMENTS
    KEY: ClassVar[str] = "shipment_id"

    shipment_id: UUID
    order_id: UUID
    store_id: UUID
    kind: ShipmentKind
    at: AwareDatetime
    by: str


class ShipmentPosting(ShipmentFact):
    """Inventory was asked for the goods: until it answers the order cannot be cancelled."""

    TYPE: ClassVar[str] = "shipment_posting.v1"


class ShipmentPosted(ShipmentFact):
    TYPE: ClassVar[str] = "shipment_posted.v1"

    currency: str
    lines: tuple[ShippedLine, ...]
    value: Decimal  # The hand-over's worth, H.
    left_before: Decimal  # What was left to hand over before it, L; at least H.
    handed_over_before: Decimal | None = None  # What was handed over before it; newer facts say it.


class ShipmentRefused(ShipmentFact):
    TYPE: ClassVar[str] = "shipment_refused.v1"

    reason: str
    shortages: tuple[Shortage, ...]


FACTS = (ShipmentPosting, ShipmentPosted, ShipmentRefused)
