"""An order and what happened to it, as the facts that other services follow."""

from typing import Any, cast

from chassis.outbox import Said
from contracts.orders import (
    Change,
    CustomerErased,
    CustomerState,
    HoldTerms,
    LineProgress,
    OrderAgreed,
    OrderCancelled,
    OrderChanged,
    OrderClosed,
    OrderFact,
    OrderLine,
    OrderMarked,
    OrderPlaced,
    OrderProgressed,
    OrderRestored,
    Term,
)

from orders.orders.domain import Happening, Line, Order, What

TYPED_NAME_LANGUAGE = "en"


def fact_of(order: Order, happening: Happening) -> OrderFact:
    """The fact that says what happened, with the order as it is after it."""
    common: dict[str, Any] = {
        "order_id": order.id,
        "store_id": order.store_id,
        "number": order.number,
        "status": order.status,
        "financial_status": order.financial_status,
        "currency": order.currency,
        "total": order.total,
        "paid": order.paid,
        "changed": cast(tuple[Change, ...], happening.changed),
        "at": happening.at,
        "by": happening.by,
    }
    match happening.what:
        case What.PLACED:
            return OrderPlaced(**common, **_placed(order))
        case What.AGREED:
            return OrderAgreed(**common)
        case What.LINES_CHANGED:
            prepayment = order.prepayment
            return OrderChanged(**common, **_lines(order), prepayment=prepayment)
        case What.CANCELLED:
            return OrderCancelled(**common, reason=happening.detail)
        case What.CLOSED:
            return OrderClosed(**common, **_lines(order), reason=happening.detail)
        case What.MARKED:
            return OrderMarked(**common, reason=happening.detail)
        case What.RESTORED:
            return OrderRestored(**common, revision=order.revision)
        case _:
            return OrderProgressed(**common, lines=_progress(order))


def customer_state(order: Order) -> Said | None:
    """Who the order is for, when only a name was typed: no card, but papers need the name."""
    if order.customer_name is None:
        return None
    state = CustomerState(
        customer_key=str(order.id),
        customer_id=None,
        name=order.customer_name,
        phone=None,
        email=None,
        language=TYPED_NAME_LANGUAGE,
    )
    return Said(state, 1)


def customer_erased(order: Order) -> Said:
    """That nobody may know any longer whose name was typed; once, after the one state."""
    return Said(CustomerErased(customer_key=str(order.id)), 2)


def _placed(order: Order) -> dict[str, Any]:
    return {
        "channel": order.channel,
        "customer_id": order.customer_id,
        "customer_key": order.customer_key,
        "placed_at": order.placed_at,
        "prepayment_proposed": order.prepayment_proposed,
        "prepayment": order.prepayment,
        "terms": tuple(
            Term(term_id=term.id, due_on=term.due_on, amount=term.amount) for term in order.terms
        ),
        "hold": HoldTerms.model_validate(
            {"method": order.method, "warehouse_id": order.warehouse_id, "until": order.until}
        ),
        "notify": order.notify,
        **_lines(order),
    }


def _lines(order: Order) -> dict[str, Any]:
    return {"revision": order.revision, "lines": tuple(map(_line, order.lines))}


def _line(line: Line) -> OrderLine:
    return OrderLine(
        line_id=line.id,
        position=line.position,
        sku=line.sku,
        description=line.description,
        unit=line.unit,
        quantity=line.quantity,
        unit_price=line.unit_price,
        amount=line.amount,
        tax_rate=line.tax_rate,
        special=line.special,
    )


def _progress(order: Order) -> tuple[LineProgress, ...]:
    return tuple(
        LineProgress(
            line_id=line.id, held=line.held, awaiting=order.awaiting(line), shipped=line.shipped
        )
        for line in order.lines
    )
