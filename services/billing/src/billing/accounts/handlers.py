"""Money's use cases: post payments, cancel one, refund, settle hand-overs, follow orders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from chassis.http.idempotency import Call, Kept
from chassis.http.repeats import Repeats
from contracts.billing import (
    AccountFact,
    HandOverSettled,
    PaymentCancelled,
    PaymentPosted,
    RefundPosted,
)
from contracts.money import ZERO, round_half_up
from contracts.shipping import ShipmentPosted
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.accounts import domain, store
from billing.accounts.books import Book, account_fact, books_of, close_books, open_books
from billing.accounts.domain import Account
from billing.accounts.store import HandOver, Payment, Refund, locked
from billing.changes import keep_keys
from billing.documents.domain import Money

POSTED = 201


@dataclass(frozen=True, slots=True)
class PostPayment:
    payment_id: UUID
    order_id: UUID
    store_id: UUID
    method: str
    amount: Decimal
    document_id: UUID | None
    by: str
    call: Call
    at: datetime


async def post_payments(
    tx: AsyncConnection, commands: Sequence[PostPayment]
) -> list[Payment | Exception]:
    """Post each payment or say why not, in the order in which they come; a replay posts nothing."""
    calls = [one.call for one in commands]
    asked = [(one.order_id, one.payment_id, one.store_id) for one in commands]
    rows = await locked.of_calls(tx, locked.TO_PAY, asked, calls)
    books, repeats = books_of(rows), Repeats(calls, rows)
    known = await _known_payments(tx, commands, rows, repeats)
    made: dict[UUID, Payment] = {}
    answers: list[Payment | Exception] = []
    for one, row in zip(commands, rows, strict=True):
        before = repeats.before(one.call)
        if isinstance(before, Kept):
            answers.append(known[UUID(before.subject)])
            continue
        same = known.get(one.payment_id)
        refusal = before or _refused(one, books.get(one.order_id), row.store_code, same)
        if refusal is not None:
            answers.append(refusal)
            continue
        if same is None:
            same = made[one.payment_id] = _post(books[one.order_id], one)
            known[one.payment_id] = same
        repeats.keep(one.call, POSTED, str(one.payment_id))
        answers.append(same)
    changed = {one.order_id for one in made.values()}
    await close_books(
        tx,
        [book for order_id, book in books.items() if order_id in changed],
        commands[0].at,
        store.keep_payments(list(made.values())),
        keep_keys(repeats),
    )
    return answers


async def _known_payments(
    tx: AsyncConnection, commands: Sequence[PostPayment], rows: Sequence[Any], repeats: Repeats
) -> dict[UUID, Payment]:
    """The payments that are there already under the commands' ids and keys; mostly none."""
    ids = {one.payment_id for one, row in zip(commands, rows, strict=True) if row.id_known}
    kept = [repeats.before(one.call) for one in commands]
    ids |= {UUID(one.subject) for one in kept if isinstance(one, Kept)}
    return await store.find_payments(tx, ids) if ids else {}


def _refused(
    one: PostPayment, book: Book | None, store_code: str | None, known: Payment | None
) -> Exception | None:
    """Why the payment cannot be posted; money in the till is a fact, so too much is no reason."""
    if book is None or not book.row.placed:
        return domain.UnknownOrder(one.order_id)
    if store_code is None:
        return domain.UnknownStore(one.store_id)
    try:
        amount = domain.exact(one.amount, book.account.currency)
    except domain.TooManyDecimals as error:
        return error
    if known is not None and not _is_same(known, one, amount):
        return domain.IdTaken(one.payment_id)
    if one.document_id is not None:
        document = book.document(one.document_id)
        if document is None:
            return domain.UnknownDocument(one.document_id)
        if document.state == "cancelled":
            return domain.DocumentIsCancelled(document.number)
    return None


def _is_same(known: Payment, one: PostPayment, amount: Decimal) -> bool:
    return (known.order_id, known.store_id, known.method, known.amount, known.document_id) == (
        one.order_id,
        one.store_id,
        one.method,
        amount,
        one.document_id,
    )


def _post(book: Book, one: PostPayment) -> Payment:
    amount = domain.exact(one.amount, book.account.currency)
    into = domain.till(one.method, one.store_id)
    document = book.document(one.document_id) if one.document_id else None
    allocated = min(amount, max(document.due, ZERO)) if document else ZERO
    terms_before = book.paid_of_terms()
    fact = partial(
        account_fact,
        PaymentPosted,
        at=one.at,
        by=one.by,
        payment_id=one.payment_id,
        amount=amount,
        method=one.method,
        store_id=one.store_id,
        document_id=one.document_id,
    )
    book.post(domain.pay(book.account, one.payment_id, amount, into), fact, one.at)
    book.moneys[one.payment_id] = Money(book.account.version, amount, one.document_id)
    book.restate()
    terms = [
        (term_id, paid - terms_before[term_id])
        for term_id, paid in book.paid_of_terms().items()
        if paid > terms_before[term_id]
    ]
    named = (document.document_id, document.term_id, allocated) if document else None
    return Payment(
        payment_id=one.payment_id,
        order_id=one.order_id,
        store_id=one.store_id,
        method=one.method,
        amount=amount,
        currency=book.account.currency,
        document_id=one.document_id,
        allocated=allocated,
        allocations=domain.allocate(amount, named, terms),
        version=book.account.version,
        at=one.at,
        by=one.by,
    )


