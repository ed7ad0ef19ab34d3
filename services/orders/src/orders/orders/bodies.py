"""Orders as clients send them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from chassis.http.fields import (
    Amount,
    AmountOrZero,
    Body,
    Code,
    Currency,
    Exact,
    LongText,
    Moment,
    Quantity,
    Text,
    UnitPrice,
)
from chassis.http.idempotency import fingerprint
from contracts.money import QUANTITY_MAX
from contracts.orders import Channel, HoldMethod
from pydantic import Field, StringConstraints, model_validator

from orders.catalogue.http import TaxRate, Unit
from orders.orders.placing import SpecialItem, Wish, WishedLine, WishedTerm

LINES_MAX = 1000
TERMS_MAX = 60
BATCH_MAX = 1000


class SpecialBody(Body):
    description: Text
    unit: Unit = "piece"
    tax_rate: TaxRate = Decimal(0)


class LineBody(Body):
    sku: Code | None = None
    special: SpecialBody | None = None
    quantity: Quantity
    unit_price: UnitPrice | None = None

    @model_validator(mode="after")
    def one_of_both(self) -> Self:
        """An item of the catalogue, or a description, never both and never neither."""
        if (self.sku is None) == (self.special is None):
            raise ValueError("Send either a sku or special with a description.")
        return self


class HoldBody(Body):
    method: HoldMethod | None = None  # None: as the store is set.
    warehouse_id: UUID
    until: Moment | None = None


class TermBody(Body):
    due_on: date
    amount: Amount


class OrderBody(Body):
    id: UUID | None = None
    store_id: UUID
    channel: Channel
    customer_id: UUID | None = None
    customer_name: Text | None = None
    currency: Currency | None = None
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=LINES_MAX)]
    hold: HoldBody
    prepayment: AmountOrZero | None = None
    terms: Annotated[list[TermBody], Field(max_length=TERMS_MAX)] = Field(default_factory=list)
    notify: bool = True
    draft: bool = False

    def fingerprint(self) -> bytes:
        """What is asked, the same alone and in a batch."""
        return fingerprint(b"order", self.model_dump_json(exclude_defaults=True).encode())

    def wish(
        self, id: UUID, what: bytes, by: str, reach: frozenset[UUID] | None, now: datetime
    ) -> Wish:
        """The order that is wished for by someone who works in the stores of `reach`."""
        return Wish(
            id=id,
            request=what,
            store_id=self.store_id,
            channel=self.channel,
            customer_id=self.customer_id,
            customer_name=self.customer_name,
            currency=self.currency,
            lines=tuple(_line(line) for line in self.lines),
            method=self.hold.method,
            warehouse_id=self.hold.warehouse_id,
            until=self.hold.until,
            prepayment=self.prepayment,
            terms=tuple(WishedTerm(term.due_on, term.amount) for term in self.terms),
            notify=self.notify,
            draft=self.draft,
            reach=reach,
            by=by,
            now=now,
        )


class MemberBody(Body):
    key: Annotated[str, StringConstraints(pattern=r"^[!-~][ -~]{0,254}$")]
    order: dict[str, Any] = Field(description="As the body of POST /orders.")


class BatchBody(Body):
    orders: Annotated[list[MemberBody], Field(min_length=1, max_length=BATCH_MAX)]


class ReasonBody(Body):
    reason: LongText = ""


class LineChangeBody(Body):
    quantity: Annotated[Exact, Field(ge=0, le=QUANTITY_MAX, decimal_places=3)] | None = None
    unit_price: UnitPrice | None = None


def _line(line: LineBody) -> WishedLine:
    special = line.special
    described = (
        None
        if special is None
        else SpecialItem(special.description, special.unit, special.tax_rate)
    )
    return WishedLine(line.sku, described, line.quantity, line.unit_price)
