"""Money's use cases: post payments, cancel one, refund, settle hand-overs, follow orders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from chassis.http.idempotency import Call, Claim, Kept, claim_all, give_back, recall
from chassis.http.problems import KeyReused
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
from billing.accounts.books import Book, close_books, open_books
from billing.accounts.domain import Account
from billing.accounts.store import HandOver, Payment, Refund
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
    books = await open_books(tx, {one.order_id for one in commands})
    stores = await store.known_stores(tx, {one.store_id for one in commands})
    known = await store.find_payments(tx, {one.payment_id for one in commands})
    answers: list[Payment | Exception | None] = []
    for one in commands:
        refusal = _refused(one, books.get(one.order_id), stores, known.get(one.payment_id))
        answers.append(refusal and await _unless_kept(tx, one, refusal))
    wanted = [n for n, answer in enumerate(answers) if answer is None]
    claims = [Claim(commands[n].call, POSTED, str(commands[n].payment_id)) for n in wanted]
    kept = dict(zip(wanted, await claim_all(tx, claims), strict=True))
    replayed = [UUID(one.subject) for one in kept.values() if isinstance(one, Kept)]
    if replayed:
        known |= await store.find_payments(tx, replayed)
    made: dict[UUID, Payment] = {}
    taken: list[Call] = []  # Of commands that give another payment the id of one made here.
    for n, claimed in kept.items():
        one = commands[n]
        if isinstance(claimed, Kept):
            answers[n] = known[UUID(claimed.subject)]
        elif claimed is not None:
            answers[n] = claimed
        elif one.payment_id in known:
            answers[n] = known[one.payment_id]
        elif one.payment_id in made:
            answers[n] = _again(made[one.payment_id], one, books[one.order_id])
            if isinstance(answers[n], domain.IdTaken):
                taken.append(one.call)
        else:
            answers[n] = made[one.payment_id] = _post(books[one.order_id], one)
    await give_back(tx, taken)
    changed = {one.order_id for one in made.values()}
    await close_books(
        tx, [book for order_id, book in books.items() if order_id in changed], commands[0].at
    )
    await store.keep_payments(tx, list(made.values()))
    return [answer for answer in answers if answer is not None]


async def _unless_kept(
    tx: AsyncConnection, one: PostPayment, refusal: Exception
) -> Payment | Exception:
    """What would be refused now may be the repetition of what was accepted before."""
    try:
        kept = await recall(tx, one.call)
    except KeyReused as reused:
        return reused
    if kept is None:
        return refusal
    return (await store.find_payments(tx, [UUID(kept.subject)]))[UUID(kept.subject)]


def _refused(
    one: PostPayment, book: Book | None, stores: set[UUID], known: Payment | None
) -> Exception | None:
    """Why the payment cannot be posted; money in the till is a fact, so too much is no reason."""
    if book is None or not book.row.placed:
        return domain.UnknownOrder(one.order_id)
    if one.store_id not in stores:
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


def _again(made: Payment, one: PostPayment, book: Book) -> Payment | domain.IdTaken:
    """The payment that another command of the same group made, if this one asks the same."""
    amount = domain.exact(one.amount, book.account.currency)
    return made if _is_same(made, one, amount) else domain.IdTaken(one.payment_id)


def _post(book: Book, one: PostPayment) -> Payment:
    amount = domain.exact(one.amount, book.account.currency)
    into = domain.till(one.method, one.store_id)
    document = book.document(one.document_id) if one.document_id else None
    allocated = min(amount, max(document.due, ZERO)) if document else ZERO
    terms_before = book.paid_of_terms()
    fact = partial(
        _fact,
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
    book.moneys[one.payment_id] = Money(book.account.version, amount, one.document_id, allocated)
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


def _fact(kind: type[AccountFact], account: Account, at: datetime, by: str, **own: Any) -> Any:
    """A fact of the account with its figures after it."""
    return kind(
        order_id=account.order_id,
        currency=account.currency,
        paid=account.paid,
        deposit_left=account.deposit_left,
        due_now=account.due_now,
        refunded=account.refunded,
        at=at,
        by=by,
        **own,
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
        _fact,
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


async def refund(tx: AsyncConnection, wanted: Refund) -> Refund:
    """Give back what is paid and not consumed; `wanted.currency` is filled in from the order."""
    book = (await open_books(tx, [wanted.order_id])).get(wanted.order_id)
    if book is None or not book.row.placed:
        raise domain.UnknownOrder(wanted.order_id)
    if not await store.known_stores(tx, [wanted.store_id]):
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
    known = await store.find_refund(tx, made.refund_id)
    if known is not None:
        if (known.order_id, known.store_id, known.method, known.amount) != (
            made.order_id,
            made.store_id,
            made.method,
            made.amount,
        ):
            raise domain.IdTaken(made.refund_id)
        return known
    out_of = domain.till(made.method, made.store_id)
    fact = partial(
        _fact,
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
    await store.keep_refund(tx, made)
    await close_books(tx, [book], made.at)
    return made


Traced = tuple[ShipmentPosted, str | None]


async def settle_hand_overs(tx: AsyncConnection, shipped: Sequence[Traced], now: datetime) -> None:
    """Settle each hand-over with its order's deposit; the order itself may not be known yet."""
    await store.open_accounts(tx, {one.order_id: one.currency for one, _ in shipped})
    books = await open_books(tx, {one.order_id for one, _ in shipped}, with_papers=False)
    made = []
    for one, trace in shipped:
        book = books[one.order_id]
        revenue = f"revenue:{one.store_id}"
        value = round_half_up(one.value, one.currency)
        settled = domain.hand_over(book.account, one.shipment_id, revenue, value, one.left_before)
        book.post(settled, _settled(one, value, settled.consumed), now, trace)
        made.append(
            HandOver(
                shipment_id=one.shipment_id,
                order_id=one.order_id,
                store_id=one.store_id,
                value=value,
                left_before=one.left_before,
                consumed=settled.consumed,
                at=one.at,
            )
        )
    await store.keep_hand_overs(tx, made)
    await close_books(tx, books.values(), now)


def _settled(
    one: ShipmentPosted, value: Decimal, consumed: Decimal
) -> Callable[[Account], AccountFact]:
    return partial(
        _fact,
        HandOverSettled,
        at=one.at,
        by=one.by,
        shipment_id=one.shipment_id,
        value=value,
        consumed=consumed,
    )
