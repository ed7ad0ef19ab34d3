"""Facts of the orders service: orders, items, customers. Its commands topic knows `republish`."""

from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from contracts import topics
from contracts.message import Fact, Part, State, Tombstone

Channel = Literal[
    "counter",
    "phone",
    "email",
    "site",
    "social_network",
    "messenger",
    "marketplace",
    "salesman",
]
MainStatus = Literal[
    "draft",
    "pending_approval",
    "agreed",
    "in_progress",
    "ready",
    "shipped",
    "closed",
    "cancelled",
]
FinancialStatus = Literal["unpaid", "partly_paid", "paid", "overpaid", "refunded"]
HoldMethod = Literal["separate", "nominal"]
# What the customer is told of: each fact with at least one of them makes one message a channel.
Change = Literal["placed", "status", "financial_status", "lines"]


class OrderLine(Part):
    line_id: UUID
    position: int
    sku: str
    description: str
    unit: str
    quantity: Decimal  # What is ordered and not taken back; handed over goods included.
    unit_price: Decimal
    amount: Decimal
    tax_rate: Decimal
    special: bool = False


class Term(Part):
    term_id: UUID
    due_on: date
    amount: Decimal


class HoldTerms(Part):
    method: HoldMethod
    warehouse_id: UUID
    until: AwareDatetime


class LineProgress(Part):
    line_id: UUID
    held: Decimal
    awaiting: Decimal
    shipped: Decimal


class OrderFact(Fact):
    """What every fact of an order says, so that a follower never asks back."""

    TOPIC: ClassVar[str] = topics.ORDERS
    KEY: ClassVar[str] = "order_id"

    order_id: UUID
    store_id: UUID
    number: str
    status: MainStatus
    financial_status: FinancialStatus
    currency: str
    total: Decimal  # Without what was cancelled or taken back.
    paid: Decimal
    changed: tuple[Change, ...]  # Empty: nothing that the customer is told of.
    at: AwareDatetime
    by: str  # The account that did it, or the name of the service whose fact caused it.


class OrderPlaced(OrderFact):
    TYPE: ClassVar[str] = "order_placed.v1"

    channel: Channel
    customer_id: UUID | None  # A card; None when only a name was typed, or none.
    customer_key: str | None  # Where `orders.customers` has the name: the card's id or the order's.
    placed_at: AwareDatetime
    prepayment_proposed: Decimal
    prepayment: Decimal
    terms: tuple[Term, ...]
    hold: HoldTerms
    notify: bool
    revision: int  # Of the wanted lines; each hold command carries the newest.
    lines: tuple[OrderLine, ...]


class OrderAgreed(OrderFact):
    TYPE: ClassVar[str] = "order_agreed.v1"


class OrderChanged(OrderFact):
    """The lines changed: quantities, prices, or what a manager took back."""

    TYPE: ClassVar[str] = "order_changed.v1"

    prepayment: Decimal
    revision: int
    lines: tuple[OrderLine, ...]


class OrderProgressed(OrderFact):
    """Goods or money moved; a status or a line's progress changed by it."""

    TYPE: ClassVar[str] = "order_progressed.v1"

    lines: tuple[LineProgress, ...]


class OrderCancelled(OrderFact):
    TYPE: ClassVar[str] = "order_cancelled.v1"

    reason: str


class OrderClosed(OrderFact):
    """A manager closed it; open quantities are taken back, the lines say what is left."""

    TYPE: ClassVar[str] = "order_closed.v1"

    reason: str
    revision: int
    lines: tuple[OrderLine, ...]


class OrderMarked(OrderFact):
    """Marked for removal: out of sight, its history kept."""

    TYPE: ClassVar[str] = "order_marked.v1"

    reason: str


class OrderRestored(OrderFact):
    TYPE: ClassVar[str] = "order_restored.v1"

    revision: int


class ItemState(State):
    TYPE: ClassVar[str] = "item_state.v1"
    TOPIC: ClassVar[str] = topics.ITEMS
    KEY: ClassVar[str] = "sku"

    sku: str
    name: str
    unit: str
    kind: Literal["listed", "special"]
    barcodes: tuple[str, ...]
    tax_rate: Decimal
    price: Decimal
    currency: str


class CustomerState(State):
    """The one message with personal data.

    `customer_key` is a card's id, or the order's when only a name was typed.
    """

    TYPE: ClassVar[str] = "customer_state.v1"
    TOPIC: ClassVar[str] = topics.CUSTOMERS
    KEY: ClassVar[str] = "customer_key"

    customer_key: str
    customer_id: UUID | None
    name: str
    phone: str | None
    email: str | None
    language: str


class CustomerErased(Tombstone):
    """Everyone forgets who this was."""

    TYPE: ClassVar[str] = "customer_erased.v1"
    TOPIC: ClassVar[str] = topics.CUSTOMERS
    KEY: ClassVar[str] = "customer_key"

    customer_key: str


FACTS = (
    OrderPlaced,
    OrderAgreed,
    OrderChanged,
    OrderProgressed,
    OrderCancelled,
    OrderClosed,
    OrderMarked,
    OrderRestored,
)
STATES = (ItemState, CustomerState, CustomerErased)
