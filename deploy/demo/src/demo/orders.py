"""Takes each basket through the chain's main job, as its store would, one step after another.

Each step waits until the order shows the one before it. So the customer is told of each change
by itself, and the table does not depend on which service was fastest, or was restarted.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from demo.client import Api, Body, NeverCame, Refused
from demo.money import CURRENCY
from demo.plan import Part, Plan
from demo.run_file import RunFile
from demo.setup import Places

STORES_AT_ONCE = 8
UNDECIDED = ("draft", "pending_approval", "agreed")

Progress = Callable[[Plan], None]


class GoodsRefused(Exception):
    """Goods that the store has received could not be handed over."""


@dataclass(frozen=True)
class Trade:
    """What every step needs."""

    api: Api
    run: RunFile
    places: Places


@dataclass(frozen=True)
class Failure:
    """A basket that did not become a closed order, and why."""

    plan: Plan
    why: str


async def trade_days(trade: Trade, plans: Sequence[Plan], progress: Progress) -> list[Failure]:
    """Take all orders, several stores at a time; a store serves one basket after another."""
    by_store = sorted(plans, key=lambda plan: plan.basket.store)
    queues = [list(group) for _, group in groupby(by_store, lambda plan: plan.basket.store)]
    queues.sort(key=len, reverse=True)
    gate = asyncio.Semaphore(STORES_AT_ONCE)
    failures: list[Failure] = []

    async def serve(queue: list[Plan]) -> None:
        async with gate:
            for plan in queue:
                failure = await _serve_one(trade, plan)
                if failure:
                    failures.append(failure)
                progress(plan)

    async with asyncio.TaskGroup() as group:
        for queue in queues:
            group.create_task(serve(queue))
    return failures


async def _serve_one(trade: Trade, plan: Plan) -> Failure | None:
    """One basket's trouble is its own: it is named at the end and the others go on."""
    name = order_name(plan)
    if trade.run.is_done(name):
        return None
    try:
        await take_through(trade, plan)
    except (Refused, NeverCame, GoodsRefused) as error:
        return Failure(plan, str(error))
    trade.run.mark_done(name)
    return None


def order_name(plan: Plan) -> str:
    """What the run calls the order of a basket."""
    return f"order:{plan.basket.id}"


async def take_through(trade: Trade, plan: Plan) -> Body:
    """From the basket to the closed order."""
    order = await place(trade, plan)
    order = await shows(trade, order, "holds decided", holds_decided)
    if plan.needs_agreeing:
        await _post(trade, plan, "agree", f"/orders/{order['id']}/agree", {})
        order = await shows(trade, order, "agreed", lambda seen: seen["status"] not in UNDECIDED)
    deposit = Decimal(order["prepayment"])
    if deposit:
        await pay(trade, plan, order, deposit, plan.deposit_method, None)
        await shows(trade, order, "deposit", lambda seen: Decimal(seen["paid"]) >= deposit)
    handed_over = 0
    for number, part in enumerate(plan.parts):
        await _hand_over(trade, plan, order, number, part)
        handed_over += sum(line.quantity for line in part)
        await shows(trade, order, "hand-over", _has_shipped(handed_over))
    if plan.total:
        await _settle(trade, plan, order)
    return await shows(trade, order, "closed", lambda seen: seen["status"] == "closed")


async def place(trade: Trade, plan: Plan) -> Body:
    """Take the basket as an order."""
    places, basket = trade.places, plan.basket
    body: Body = {
        "id": trade.run.id_of(order_name(plan)),
        "store_id": places.stores[basket.store],
        "channel": plan.channel,
        "customer_id": places.customers[basket.household],
        "currency": CURRENCY,
        "lines": [
            {
                "sku": str(line.product),
                "quantity": str(line.quantity),
                "unit_price": str(line.unit_price),
            }
            for line in basket.lines
        ],
        "hold": {"method": plan.hold_method, "warehouse_id": places.warehouses[basket.store]},
    }
    if plan.typed_prepayment is not None:
        body["prepayment"] = str(plan.typed_prepayment)
    return await _post(trade, plan, "place", "/orders", body)


