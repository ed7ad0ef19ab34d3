"""Payments: post one or a thousand, list, cancel."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from chassis.gather import Gatherer
from chassis.http.auth import Principal
from chassis.http.fields import Amount, Body, Figure, Text
from chassis.http.idempotency import Call, Keyed, claim, fingerprint
from chassis.http.members import problem_of, unfit
from chassis.http.pages import Page, page_of
from chassis.http.problems import NotFound, as_body
from chassis.http.waiting import (
    KNOWN_DEFAULT_S,
    Wait,
    once_known,
    refusal_of,
    wait_until,
    worth_waiting,
)
from chassis.ids import uuid7
from chassis.runtime import Here, Runtime
from contracts.billing import Method
from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError

from billing.accounts import handlers, store
from billing.accounts.handlers import PostPayment
from billing.accounts.http.scope import (
    REFUSALS,
    UNKNOWN,
    Listed,
    Reader,
    Returner,
    Taker,
    scoped,
)
from billing.accounts.store import Payment

router = APIRouter(tags=["payments"])
BATCH_MAX = 1000
Payments = Gatherer[PostPayment, Payment]


class PaymentBody(Body):
    id: UUID | None = None
    order_id: UUID
    amount: Amount
    method: Method
    store_id: UUID
    document_id: UUID | None = None


class MemberBody(Body):
    """One of a batch; `key` takes the place of the Idempotency-Key."""

    key: Text
    payment: dict[str, Any] = Field(description="As the body of POST /payments.")


class BatchBody(Body):
    payments: Annotated[list[MemberBody], Field(min_length=1, max_length=BATCH_MAX)]


class CancelBody(Body):
    reason: Text


class AllocationShown(BaseModel):
    document_id: UUID | None
    term_id: UUID | None
    amount: Figure


class PaymentShown(BaseModel):
    id: UUID
    order_id: UUID
    store_id: UUID
    amount: Figure
    currency: str
    method: Method
    document_id: UUID | None
    state: str
    allocations: list[AllocationShown]
    at: datetime
    by: str
    cancelled_at: datetime | None
    cancel_reason: str | None


class MemberShown(BaseModel):
    """One member's answer: the status it would have had alone, with the payment or the problem."""

    key: str
    status: int
    payment: PaymentShown | None = None
    problem: dict[str, Any] | None = None


class BatchShown(BaseModel):
    items: list[MemberShown]


def show_payment(one: Payment) -> PaymentShown:
    """A cancelled payment pays nothing any more."""
    parts = one.allocations if one.state == "posted" else ()
    return PaymentShown(
        id=one.payment_id,
        order_id=one.order_id,
        store_id=one.store_id,
        amount=one.amount,
        currency=one.currency,
        method=one.method,
        document_id=one.document_id,
        state=one.state,
        allocations=[
            AllocationShown(document_id=p.document_id, term_id=p.term_id, amount=p.amount)
            for p in parts
        ],
        at=one.at,
        by=one.by,
        cancelled_at=one.cancelled_at,
        cancel_reason=one.cancel_reason,
    )


def _command(body: PaymentBody, call: Call, who: Principal) -> PostPayment:
    return PostPayment(
        payment_id=body.id or uuid7(),
        order_id=body.order_id,
        store_id=body.store_id,
        method=body.method,
        amount=body.amount,
        document_id=body.document_id,
        by=who.name,
        call=call,
        at=datetime.now(UTC),
    )


@router.post("/payments", status_code=201)
async def post_payment(
    body: PaymentBody,
    who: Taker,
    key: Keyed,
    wait: Wait,
    here: Here,
) -> PaymentShown:
    """Post a payment. An order may be paid in any store; the till's store must be the caller's."""
    who.require_store(body.store_id, "The store")
    command = _command(body, key.of(who), who)
    payments: Payments = here.parts.payments
    made = await once_known(here.db, lambda: payments.do(command), UNKNOWN, wait)
    return show_payment(made)


