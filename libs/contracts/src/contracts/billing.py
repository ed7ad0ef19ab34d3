"""Facts of the billing service: an order's account and its documents."""

from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from contracts import topics
from contracts.message import Fact
from contracts.money import ZERO

Method = Literal["cash", "card", "bank"]
DocumentKind = Literal["proforma", "invoice"]
DocumentState = Literal["open", "partly_paid", "paid", "cancelled"]


class AccountFact(Fact):
    """The figures of the order's account after this fact; the highest version has the newest."""

    TOPIC: ClassVar[str] = topics.ACCOUNTS
    KEY: ClassVar[str] = "order_id"

    order_id: UUID
    currency: str
    paid: Decimal  # Payments less refunds.
    deposit_left: Decimal
    due_now: Decimal
    refunded: Decimal
    at: AwareDatetime
    by: str


class PaymentPosted(AccountFact):
    TYPE: ClassVar[str] = "payment_posted.v1"

    payment_id: UUID
    amount: Decimal
    method: Method
    store_id: UUID
    document_id: UUID | None


class PaymentCancelled(AccountFact):
    TYPE: ClassVar[str] = "payment_cancelled.v1"

    payment_id: UUID
    amount: Decimal
    reason: str


class RefundPosted(AccountFact):
    TYPE: ClassVar[str] = "refund_posted.v1"

    refund_id: UUID
    amount: Decimal
    method: Method
    store_id: UUID


class HandOverSettled(AccountFact):
    TYPE: ClassVar[str] = "hand_over_settled.v1"

    shipment_id: UUID
    value: Decimal
    consumed: Decimal


class DepositConsumed(AccountFact):
    """Nothing is left to hand over any more, so the deposit covers what is due."""

    TYPE: ClassVar[str] = "deposit_consumed.v1"

    consumed: Decimal


class DocumentFact(Fact):
    TOPIC: ClassVar[str] = topics.DOCUMENTS
    KEY: ClassVar[str] = "document_id"

    document_id: UUID
    order_id: UUID
    kind: DocumentKind
    number: str
    currency: str
    total: Decimal
    credited: Decimal = ZERO  # Of the total, what the order asks for no more.
    advances: Decimal
    paid: Decimal
    due: Decimal
    state: DocumentState
    at: AwareDatetime


class DocumentIssued(DocumentFact):
    TYPE: ClassVar[str] = "document_issued.v1"


class DocumentPaidChanged(DocumentFact):
    TYPE: ClassVar[str] = "document_paid_changed.v1"


FACTS = (PaymentPosted, PaymentCancelled, RefundPosted, HandOverSettled, DepositConsumed)
DOCUMENT_FACTS = (DocumentIssued, DocumentPaidChanged)
