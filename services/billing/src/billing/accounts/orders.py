"""What billing keeps of orders, as the orders service says it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from contracts.money import round_half_up
from contracts.orders import OrderChanged, OrderClosed, OrderFact, OrderLine, OrderPlaced
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts import store
from billing.accounts.books import close_books, open_books
from billing.accounts.store import OrderPlacedCopy


async def keep_orders(tx: AsyncConnection, facts: Sequence[OrderFact], now: datetime) -> None:
    """Take over totals, lines, terms and who bought.

    A cancelled order's documents lose their force; when its cancel is void they have it again.
    """
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
    turned = await store.keep_standing(tx, standing, later)
    await store.keep_placed(tx, list(copies.values()), standing)
    await store.keep_lines(tx, lines)
    if turned:
        await _restate_documents(tx, turned, now)


async def _restate_documents(tx: AsyncConnection, order_ids: Sequence[UUID], now: datetime) -> None:
    books = await open_books(tx, order_ids)
    for book in books.values():
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
