"""What a job is made of, for the simulation: its requests, and who follows which message.

Only the messages of the main job, as flow.md has them. Left out: approvals (an order taken in a
store needs none), awaited goods, refunds and whatever people do at a screen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LINES = 3  # Of an order, as in the bench; inventory says the stock of each.
# How dear a thing is, compared with passing one record on. Nothing measured tells them apart.
WRITTEN, RELAYED, CONSUMED = 3, 1, 3

SERVICES = ("orders", "inventory", "billing", "shipping", "notifications", "devices")
POSTGRES, KAFKA, GATEWAY, GENERATOR = "postgres", "kafka", "gateway", "generator"


@dataclass(frozen=True)
class Message:
    """A topic, and what each follower says when it has heard the message."""

    topic: str
    then: Mapping[str, Sequence[str]]


STOCK = ("stock_state",) * LINES
MESSAGES: Mapping[str, Message] = {
    "order_placed": Message(
        "orders.orders", {"billing": (), "shipping": (), "notifications": ("message_sent",)}
    ),
    "order_progressed": Message(
        "orders.orders", {"billing": (), "shipping": (), "notifications": ()}
    ),
    "order_closed": Message(
        "orders.orders", {"billing": (), "shipping": (), "notifications": ("message_sent",)}
    ),
    "hold_goods": Message("inventory.commands", {"inventory": ("holds_decided", *STOCK)}),
    "take_out": Message("inventory.commands", {"inventory": ("goods_taken", *STOCK)}),
    "holds_decided": Message(
        "inventory.holds",
        {"orders": ("order_progressed",), "shipping": (), "notifications": ()},
    ),
    "goods_taken": Message(
        "inventory.holds", {"orders": (), "shipping": ("shipment_posted",), "notifications": ()}
    ),
    "stock_state": Message("inventory.stock", {}),
    "deposit_posted": Message(
        "billing.accounts", {"orders": ("order_progressed", "print_paper"), "shipping": ()}
    ),
    "hand_over_settled": Message("billing.accounts", {"orders": (), "shipping": ()}),
    "payment_posted": Message("billing.accounts", {"orders": ("order_closed",), "shipping": ()}),
    "document_issued": Message("billing.documents", {}),
    "shipment_posting": Message("shipping.shipments", {"orders": (), "billing": ()}),
    "shipment_posted": Message(
        "shipping.shipments", {"orders": ("order_progressed",), "billing": ("hand_over_settled",)}
    ),
    "print_paper": Message("devices.commands", {"devices": ("print_job_changed",) * 2}),
    "print_job_changed": Message("devices.print-jobs", {}),
    "message_sent": Message("notifications.messages", {}),
}


@dataclass(frozen=True)
class Request:
    """A call of a service: what it says, and what it has to have heard before it answers."""

    service: str
    says: Sequence[str]
    until: str | None = None


@dataclass(frozen=True)
class Job:
    """Requests one after another, and the message with which the job is done."""

    requests: Sequence[Request]
    ends: str


TAKEN = ("order_placed", "hold_goods")
ACCEPT = Job((Request("orders", TAKEN),), "holds_decided")
FLOW = Job(
    (
        Request("orders", TAKEN, until="holds_decided"),
        Request("billing", ("deposit_posted",)),
        Request("shipping", ()),
        Request("shipping", ("shipment_posting", "take_out"), until="hand_over_settled"),
        Request("billing", ("document_issued",)),
        Request("billing", ("payment_posted",)),
    ),
    "order_closed",
)


@dataclass(frozen=True)
class Amounts:
    """How much one job brings to each service, however it is gathered."""

    requests: Counter[str]
    relayed: Counter[str]
    consumed: Counter[str]

    def units(self, service: str) -> int:
        """All of a service's work for one job, in records passed on."""
        return (
            WRITTEN * self.requests[service]
            + RELAYED * self.relayed[service]
            + CONSUMED * self.consumed[service]
        )


def amounts(job: Job) -> Amounts:
    """Follow every message of a job to its end."""
    requests: Counter[str] = Counter(request.service for request in job.requests)
    relayed: Counter[str] = Counter()
    consumed: Counter[str] = Counter()
    said = [(request.service, name) for request in job.requests for name in request.says]
    while said:
        speaker, name = said.pop()
        relayed[speaker] += 1
        for follower, answers in MESSAGES[name].then.items():
            consumed[follower] += 1
            said += [(follower, answer) for answer in answers]
    return Amounts(requests, relayed, consumed)
