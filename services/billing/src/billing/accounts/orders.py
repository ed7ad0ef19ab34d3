"""What billing keeps of orders, as the orders service says it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts.billing import DepositConsumed
from contracts.money import round_half_up
from contracts.orders import OrderChanged, OrderClosed, OrderFact, OrderLine, OrderPlaced
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts import domain, store
from billing.accounts.books import account_fact, close_books, open_books
from billing.accounts.store import OrderPlacedCopy


async def keep_orders(tx: AsyncConnection, facts: Sequence[OrderFact], now: datetime) -> None:
    """Take over totals, lines, terms and who bought, and what follows from them for the money."""
    copies = {one.order_id: _placed(one) for one in facts if isinstance(one, OrderPlaced)}
    lines = {
        one.order_id: _lines(one.lines)
        for one in facts
        if isinstance(one, OrderChanged | OrderClosed)
    }
    standing = {
        one.order_id: (round_half_up(one.total, one.currency), one.status == "cancelled")
        for one in facts
    }
    later = {order_id: one for order_id, one in standing.items() if order_id not in copies}
    changed = await store.keep_standing(tx, standing, later)
    changed += await store.keep_placed(tx, list(copies.values()), standing)
    await store.keep_lines(tx, lines)
    if changed:
        await _follow_standing(tx, changed, now)


async def _follow_standing(tx: AsyncConnection, order_ids: Sequence[UUID], now: datetime) -> None:
    """What is taken back of an order is owed and asked for no more; nor what is cancelled."""
    books = await open_books(tx, order_ids)
    for book in books.values():
        if book.is_all_handed_over() and book.account.due_now and book.account.deposit_left:
            covered = domain.cover(book.account)
            consumed = covered.consumed
            fact = partial(account_fact, DepositConsumed, at=now, by="billing", consumed=consumed)
            book.post(covered, fact, now)
        book.restate()
    await close_books(tx, books.values(), now)


def _placed(one: OrderPlaced) -> OrderPlacedCopy:
    return OrderPlacedCopy(
        order_id=one.order_id,
        currency=one.currency,
        number=one.number,
        store_id=one.store_id,
        customer_id=one.customer_id,
        customer_key=one.customer_key,
        placed_at=one.placed_at,
        terms=[
            {
                "term_id": str(term.term_id),
                "due_on": term.due_on.isoformat(),
                "amount": f"{round_half_up(term.amount, one.currency):f}",
            }
            for term in one.terms
        ],
        lines=_lines(one.lines),
    )


def _lines(lines: Sequence[OrderLine]) -> list[Mapping[str, str | int]]:
    return [
        {
            "position": line.position,
            "sku": line.sku,
            "description": line.description,
            "unit": line.unit,
            "quantity": f"{line.quantity:f}",
            "unit_price": f"{line.unit_price:f}",
            "amount": f"{line.amount:f}",
            "tax_rate": f"{line.tax_rate:f}",
        }
        for line in lines
    ]