async def pay(
    trade: Trade, plan: Plan, order: Body, amount: Decimal, method: str, document_id: str | None
) -> None:
    """Take money for the order, for this document if one is named."""
    body: Body = {
        "order_id": order["id"],
        "amount": str(amount),
        "method": method,
        "store_id": trade.places.stores[plan.basket.store],
    }
    if document_id:
        body["document_id"] = document_id
    await _post(trade, plan, "final" if document_id else "deposit", "/payments", body)


async def _hand_over(trade: Trade, plan: Plan, order: Body, number: int, part: Part) -> None:
    """A draft, then posted; inventory and billing answer while the caller waits."""
    lines = order["lines"]
    body: Body = {
        "order_id": order["id"],
        "kind": "hand_over",
        "store_id": trade.places.stores[plan.basket.store],
        "lines": [
            {"line_id": lines[line.position]["id"], "quantity": str(line.quantity)} for line in part
        ],
    }
    draft = await _post(trade, plan, f"part-{number}", "/shipments", body)
    path = f"/shipments/{draft['id']}/post"
    shipment = await _post(trade, plan, f"part-{number}-post", path, {})
    if not _is_settled(shipment):
        shipment = await trade.api.until(
            lambda: _shipment(trade, order["id"], draft["id"]),
            _is_settled,
            f"shipment {draft['id']} posted",
        )
    if shipment["state"] == "refused":
        raise GoodsRefused(f"shipment {draft['id']} was refused")


def _is_settled(shipment: Body) -> bool:
    return shipment["state"] == "refused" or shipment.get("due_now") is not None


async def _shipment(trade: Trade, order_id: str, shipment_id: str) -> Body:
    async for shipment in trade.api.items("/shipments", order_id=order_id):
        if shipment["id"] == shipment_id:
            return shipment
    raise NeverCame(f"shipment {shipment_id} is not among its order's")


async def _settle(trade: Trade, plan: Plan, order: Body) -> None:
    """The invoice, and what it says is due."""
    body: Body = {"order_id": order["id"], "kind": "invoice"}
    invoice = await _post(trade, plan, "invoice", "/documents", body)
    due = _due_at_issue(invoice)
    if due:
        await pay(trade, plan, order, due, plan.final_method, invoice["id"])


def _due_at_issue(invoice: Body) -> Decimal:
    """What was due when the invoice was new.

    Issued again under its key, as an interrupted run does, it is shown as it is now; what has
    been paid on it since belongs to the same sum, or the payment's body would not be the same.
    """
    return Decimal(invoice["due"]) + Decimal(invoice["paid"])


async def _post(trade: Trade, plan: Plan, step: str, path: str, body: Body) -> Body:
    key = trade.run.key(plan.basket.id, step)
    return await trade.api.post(path, body, key, unheard=True)


async def shows(trade: Trade, order: Body, what: str, condition: Callable[[Body], bool]) -> Body:
    """The order when it shows the condition; nothing is asked if it does already."""
    if condition(order):
        return order
    order_id = order["id"]
    return await trade.api.until(
        lambda: trade.api.get(f"/orders/{order_id}"), condition, f"{what} of order {order_id}"
    )


def holds_decided(order: Body) -> bool:
    """Each piece is held or was handed over, and an agreed order shows it.

    More came in than the orders need, so nothing may await; and awaiting alone does not tell an
    undecided hold from a shortage.
    """
    whole = all(
        Decimal(line["held"]) + Decimal(line["shipped"]) >= Decimal(line["quantity"])
        for line in order["lines"]
    )
    return whole and order["status"] != "agreed"


def _has_shipped(pieces: int) -> Callable[[Body], bool]:
    return lambda order: sum(Decimal(line["shipped"]) for line in order["lines"]) >= pieces
