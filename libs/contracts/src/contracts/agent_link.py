"""What the hub and a store's agent say to one another, and how a print job is sealed.

The link is a WebSocket that the agent opens; each frame is one JSON object with a `type`.
The hub speaks first, with a challenge. An agent that is not enrolled yet answers `enrol`, any
other `hello`; both carry `proof`, a compact JWS (Ed25519) of a `Proof` over the hub's nonce.

A job travels sealed: the hub's compact JWS (Ed25519, `typ` is JOB_TYPE) of a `SealedJobs`, inside
a compact JWE (ECDH-ES, A256GCM) to the agent's X25519 key. The agent checks the hub's key that it
was given at enrolment, the addressee and each job's end before it journals anything.
"""

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, TypeAdapter

from contracts.devices import JobState, PaperKind
from contracts.message import Part

LINK_PATH = "/api/v1/agents/link"
PROOF_TYPE = "holdfast-proof+jws"
JOB_TYPE = "holdfast-jobs+jws"
REPORT_TYPE = "holdfast-report+jws"
SIGNATURE = "Ed25519"
KEY_AGREEMENT = "ECDH-ES"
CIPHER = "A256GCM"
FRAME_BYTES_MAX = 1_048_576

Transport = Literal["websocket", "kafka"]
PublicKey = dict[str, str]  # A public JWK: kty, crv, x.


class ReceiptLine(Part):
    description: str
    unit: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal


class PrintOrder(Part):
    """One paper for one printer. `copy_number` is 1 for the paper itself, more for each reprint."""

    job_id: UUID
    copy_number: int
    kind: PaperKind
    expires_at: AwareDatetime
    store_id: UUID
    store_code: str
    store_name: str
    language: str
    customer_name: str | None
    order_number: str
    currency: str
    lines: tuple[ReceiptLine, ...]
    total: Decimal
    payment: Decimal
    paid: Decimal
    due: Decimal
    hold_until: AwareDatetime
    at: AwareDatetime


class SealedJobs(Part):
    """What a sealed string holds: jobs for one device."""

    device_id: UUID
    jobs: tuple[PrintOrder, ...]


class Proof(Part):
    """What an agent signs to show that the key is its own; `subject` is the code or device id."""

    nonce: str
    subject: str


class JobReport(Part):
    job_id: UUID
    copy_number: int
    state: JobState  # printed, failed or unknown.
    reason: str | None
    at: AwareDatetime


class ScanRead(Part):
    scan_id: UUID
    number: int  # The device's own count, without gaps.
    store_id: UUID | None
    scanner: str
    code: str
    symbology: str | None
    at: AwareDatetime


# From the hub.


class Challenge(Part):
    type: Literal["challenge"] = "challenge"
    nonce: str


class Enrolled(Part):
    """Who the agent is from now on, and the key that signs its jobs."""

    type: Literal["enrolled"] = "enrolled"
    device_id: UUID
    hub_key: PublicKey
    store_ids: tuple[UUID, ...]  # Empty: every store.


class Welcome(Part):
    type: Literal["welcome"] = "welcome"
    store_ids: tuple[UUID, ...]
    heartbeat_s: float


class JobsSent(Part):
    type: Literal["jobs"] = "jobs"
    sealed: str


class Acknowledged(Part):
    """The hub has stored these: the agent need not say them again."""

    type: Literal["acknowledged"] = "acknowledged"
    reports: tuple[JobReport, ...] = ()
    scans_up_to: int | None = None


class LinkRefused(Part):
    type: Literal["refused"] = "refused"
    reason: Literal["code_refused", "proof_refused", "revoked", "replaced", "not_understood"]
    detail: str


# From the agent.


class Enrol(Part):
    type: Literal["enrol"] = "enrol"
    code: str
    transport: Transport
    signing_key: PublicKey
    sealing_key: PublicKey
    proof: str


class Hello(Part):
    type: Literal["hello"] = "hello"
    device_id: UUID
    proof: str


class Heartbeat(Part):
    type: Literal["heartbeat"] = "heartbeat"


class Reports(Part):
    type: Literal["reports"] = "reports"
    reports: tuple[JobReport, ...]


class Scans(Part):
    type: Literal["scans"] = "scans"
    scans: tuple[ScanRead, ...]


FromHub = Challenge | Enrolled | Welcome | JobsSent | Acknowledged | LinkRefused
FromAgent = Enrol | Hello | Heartbeat | Reports | Scans
FROM_HUB: TypeAdapter[FromHub] = TypeAdapter(Annotated[FromHub, Field(discriminator="type")])
FROM_AGENT: TypeAdapter[FromAgent] = TypeAdapter(Annotated[FromAgent, Field(discriminator="type")])