@router.post("/payments/batch")
async def post_payments(
    body: BatchBody, who: Taker, key: Keyed, wait: Wait, here: Here
) -> BatchShown:
    """Post up to 1,000 payments, each with its own key and answer."""
    del key  # Asked of every POST; the members' own keys make this one safe to repeat.
    results: list[Result] = [_member(one, who) for one in body.payments]
    todo = [n for n, one in enumerate(results) if isinstance(one, PostPayment)]
    await _fill(here, results, todo)
    unknown = [n for n in todo if isinstance(results[n], UNKNOWN)]
    references = [results[n].reference for n in unknown]  # type: ignore[union-attr]
    if any(worth_waiting(reference) for reference in references):
        members = {n: _member(body.payments[n], who) for n in unknown}
        orders = {one.order_id for one in members.values() if isinstance(one, PostPayment)}
        await wait_until(
            here.db,
            [str(one) for one in references],
            lambda: _all_known(here, orders),
            KNOWN_DEFAULT_S if wait is None else wait,
        )
        for n, one in members.items():
            results[n] = one
        await _fill(here, results, unknown)
    members_shown = zip(body.payments, results, strict=True)
    return BatchShown(items=[_member_shown(one.key, result) for one, result in members_shown])


Result = PostPayment | Payment | Exception


def _member(one: MemberBody, who: Principal) -> PostPayment | Exception:
    """The member's command, or what is wrong with it alone."""
    try:
        body = PaymentBody.model_validate(one.payment)
    except ValidationError as error:
        return unfit(error)
    if not who.sees(body.store_id):
        return NotFound("The store was not found: check the id and that it is in your stores.")
    what = fingerprint(b"payment in a batch", body.model_dump_json().encode())
    return _command(body, Call(who.name, one.key, what), who)


async def _fill(here: Runtime, results: list[Result], todo: Sequence[int]) -> None:
    """Put the answers in the place of the commands."""
    commands = [one for n in todo if isinstance(one := results[n], PostPayment)]
    if commands:
        made = await here.parts.post_payments(commands)
        for n, result in zip(todo, made, strict=True):
            results[n] = result


async def _all_known(here: Runtime, order_ids: set[UUID]) -> bool | None:
    async with here.db.reading() as tx:
        found = [await store.find_account(tx, order_id) for order_id in order_ids]
    return True if all(one is not None and one.placed for one in found) else None


def _member_shown(key: str, result: Result) -> MemberShown:
    if isinstance(result, Payment):
        return MemberShown(key=key, status=handlers.POSTED, payment=show_payment(result))
    assert isinstance(result, Exception), "every command was answered"
    problem = problem_of(refusal_of(result), REFUSALS)
    return MemberShown(key=key, status=problem.status, problem=as_body(problem))


@router.get("/payments")
async def list_payments(who: Reader, here: Here, listing: Listed) -> Page[PaymentShown]:
    """Payments of an order or a store, oldest first; cancelled ones are among them."""
    rows = await scoped(here, listing, who, store.list_payments)
    return page_of(
        rows, listing.limit, show_payment, lambda one: (one.at.isoformat(), str(one.payment_id))
    )


@router.get("/payments/{payment_id}")
async def get_payment(payment_id: UUID, who: Reader, here: Here) -> PaymentShown:
    return show_payment(await _payment(here, payment_id, who))


async def _payment(here: Runtime, payment_id: UUID, who: Principal) -> Payment:
    """The payment, when its till or its order is of the caller's stores."""
    async with here.db.reading() as tx:
        found = (await store.find_payments(tx, [payment_id])).get(payment_id)
        if found is None:
            raise NotFound("The payment was not found: check the id.")
        if not who.sees(found.store_id):
            account = await store.find_account(tx, found.order_id)
            assert account is not None
            who.require_store(account.store_id or found.store_id, "The payment")
    return found


@router.post("/payments/{payment_id}/cancel")
async def cancel_payment(
    payment_id: UUID, body: CancelBody, who: Returner, key: Keyed, here: Here
) -> PaymentShown:
    """Take a payment back: every status that it moved reverts."""
    payment = await _payment(here, payment_id, who)
    # Who may see the payment by its order may be of another store: the till that gives must be own.
    who.require_store(payment.store_id, "The payment")
    now = datetime.now(UTC)

    async def work(tx: Any) -> Payment:
        kept = await claim(tx, key.of(who), 200, str(payment_id))
        if kept is not None:
            return (await store.find_payments(tx, [payment_id]))[payment_id]
        return await handlers.cancel_payment(tx, payment, body.reason, who.name, now)

    return show_payment(await here.db.run(work))
