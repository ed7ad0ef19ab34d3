"""An order and what happened to it, as the facts that other services follow."""

from typing import Any

from chassis.outbox import Said
from contracts.orders import (
    CustomerErased,
    CustomerState,
    OrderAgreed,
    OrderCancelled,
    OrderChanged,
    OrderClosed,
    OrderFact,
    OrderMarked,
    OrderPlaced,
    OrderProgressed,
    OrderRestored,
)

from orders.orders.domain import Happening, Line, Order, What

TYPED_NAME_LANGUAGE = "en"


def fact_of(order: Order, happening: Happening) -> OrderFact:
    """The fact that says what happened, with the order as it is after it.

    Validated as a whole: a model made for each line of it costs several times as much.
    """
    common: dict[str, Any] = {
        "order_id": order.id,
        "store_id": order.store_id,
        "number": order.number,
        "status": order.status,
        "financial_status": order.financial_status,
        "currency": order.currency,
        "total": order.total,
        "paid": order.paid,
        "changed": happening.changed,
        "at": happening.at,
        "by": happening.by,
    }
    kind, more = _kind(order, happening)
    return kind.model_validate(common | more)


def _kind(order: Order, happening: Happening) -> tuple[type[OrderFact], dict[str, Any]]:
    """What kind of fact it is, and what that kind says beyond what all of them do."""
    match happening.what:
        case What.PLACED:
            return OrderPlaced, _placed(order)
        case What.AGREED:
            return OrderAgreed, {}
        case What.LINES_CHANGED:
            return OrderChanged, {**_lines(order), "prepayment": order.prepayment}
        case What.CANCELLED:
            return OrderCancelled, {"reason": happening.detail}
        case What.CLOSED:
            return OrderClosed, {**_lines(order), "reason": happening.detail}
        case What.MARKED:
            return OrderMarked, {"reason": happening.detail}
        case What.RESTORED:
            return OrderRestored, {"revision": order.revision}
        case _:
            return OrderProgressed, {"lines": [_progress(order, line) for line in order.lines]}


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
        "terms": [
            {"term_id": term.id, "due_on": term.due_on, "amount": term.amount}
            for term in order.terms
        ],
        "hold": {"method": order.method, "warehouse_id": order.warehouse_id, "until": order.until},
        "notify": order.notify,
        **_lines(order),
    }


def _lines(order: Order) -> dict[str, Any]:
    return {"revision": order.revision, "lines": [_line(line) for line in order.lines]}


def _line(line: Line) -> dict[str, Any]:
    return {
        "line_id": line.id,
        "position": line.position,
        "sku": line.sku,
        "description": line.description,
        "unit": line.unit,
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "amount": line.amount,
        "tax_rate": line.tax_rate,
        "special": line.special,
    }


def _progress(order: Order, line: Line) -> dict[str, Any]:
    return {
        "line_id": line.id,
        "held": line.held,
        "awaiting": order.awaiting(line),
        "shipped": line.shipped,
    }