async def cancel_payment(
    tx: AsyncConnection, payment: Payment, reason: str, by: str, now: datetime
) -> Payment:
    """Take a payment back and bring every standing back with it; a second time changes nothing."""
    book = (await open_books(tx, [payment.order_id]))[payment.order_id]
    current = (await store.find_payments(tx, [payment.payment_id]))[payment.payment_id]
    if current.state == "cancelled":
        return current
    out_of = domain.till(current.method, current.store_id)
    fact = partial(
        account_fact,
        PaymentCancelled,
        at=now,
        by=by,
        payment_id=current.payment_id,
        amount=current.amount,
        reason=reason,
    )
    posting = domain.take_back(book.account, current.payment_id, current.amount, out_of)
    book.post(posting, fact, now)
    book.moneys.pop(current.payment_id, None)
    book.restate()
    await store.cancel_payment(tx, current.payment_id, reason, by, now)
    await close_books(tx, [book], now)
    return (await store.find_payments(tx, [payment.payment_id]))[payment.payment_id]


async def refund(tx: AsyncConnection, wanted: Refund, call: Call) -> Refund:
    """Give back what is paid and not consumed; `wanted.currency` is filled in from the order."""
    asked = [(wanted.order_id, wanted.refund_id, wanted.store_id)]
    rows = await locked.of_calls(tx, locked.TO_REFUND, asked, [call])
    repeats = Repeats([call], rows)
    before = repeats.before(call)
    if isinstance(before, Exception):
        raise before
    if before is not None:
        return (await store.find_refunds(tx, [UUID(before.subject)]))[0]
    book = books_of(rows).get(wanted.order_id)
    if book is None or not book.row.placed:
        raise domain.UnknownOrder(wanted.order_id)
    if rows[0].store_code is None:
        raise domain.UnknownStore(wanted.store_id)
    currency = book.account.currency
    amount = domain.exact(wanted.amount, currency)
    made = Refund(
        refund_id=wanted.refund_id,
        order_id=wanted.order_id,
        store_id=wanted.store_id,
        method=wanted.method,
        amount=amount,
        currency=currency,
        at=wanted.at,
        by=wanted.by,
    )
    repeats.keep(call, POSTED, str(made.refund_id))
    if rows[0].id_known:
        [known] = await store.find_refunds(tx, [made.refund_id])
        if (known.order_id, known.store_id, known.method, known.amount) != (
            made.order_id,
            made.store_id,
            made.method,
            made.amount,
        ):
            raise domain.IdTaken(made.refund_id)
        await close_books(tx, (), made.at, keep_keys(repeats))
        return known
    out_of = domain.till(made.method, made.store_id)
    fact = partial(
        account_fact,
        RefundPosted,
        at=made.at,
        by=made.by,
        refund_id=made.refund_id,
        amount=amount,
        method=made.method,
        store_id=made.store_id,
    )
    book.post(domain.give_back(book.account, made.refund_id, amount, out_of), fact, made.at)
    book.restate()
    await close_books(tx, [book], made.at, store.keep_refund(made), keep_keys(repeats))
    return made


Traced = tuple[ShipmentPosted, str | None]


async def settle_hand_overs(tx: AsyncConnection, shipped: Sequence[Traced], now: datetime) -> None:
    """Settle each hand-over with its order's deposit; the order itself may not be known yet.

    A shipment counts once, however often it is posted: shipping may have been restored since.
    """
    asked = [(one.order_id, one.shipment_id) for one, _ in shipped]
    rows = await locked.of_shipments(tx, asked)
    if any(row.order_id is None for row in rows):
        await store.open_accounts(tx, {one.order_id: one.currency for one, _ in shipped})
        rows = await locked.of_shipments(tx, asked)
    books = books_of(rows)
    settled_before = {id for (_, id), row in zip(asked, rows, strict=True) if row.id_known}
    made: dict[UUID, HandOver] = {}
    for one, trace in shipped:
        if one.shipment_id in settled_before or one.shipment_id in made:
            continue
        book = books[one.order_id]
        revenue = f"revenue:{one.store_id}"
        value = round_half_up(one.value, one.currency)
        left = _left_before(book, one, value)
        settled = domain.hand_over(book.account, one.shipment_id, revenue, value, left)
        book.post(settled, _settled(one, value, settled.consumed), now, trace)
        made[one.shipment_id] = HandOver(
            shipment_id=one.shipment_id,
            order_id=one.order_id,
            store_id=one.store_id,
            value=value,
            left_before=left,
            consumed=settled.consumed,
            at=one.at,
        )
    await close_books(tx, books.values(), now, store.keep_hand_overs(list(made.values())))


def _left_before(book: Book, one: ShipmentPosted, value: Decimal) -> Decimal:
    """What is left to hand over before this one, of what is settled here.

    Hand-overs of an order may be settled in another order than they were made, and the order may
    have become smaller since.
    """
    account, left = book.account, one.left_before
    if one.handed_over_before is not None:
        left += one.handed_over_before - account.shipped_value
    return value if book.is_all_handed_over(value) else max(left, value)


def _settled(
    one: ShipmentPosted, value: Decimal, consumed: Decimal
) -> Callable[[Account], AccountFact]:
    return partial(
        account_fact,
        HandOverSettled,
        at=one.at,
        by=one.by,
        shipment_id=one.shipment_id,
        value=value,
        consumed=consumed,
    )
