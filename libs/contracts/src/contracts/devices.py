"""Commands to and facts of the devices service: print jobs and scans.

What the hub and an agent say to one another on their link is in `contracts.agent_link`.
"""

from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from contracts import topics
from contracts.message import Command, Fact, Part, State

# A job that nobody printed before its end is `failed`, and `reason` says so.
JobState = Literal["queued", "printing", "printed", "failed", "unknown"]
PaperKind = Literal["deposit_receipt"]


class PaperLine(Part):
    sku: str
    description: str
    unit: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal


class PrintPaper(Command):
    """Print this paper once; the same job id is the same paper however often it is asked for.

    No names: the devices service adds the customer's from its own copy, under `customer_key`.
    """

    TYPE: ClassVar[str] = "print_paper.v1"
    TOPIC: ClassVar[str] = topics.DEVICES_COMMANDS
    KEY: ClassVar[str] = "order_id"

    job_id: UUID
    kind: PaperKind
    order_id: UUID
    order_number: str
    store_id: UUID
    customer_key: str | None
    currency: str
    lines: tuple[PaperLine, ...]
    total: Decimal
    payment: Decimal  # This payment.
    paid: Decimal  # All payments so far, this one included.
    due: Decimal  # What is left to pay of the total.
    hold_until: AwareDatetime
    placed_at: AwareDatetime
    at: AwareDatetime
    expires_at: AwareDatetime | None = None  # None: after the time that the hub is set to.


class PrintJobChanged(Fact):
    """A print job's state after this fact.

    When the job is handed (`printing`) to an agent that listens on Kafka, `sealed` is the job for
    that agent's eyes only; else it is None.
    """

    TYPE: ClassVar[str] = "print_job_changed.v1"
    TOPIC: ClassVar[str] = topics.PRINT_JOBS
    KEY: ClassVar[str] = "job_id"

    job_id: UUID
    order_id: UUID
    store_id: UUID
    device_id: UUID | None
    kind: PaperKind
    state: JobState
    reason: str | None
    copies: int
    expires_at: AwareDatetime
    sealed: str | None
    at: AwareDatetime


class PrintReported(State):
    """What an agent that listens on Kafka says of a job; `proof` is the report under its key.

    A state whose version is the copy's number: what another agent or the hub's link said of the
    job leaves no gap here.
    """

    TYPE: ClassVar[str] = "print_reported.v1"
    TOPIC: ClassVar[str] = topics.PRINT_RESULTS
    KEY: ClassVar[str] = "job_id"

    job_id: UUID
    device_id: UUID
    copy_number: int
    state: JobState
    reason: str | None
    proof: str
    at: AwareDatetime


class Scanned(Fact):
    """A scanner read this; its version is the device's own count of scans."""

    TYPE: ClassVar[str] = "scanned.v1"
    TOPIC: ClassVar[str] = topics.SCANS
    KEY: ClassVar[str] = "device_id"

    device_id: UUID
    scan_id: UUID
    store_id: UUID | None
    scanner: str
    code: str
    symbology: str | None
    at: AwareDatetime


COMMANDS = (PrintPaper,)
FACTS = (PrintJobChanged,)
