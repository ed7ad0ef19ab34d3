"""The order's process, the saga that this service leads: which happening leads to which command.

Inventory answers a hold or a release with `holds_decided`; shipping leads the hand-over by itself.
A command without an answer is given again: see `repeat`.
"""

from collections.abc import Callable, Mapping, Sequence
from uuid import uuid5

from contracts.devices import PaperLine, PrintPaper
from contracts.inventory import HoldGoods, ReleaseGoods
from contracts.message import Command
from contracts.money import ZERO

from orders.orders.domain import Happening, Order, What

Step = Callable[[Order, Happening], Command | None]


def hold_goods(order: Order, happening: Happening) -> Command | None:
    """Ask for all lines as they now are, when goods are wanted anew."""
    if not (happening.asks and order.holding):
        return None
    lines = [{"line_id": n.id, "sku": n.sku, "quantity": n.quantity} for n in order.lines]
    return HoldGoods.model_validate(
        {
            "order_id": order.id,
            "revision": order.revision,
            "store_id": order.store_id,
            "warehouse_id": order.warehouse_id,
            "method": order.method,
            "until": order.until,
            "placed_at": order.placed_at,
            "lines": lines,
        }
    )


def release_goods(order: Order, happening: Happening) -> Command | None:
    """Give back what is held, when something was asked for."""
    if not happening.asks or order.holding:
        return None
    return ReleaseGoods(
        order_id=order.id,
        revision=order.revision,
        warehouse_id=order.warehouse_id,
        reason=happening.what.value,
    )


def print_deposit_receipt(order: Order, happening: Happening) -> Command | None:
    """Print the receipt of a payment that left a deposit.

    By the payment's own figures, so it does not matter what was heard of the goods before it.
    """
    payment = happening.payment
    if payment is None or payment.deposit_left <= 0:
        return None
    return PrintPaper(
        job_id=uuid5(payment.id, "deposit_receipt"),
        kind="deposit_receipt",
        order_id=order.id,
        order_number=order.number,
        store_id=payment.store_id,
        customer_key=order.customer_key,
        currency=order.currency,
        lines=tuple(
            PaperLine(
                sku=line.sku,
                description=line.description,
                unit=line.unit,
                quantity=line.quantity,
                unit_price=line.unit_price,
                amount=line.amount,
            )
            for line in order.lines
            if line.quantity > 0
        ),
        total=order.total,
        payment=payment.amount,
        paid=order.paid,
        due=max(ZERO, order.total - order.paid),
        hold_until=order.until,
        placed_at=order.placed_at,
        at=happening.at,
    )


PROCESS: Mapping[What, Sequence[Step]] = {
    What.PLACED: (hold_goods,),  # A draft asks for nothing until it is agreed.
    What.AGREED: (hold_goods,),
    What.LINES_CHANGED: (hold_goods,),  # Another price alone asks for nothing.
    What.CANCELLED: (release_goods,),
    What.CANCEL_VOIDED: (hold_goods,),  # Goods had left: the rest is wanted again.
    What.CLOSED: (release_goods,),
    What.MARKED: (release_goods,),
    What.RESTORED: (hold_goods,),
    What.PAYMENT_POSTED: (print_deposit_receipt,),
}


def commands(order: Order, happening: Happening) -> list[Command]:
    """What the process asks of other services because of this."""
    found = (step(order, happening) for step in PROCESS.get(happening.what, ()))
    return [command for command in found if command is not None]


def repeat(order: Order, happening: Happening) -> Command | None:
    """The newest command again, under its revision, when nobody answered it in time."""
    return hold_goods(order, happening) or release_goods(order, happening)
