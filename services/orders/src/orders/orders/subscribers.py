"""What inventory, billing and shipping say of orders."""

from collections.abc import Sequence
from typing import Any

from chassis.records import Received
from chassis.subscriptions import Subscriptions
from contracts import topics
from contracts.billing import (
    AccountFact,
    DepositConsumed,
    HandOverSettled,
    PaymentCancelled,
    PaymentPosted,
    RefundPosted,
)
from contracts.inventory import (
    GoodsTaken,
    HoldEnding,
    HoldsChanged,
    HoldsDecided,
    HoldsFact,
    TakeOutRefused,
)
from contracts.shipping import ShipmentPosted, ShipmentPosting, ShipmentRefused
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.orders import handlers
from orders.orders.domain import Payment, What
from orders.orders.facts import AccountTold, HeldLine, HoldsTold, PartShipped, ShipmentTold

subscriptions = Subscriptions()
HOLDS = {
    HoldsDecided: What.HOLDS_DECIDED,
    HoldsChanged: What.HOLDS_CHANGED,
    GoodsTaken: What.GOODS_TAKEN,
}


@subscriptions.follow(
    topics.HOLDS,
    handles=(HoldsDecided, HoldsChanged, GoodsTaken),
    ignores=(TakeOutRefused, HoldEnding),
)
async def follow_holds(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Goods are held, awaited, or gone."""
    news = [(one.message.order_id, _holds(one.message), one.trace) for one in received]
    await handlers.hear_news(tx, news)


@subscriptions.follow(
    topics.ACCOUNTS,
    handles=(PaymentPosted, PaymentCancelled, RefundPosted, HandOverSettled, DepositConsumed),
)
async def follow_accounts(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Money came, was given back, or covered a hand-over."""
    news = [(one.message.order_id, _account(one.message), one.trace) for one in received]
    await handlers.hear_news(tx, news)


@subscriptions.follow(topics.SHIPMENTS, handles=(ShipmentPosting, ShipmentPosted, ShipmentRefused))
async def follow_shipments(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Goods are handed over, or were not."""
    news = [(one.message.order_id, _shipment(one.message), one.trace) for one in received]
    await handlers.hear_news(tx, news)


def _holds(fact: HoldsFact) -> HoldsTold:
    return HoldsTold(
        what=HOLDS[type(fact)],
        revision=fact.revision,
        released=fact.released,
        until=fact.until,
        lines=[HeldLine(n.line_id, n.held, n.taken) for n in fact.lines],
        at=fact.at,
    )


def _account(fact: AccountFact) -> AccountTold:
    payment = None
    match fact:
        case PaymentPosted():
            what = What.PAYMENT_POSTED
            detail = f"{fact.amount:f} {fact.currency}, {fact.method}"
            payment = Payment(fact.payment_id, fact.amount, fact.store_id, fact.deposit_left)
        case PaymentCancelled():
            what, detail = What.PAYMENT_CANCELLED, f"{fact.amount:f} {fact.currency}"
        case RefundPosted():
            what = What.REFUND_POSTED
            detail = f"{fact.amount:f} {fact.currency}, {fact.method}"
        case HandOverSettled() | DepositConsumed():
            what, detail = What.HAND_OVER_SETTLED, f"{fact.consumed:f} {fact.currency} of deposit"
        case _:
            raise AssertionError(f"{fact.TYPE} is not declared")
    return AccountTold(what, fact.paid, fact.refunded, detail, fact.by, fact.at, payment)


def _shipment(fact: ShipmentPosting | ShipmentPosted | ShipmentRefused) -> ShipmentTold:
    match fact:
        case ShipmentPosting():
            parts = None
        case ShipmentPosted():
            parts = [PartShipped(n.line_id, n.quantity, n.amount) for n in fact.lines]
        case _:
            parts = []
    return ShipmentTold(fact.shipment_id, parts, fact.by, fact.at)
