"""An order as the API shows it."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis.http.fields import Figure
from contracts.money import ZERO, round_half_up
from pydantic import BaseModel

from orders.catalogue.domain import plain
from orders.orders.domain import Happening, Line, Order
from orders.orders.journal import waits_for


class CustomerShown(BaseModel):
    id: UUID | None
    name: str


class LineShown(BaseModel):
    id: UUID
    sku: str
    description: str
    unit: str
    special: bool
    quantity: Figure
    unit_price: Figure
    tax_rate: Figure
    amount: Figure
    held: Figure
    awaiting: Figure
    shipped: Figure
    shipped_amount: Figure


class HoldShown(BaseModel):
    method: str
    warehouse_id: UUID
    until: datetime


class SettlementShown(BaseModel):
    shipped_quantity: Figure
    shipped_amount: Figure
    left_quantity: Figure
    left_amount: Figure


class TermShown(BaseModel):
    id: UUID
    due_on: date
    amount: Figure


class HistoryShown(BaseModel):
    at: datetime
    by: str
    what: str
    detail: str
    status: str
    financial_status: str


class OrderShown(BaseModel):
    """An order; in lists without its history. `version` is the ETag: what people changed."""

    id: UUID
    number: str
    status: str
    financial_status: str
    store_id: UUID
    channel: str
    customer: CustomerShown | None
    currency: str
    total: Figure
    prepayment_proposed: Figure
    prepayment: Figure
    paid: Figure
    due: Figure
    lines: list[LineShown]
    hold: HoldShown
    terms: list[TermShown]
    settlement: SettlementShown
    history: list[HistoryShown]
    notify: bool
    marked: bool
    holds_decided: bool
    placed_at: datetime
    placed_by: str
    waits_for: str | None
    waiting_since: datetime | None
    version: int


def show(order: Order, card_name: str | None, history: Iterable[Any], now: datetime) -> OrderShown:
    """The order as it is now; `history` has its rows."""
    money = order.currency
    awaited, since = waits_for(order, now)
    return OrderShown(
        id=order.id,
        number=order.number,
        status=order.status,
        financial_status=order.financial_status,
        store_id=order.store_id,
        channel=order.channel,
        customer=_customer(order, card_name),
        currency=money,
        total=round_half_up(order.total, money),
        prepayment_proposed=order.prepayment_proposed,
        prepayment=order.prepayment,
        paid=round_half_up(order.paid, money),
        due=round_half_up(order.total - order.paid, money),
        lines=[_line(line, order.awaiting(line), money) for line in order.lines],
        hold=HoldShown(method=order.method, warehouse_id=order.warehouse_id, until=order.until),
        terms=[TermShown(id=t.id, due_on=t.due_on, amount=t.amount) for t in order.terms],
        settlement=_settlement(order),
        history=[HistoryShown.model_validate(h, from_attributes=True) for h in history],
        notify=order.notify,
        marked=order.marked,
        holds_decided=not order.waits_for_inventory,
        placed_at=order.placed_at,
        placed_by=order.placed_by,
        waits_for=awaited,
        waiting_since=since,
        version=order.edition,
    )


def show_new(order: Order, card_name: str | None, happening: Happening) -> OrderShown:
    """An order that was placed this moment."""
    shown = show(order, card_name, (), happening.at)
    placed = HistoryShown(
        at=happening.at,
        by=happening.by,
        what=happening.what.value,
        detail=happening.detail,
        status=order.status,
        financial_status=order.financial_status,
    )
    shown.history.append(placed)
    return shown


def for_the_customer(shown: OrderShown) -> OrderShown:
    """The order as its customer may see it: without who of the staff did what."""
    history = [row.model_copy(update={"by": "store"}) for row in shown.history]
    return shown.model_copy(update={"history": history, "placed_by": "store"})


def _customer(order: Order, card_name: str | None) -> CustomerShown | None:
    if order.customer_id is not None:
        return CustomerShown(id=order.customer_id, name=card_name or "")
    if order.customer_name is not None:
        return CustomerShown(id=None, name=order.customer_name)
    return None


def _line(line: Line, awaiting: Decimal, currency: str) -> LineShown:
    return LineShown(
        id=line.id,
        sku=line.sku,
        description=line.description,
        unit=line.unit,
        special=line.special,
        quantity=plain(line.quantity),
        unit_price=line.unit_price,
        tax_rate=plain(line.tax_rate),
        amount=line.amount,
        held=plain(line.held),
        awaiting=plain(awaiting),
        shipped=plain(line.shipped),
        shipped_amount=round_half_up(line.shipped_amount, currency),
    )


def _settlement(order: Order) -> SettlementShown:
    """What was handed over and what is left, in quantity and in money."""
    open_lines: Sequence[Line] = [] if order.status == "cancelled" else order.lines
    shipped = sum((line.shipped for line in order.lines), ZERO)
    left = sum((line.left for line in open_lines), ZERO)
    left_amount = sum((_left_amount(line) for line in open_lines), ZERO)
    return SettlementShown(
        shipped_quantity=plain(shipped),
        shipped_amount=round_half_up(order.shipped_amount, order.currency),
        left_quantity=plain(left),
        left_amount=round_half_up(left_amount, order.currency),
    )


def _left_amount(line: Line) -> Decimal:
    return max(ZERO, line.amount - line.shipped_amount)
