"""Roles and rights, and the state of accounts: who may do what, without who they are."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from contracts import topics
from contracts.message import State

ISSUER = "holdfast"
AUDIENCE = "holdfast-api"
# The card of the customer that the embedded default seeds together with its login.
DEMO_CUSTOMER_ID = UUID("01900000-0000-7000-8000-000000000001")


class Role(StrEnum):
    OWNER = "owner"
    MANAGER = "manager"
    CASHIER = "cashier"
    CUSTOMER = "customer"
    DEVICE = "device"


class Right(StrEnum):
    """What a route asks for. Every route of every service names exactly one."""

    ITEMS_READ = "items.read"
    ITEMS_WRITE = "items.write"
    CUSTOMERS_READ = "customers.read"
    CUSTOMERS_WRITE = "customers.write"
    CUSTOMERS_ERASE = "customers.erase"
    ORDERS_READ = "orders.read"
    ORDERS_TAKE = "orders.take"  # Place, agree, change, cancel.
    ORDERS_MANAGE = "orders.manage"  # Close, mark for removal, restore.
    SETTINGS_WRITE = "settings.write"
    STORES_READ = "stores.read"
    STORES_WRITE = "stores.write"
    STOCK_READ = "stock.read"
    STOCK_WRITE = "stock.write"
    HOLDS_WRITE = "holds.write"
    HOLDS_BREAK = "holds.break"  # Hand over what is held for others where the store blocks it.
    MONEY_READ = "money.read"
    MONEY_TAKE = "money.take"  # Post payments, issue documents.
    MONEY_RETURN = "money.return"  # Cancel payments, refund.
    SHIPMENTS_READ = "shipments.read"
    SHIPMENTS_WRITE = "shipments.write"
    MESSAGES_READ = "messages.read"
    PAPERS_READ = "papers.read"
    PAPERS_PRINT = "papers.print"
    DEVICES_MANAGE = "devices.manage"
    ACCOUNTS_MANAGE = "accounts.manage"
    SYSTEM_OPERATE = "system.operate"
    OWN_READ = "own.read"  # A customer's own orders, documents, messages.
    SESSION = "session"  # What anyone signed in may do with the own session.


CASHIER_RIGHTS: frozenset[Right] = frozenset(
    {
        Right.ITEMS_READ,
        Right.CUSTOMERS_READ,
        Right.CUSTOMERS_WRITE,
        Right.ORDERS_READ,
        Right.ORDERS_TAKE,
        Right.STORES_READ,
        Right.STOCK_READ,
        Right.HOLDS_WRITE,
        Right.MONEY_READ,
        Right.MONEY_TAKE,
        Right.SHIPMENTS_READ,
        Right.SHIPMENTS_WRITE,
        Right.MESSAGES_READ,
        Right.PAPERS_READ,
        Right.PAPERS_PRINT,
        Right.SESSION,
    }
)
MANAGER_RIGHTS: frozenset[Right] = CASHIER_RIGHTS | {
    Right.ITEMS_WRITE,
    Right.CUSTOMERS_ERASE,
    Right.ORDERS_MANAGE,
    Right.SETTINGS_WRITE,
    Right.STORES_WRITE,
    Right.STOCK_WRITE,
    Right.HOLDS_BREAK,
    Right.MONEY_RETURN,
    Right.DEVICES_MANAGE,
    Right.SYSTEM_OPERATE,
}
RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OWNER: MANAGER_RIGHTS | {Right.ACCOUNTS_MANAGE},
    Role.MANAGER: MANAGER_RIGHTS,
    Role.CASHIER: CASHIER_RIGHTS,
    Role.CUSTOMER: frozenset({Right.OWN_READ, Right.SESSION}),
    Role.DEVICE: frozenset({Right.SESSION}),
}


class AccountState(State):
    """An account as others may know it: ids only."""

    TYPE: ClassVar[str] = "account_state.v1"
    TOPIC: ClassVar[str] = topics.LOGINS
    KEY: ClassVar[str] = "account_id"

    account_id: UUID
    role: Role
    store_ids: tuple[UUID, ...] | None  # None: every store of the chain.
    customer_id: UUID | None
    active: bool


STATES = (AccountState,)
