"""What happens to an order in the town: steps that its customer, its clerk and its store take."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis.ids import uuid7

from faults.town.clients import Clients, NotYet, Refused

TRIES_MAX = 3
METHODS = ("cash", "card", "bank")


@dataclass(frozen=True, slots=True)
class Shop:
    """A store with a warehouse of its own."""

    store_id: UUID
    warehouse_id: UUID


@dataclass(slots=True)
class Life:
    """One order: what is still to happen to it, and what clients remember of it."""

    clients: Clients
    shop: Shop
    till: Shop  # Where its money is taken.
    body: dict[str, Any]
    steps: list["Step"]
    tries: int = 0
    order_id: UUID = field(default_factory=uuid7)
    payments: list[UUID] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)  # Steps whose time never came.

    async def go_on(self, idle: bool) -> None:
        """Take the next step; one that comes too early is tried again later.

        idle: nothing else moves, so what it waits for will not come.
        """
        step = self.steps[0]
        try:
            await step(self)
        except NotYet:
            self.tries += idle
            if self.tries < TRIES_MAX:
                return
            self.stuck.append(step.__name__)
        except Refused as refusal:
            self.refused.append(str(refusal))
        self.tries = 0
        self.steps.pop(0)

    async def order(self) -> Any:
        return await self.clients.get(f"/orders/{self.order_id}")


Step = Callable[[Life], Awaitable[None]]


async def place(life: Life) -> None:
    await life.clients.post("/orders", {"id": str(life.order_id), **life.body})


async def agree(life: Life) -> None:
    await life.clients.post(f"/orders/{life.order_id}/agree")


async def _pay(life: Life, amount: Decimal, document_id: str | None = None) -> None:
    if amount <= 0:
        return
    id = uuid7()
    await life.clients.post(
        "/payments",
        {
            "id": str(id),
            "order_id": str(life.order_id),
            "store_id": str(life.till.store_id),
            "amount": str(amount),
            "method": life.clients.chance.choice(METHODS),
            "document_id": document_id,
        },
    )
    life.payments.append(id)


async def pay_deposit(life: Life) -> None:
    order = await life.order()
    await _pay(life, Decimal(order["prepayment"]))


async def pay_the_rest(life: Life) -> None:
    order = await life.order()
    await _pay(life, Decimal(order["total"]) - Decimal(order["paid"]))


async def pay_too_much(life: Life) -> None:
    order = await life.order()
    await _pay(life, Decimal(order["total"]) + 1)


async def invoice(life: Life) -> None:
    """An invoice, and a payment that names it."""
    id = str(uuid7())
    body = {"id": id, "order_id": str(life.order_id), "kind": "invoice"}
    made = await life.clients.post("/documents", body)
    await _pay(life, Decimal(made["due"]) / 2 // Decimal("0.01") * Decimal("0.01"), made["id"])


async def proforma(life: Life) -> None:
    body = {"id": str(uuid7()), "order_id": str(life.order_id), "kind": "proforma"}
    await life.clients.post("/documents", body)


async def cancel_payment(life: Life) -> None:
    if life.payments:
        path = f"/payments/{life.payments.pop()}/cancel"
        await life.clients.post(path, {"reason": "typed wrongly"})


async def refund(life: Life) -> None:
    order = await life.order()
    if Decimal(order["paid"]) > 0:
        body = {
            "id": str(uuid7()),
            "order_id": str(life.order_id),
            "store_id": str(life.till.store_id),
            "amount": order["paid"],
            "method": "cash",
        }
        await life.clients.post("/refunds", body)


async def hand_over_half(life: Life) -> None:
    await _hand_over(life, 2)


async def hand_over_all(life: Life) -> None:
    await _hand_over(life, 1)


async def _hand_over(life: Life, divisor: int) -> None:
    """So much of what is left of each line: written down, then posted."""
    order = await life.order()
    left = [(n["id"], Decimal(n["quantity"]) - Decimal(n["shipped"])) for n in order["lines"]]
    lines = [
        {"line_id": id, "quantity": str(-(-quantity // divisor))}
        for id, quantity in left
        if quantity > 0
    ]
    if lines:
        id = uuid7()
        body = {"id": str(id), "order_id": str(life.order_id), "kind": "hand_over", "lines": lines}
        await life.clients.post("/shipments", body)
        await life.clients.post(f"/shipments/{id}/post")


async def cancel(life: Life) -> None:
    await life.clients.post(f"/orders/{life.order_id}/cancel", {"reason": "changed my mind"})


async def close(life: Life) -> None:
    await life.clients.post(f"/orders/{life.order_id}/close", {"reason": "the rest is not wanted"})


async def mark(life: Life) -> None:
    await life.clients.post(f"/orders/{life.order_id}/mark-for-removal", {"reason": "a mistake"})


async def restore(life: Life) -> None:
    await life.clients.post(f"/orders/{life.order_id}/restore")


async def put_back(life: Life) -> None:
    """The hold has ended, and an employee carries the goods back (E16)."""
    await life.clients.post(f"/holds/{life.order_id}/put-back")


async def put_back_as_money_comes(life: Life) -> None:
    """Both at the same moment (E16)."""
    await _at_once(life, put_back, pay_the_rest)


async def cancel_as_goods_go(life: Life) -> None:
    """Both at the same moment: one of them comes too late, or the cancel is void."""
    await _at_once(life, hand_over_all, cancel)


async def _at_once(life: Life, *steps: Step) -> None:
    outcomes = await asyncio.gather(*(step(life) for step in steps), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Refused):
            life.refused.append(str(outcome))
        elif isinstance(outcome, BaseException):
            raise outcome


async def extend(life: Life) -> None:
    until = datetime.now(UTC) + timedelta(days=30)
    await life.clients.post(f"/holds/{life.order_id}/extend", {"until": until.isoformat()})


async def want_more(life: Life) -> None:
    await _change_line(life, 1)


async def want_less(life: Life) -> None:
    await _change_line(life, -1)


async def _change_line(life: Life, by: int) -> None:
    order = await life.order()
    line = order["lines"][0]
    body = {"quantity": str(Decimal(line["quantity"]) + by)}
    path = f"/orders/{life.order_id}/lines/{line['id']}"
    await life.clients.patch(path, body, order["version"])


async def reprint(life: Life) -> None:
    """A second paper of the newest receipt, if there is one by now."""
    with suppress(NotYet):
        await life.clients.post("/print-jobs", {"order_id": str(life.order_id), "reprint": True})


# Stories that orders live, each after it was placed.
STORIES: Sequence[Sequence[Step]] = (
    (pay_deposit, hand_over_all, reprint, pay_the_rest),
    (pay_the_rest, reprint, hand_over_half, hand_over_all, reprint),
    (hand_over_half, pay_deposit, hand_over_all, pay_the_rest),
    (pay_deposit, cancel, refund),
    (pay_the_rest, cancel_payment, pay_deposit, hand_over_half, close),
    (proforma, pay_deposit, invoice, hand_over_all, pay_the_rest),
    (pay_deposit, put_back, pay_the_rest, hand_over_all),
    (put_back, pay_the_rest, want_more, hand_over_all),
    (mark, restore, pay_the_rest, hand_over_all),
    (pay_too_much, hand_over_all, refund),
    (extend, want_more, pay_deposit, want_less, hand_over_half, pay_the_rest, cancel_payment),
    (pay_deposit, hand_over_all, cancel_payment, pay_the_rest),
    (cancel,),
    (mark,),
    (pay_deposit, put_back_as_money_comes, hand_over_all),
    (pay_deposit, cancel_as_goods_go, refund),
    (pay_deposit, mark, restore, hand_over_all),
    (proforma, pay_deposit, cancel, refund),
    (invoice, cancel_payment, cancel),
    (want_more, want_less, hand_over_all, want_more, pay_the_rest, close),
    (hand_over_half, mark, pay_the_rest, put_back, extend),
    (hand_over_half, cancel, close),
)
