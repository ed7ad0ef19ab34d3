"""What people do to an order: agree, change a line, cancel, close, mark for removal, restore."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from contracts.money import AMOUNT_MAX, UNIT_DIGITS, UNIT_PRICE_DIGITS, fits, line_amount

from orders.catalogue.domain import plain, tidy_price
from orders.orders import refusals as refused
from orders.orders.domain import FINISHED, Happening, Line, Order, What, settle


def agree(order: Order, by: str, now: datetime) -> Happening:
    """The order is agreed, once; a draft's goods are asked for now."""
    _require_open(order)
    if order.agreed:
        raise refused.AlreadyAgreed("The order is agreed already: nothing needs to be done.")
    order.agreed = True
    order.edition += 1
    asks = order.revision == 0
    if asks:
        order.ask_afresh(now)
    return Happening(What.AGREED, by, now, settle(order), asks=asks)


def cancel(order: Order, by: str, now: datetime, reason: str) -> Happening | None:
    """Nothing more is wanted; None when it is cancelled already."""
    if order.status == "cancelled" and not order.marked:
        return None
    _refuse_marked(order)
    _refuse_gone(order, "close it instead, which takes back the rest")
    _require_open(order)
    order.cancelled = True
    order.edition += 1
    asks = _release(order, now)
    return Happening(What.CANCELLED, by, now, settle(order), reason, asks)


def close(order: Order, by: str, now: datetime, reason: str) -> Happening:
    """A manager closes the order: what was not handed over is taken back."""
    _require_open(order)
    if not reason:
        raise refused.ReasonMissing("Say why the order is closed.", "/reason")
    _refuse_posting(order)
    order.closed = True
    order.edition += 1
    for line in order.lines:
        _set_quantity(order, line, line.gone)
    asks = _release(order, now)
    return Happening(What.CLOSED, by, now, settle(order), reason, asks)


def mark(order: Order, by: str, now: datetime, reason: str) -> Happening | None:
    """Out of sight, its history kept; None when it is marked already."""
    if order.marked:
        return None
    _refuse_gone(order, "an order with goods handed over stays in sight")
    if order.paid != 0:
        raise refused.MoneyKept("Money is kept for the order: refund it first.")
    order.marked = True
    order.edition += 1
    asks = _release(order, now)
    return Happening(What.MARKED, by, now, settle(order), reason, asks)


def restore(order: Order, by: str, now: datetime) -> Happening:
    """Back in sight; its goods are asked for anew."""
    if not order.marked:
        raise refused.OrderIsNotMarked("The order is not marked for removal: leave it as it is.")
    order.marked = False
    order.edition += 1
    asks = order.wanted and order.status not in FINISHED
    if asks:
        order.ask_afresh(now)
    return Happening(What.RESTORED, by, now, settle(order), asks=asks)


def change_line(
    order: Order,
    line_id: UUID,
    quantity: Decimal | None,
    unit_price: Decimal | None,
    by: str,
    now: datetime,
) -> Happening | None:
    """Another quantity or price of a line; None when nothing differs.

    Quantity 0 takes the line back. Only another quantity touches the holds.
    """
    _require_open(order)
    line = next((line for line in order.lines if line.id == line_id), None)
    if line is None:
        raise refused.UnknownLine("The order has no such line: check the id.")
    if quantity is None and unit_price is None:
        raise refused.NothingToChange("Send a quantity or a unit_price.", "/quantity")
    before = f"{line.quantity:f} × {line.unit_price:f}"
    wanted, revision = line.quantity, order.revision
    if unit_price is not None and unit_price != line.unit_price:
        _check_price(order, line, unit_price)
        line.unit_price = tidy_price(unit_price, order.currency)
        _set_quantity(order, line, line.quantity)
    if quantity is not None and quantity != wanted:
        _check_quantity(order, line, quantity)
        _set_quantity(order, line, plain(quantity))
        if order.holding:
            order.ask(now, holding=True)
    after = f"{line.quantity:f} × {line.unit_price:f}"
    if after == before:
        return None
    if not any(line.quantity > 0 for line in order.lines):
        raise refused.LastLine("This is the last line: cancel the order instead.", "/quantity")
    if order.worth > AMOUNT_MAX:
        raise refused.TooLarge(f"An order is worth at most {AMOUNT_MAX:f}.", "/quantity")
    order.edition += 1
    changed = settle(order)
    told = () if order.marked else ("lines", *changed)
    detail = f"{line.sku}: {before} → {after}"
    return Happening(What.LINES_CHANGED, by, now, told, detail, order.revision != revision)


def _check_price(order: Order, line: Line, unit_price: Decimal) -> None:
    if line.gone > 0:
        raise refused.PriceIsSettled(
            "Goods of this line were handed over at its price: it stands.", "/unit_price"
        )
    if not fits(unit_price, UNIT_PRICE_DIGITS):
        raise refused.TooPrecise("A unit price has at most 4 decimals.", "/unit_price")
    _refuse_posting(order)


def _check_quantity(order: Order, line: Line, quantity: Decimal) -> None:
    digits = UNIT_DIGITS[line.unit]
    if not fits(quantity, digits):
        raise refused.TooPrecise(
            f"A quantity in {line.unit} has at most {digits} decimals.", "/quantity"
        )
    if quantity < line.gone:
        raise refused.BelowHandedOver(
            f"{line.gone:f} were handed over: the quantity is at least that.", "/quantity"
        )
    if quantity < line.quantity:
        _refuse_posting(order)


def _set_quantity(order: Order, line: Line, quantity: Decimal) -> None:
    """The line's worth follows; when only what went remains, it is worth what went for."""
    line.quantity = quantity
    if line.shipped > 0 and quantity == line.shipped:
        line.amount = line.shipped_amount
    else:
        line.amount = line_amount(quantity, line.unit_price, order.currency)


def _release(order: Order, now: datetime) -> bool:
    """Give back what was asked for; False when nothing was."""
    if not order.holding:
        return False
    order.ask(now, holding=False)
    return True


def _require_open(order: Order) -> None:
    _refuse_marked(order)
    if order.status == "cancelled":
        raise refused.OrderIsCancelled("The order is cancelled: take a new one.")
    if order.status == "closed":
        raise refused.OrderIsClosed("The order is closed: take a new one.")


def _refuse_marked(order: Order) -> None:
    if order.marked:
        raise refused.OrderIsMarked("The order is marked for removal: restore it first.")


def _refuse_gone(order: Order, instead: str) -> None:
    if order.gone:
        raise refused.GoodsHandedOver(f"Goods were handed over: {instead}.")
    _refuse_posting(order)


def _refuse_posting(order: Order) -> None:
    if order.posting:
        raise refused.BeingHandedOver(
            "Goods are being handed over right now: wait for the shipment, then try again."
        )
