"""What is owed: a customer's account, debts, a store's cash report, the ledger's own check."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from chassis.http import pages
from chassis.http.auth import Principal, allow
from chassis.http.fields import Figure, Moment
from chassis.http.pages import Cursor, Limit, Page
from chassis.runtime import Here
from contracts.identity import Right
from contracts.money import ZERO, round_half_up
from fastapi import APIRouter, Query
from pydantic import BaseModel

from billing.accounts import domain, store
from billing.accounts.http.scope import Reader
from billing.accounts.store import DebtKind, OrderAccount

router = APIRouter(tags=["accounts"])
ORDERS_MAX = 200
DIFFERENCES_MAX = 100
Operator = Annotated[Principal, allow(Right.SYSTEM_OPERATE)]


class OrderShown(BaseModel):
    order_id: UUID
    number: str | None
    store_id: UUID | None
    placed_at: datetime | None
    currency: str
    total: Figure
    paid: Figure
    shipped_value: Figure
    due: Figure
    due_now: Figure
    deposit_left: Figure
    refunded: Figure


class BalanceShown(BaseModel):
    currency: str
    debt: Figure
    deposits: Figure


class AccountShown(BaseModel):
    """`debt` and `deposits` are in `currency`, the one of most orders; `balances` has them all."""

    customer_id: UUID
    currency: str | None
    debt: Figure
    deposits: Figure
    balances: list[BalanceShown]
    by_order: list[OrderShown]


class DebtShown(OrderShown):
    kind: DebtKind
    customer_id: UUID | None
    amount: Figure
    since: datetime
    age_days: int


class TillShown(BaseModel):
    method: str
    kind: str
    currency: str
    taken: Figure
    given: Figure
    balance: Figure


class CashReport(BaseModel):
    store_id: UUID
    begin: datetime
    end: datetime
    items: list[TillShown]


class LedgerCheck(BaseModel):
    """Orders whose balances are not the sums of their transfers; there must be none."""

    differing_orders: list[UUID]


def _stores(who: Principal) -> list[UUID] | None:
    """The stores whose orders the caller sees; None for all."""
    return None if who.store_ids is None else sorted(who.store_ids)


def _figures(row: OrderAccount) -> dict[str, object]:
    account = row.account
    return {
        "order_id": account.order_id,
        "number": row.number,
        "store_id": row.store_id,
        "placed_at": row.placed_at,
        "currency": account.currency,
        "total": account.total,
        "paid": account.paid,
        "shipped_value": account.shipped_value,
        "due": account.total - account.paid,
        "due_now": account.due_now,
        "deposit_left": account.deposit_left,
        "refunded": account.refunded,
    }


def _debt(row: OrderAccount, kind: DebtKind, now: datetime) -> DebtShown:
    unpaid = kind == "shipped_unpaid"
    since = row.account.due_since if unpaid else row.placed_at
    assert since is not None, "what is open began at some time"
    return DebtShown.model_validate(
        _figures(row)
        | {
            "kind": kind,
            "customer_id": row.customer_id,
            "amount": row.account.due_now if unpaid else row.account.deposit_left,
            "since": since,
            "age_days": (now - since).days,
        }
    )


@router.get("/accounts/debts")
async def list_debts(
    who: Reader,
    here: Here,
    kind: DebtKind = "shipped_unpaid",
    customer_id: UUID | None = None,
    store_id: UUID | None = None,
    older_than_days: Annotated[int, Query(ge=0, le=36_500)] = 0,
    limit: Limit = pages.LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> Page[DebtShown]:
    """Orders whose goods are not paid, or whose money waits for goods; the oldest first."""
    if store_id is not None:
        who.require_store(store_id, "The store")
    stores = _stores(who)
    if store_id is not None:
        stores = [store_id]
    now = datetime.now(UTC)
    until = now - timedelta(days=older_than_days) if older_than_days else None
    async with here.db.reading() as tx:
        rows = await store.list_debts(
            tx, kind, customer_id, stores, until, pages.after(cursor, pages.moment, UUID), limit
        )
    shown = [_debt(row, kind, now) for row in rows]
    return pages.page_of(
        shown, limit, lambda one: one, lambda one: (one.since.isoformat(), str(one.order_id))
    )


@router.get("/accounts/cash-report")
async def cash_report(
    who: Reader,
    here: Here,
    store_id: UUID,
    begin: Annotated[Moment, Query(alias="from")],
    end: Annotated[Moment, Query(alias="to")],
) -> CashReport:
    """What a store's tills took and gave in a period, summed from the ledger."""
    who.require_store(store_id, "The store")
    tills = [domain.till(method, store_id) for method in ("cash", "card")]
    async with here.db.reading() as tx:
        lines = await store.sum_tills(tx, tills, begin, end)
    items = [
        TillShown(
            method=one.method,
            kind=one.kind,
            currency=one.currency,
            taken=round_half_up(one.taken, one.currency),
            given=round_half_up(one.given, one.currency),
            balance=round_half_up(one.taken - one.given, one.currency),
        )
        for one in lines
    ]
    return CashReport(store_id=store_id, begin=begin, end=end, items=items)


@router.get("/accounts/ledger-check")
async def check_ledger(who: Operator, here: Here) -> LedgerCheck:
    """Compare every order's balances with the sums of its transfers."""
    who.require_whole_chain()
    async with here.db.reading() as tx:
        return LedgerCheck(differing_orders=await store.differing_orders(tx, DIFFERENCES_MAX))


@router.get("/accounts/{customer_id}")
async def customer_account(customer_id: UUID, who: Reader, here: Here) -> AccountShown:
    """What the customer owes and what is kept for the customer, in the caller's stores."""
    stores = _stores(who)
    async with here.db.reading() as tx:
        balances = await store.balances_of_customer(tx, customer_id, stores)
        orders = await store.orders_of_customer(tx, customer_id, stores, ORDERS_MAX)
    main = balances[0] if balances else None
    return AccountShown(
        customer_id=customer_id,
        currency=main.currency if main else None,
        debt=main.debt if main else ZERO,
        deposits=main.deposits if main else ZERO,
        balances=[
            BalanceShown(currency=one.currency, debt=one.debt, deposits=one.deposits)
            for one in balances
        ],
        by_order=[OrderShown.model_validate(_figures(row)) for row in orders],
    )
