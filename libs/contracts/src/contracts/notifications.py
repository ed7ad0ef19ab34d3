"""Facts of the notifications service: what became of each message. No addresses, no texts."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from contracts import topics
from contracts.message import Fact


class MessageFact(Fact):
    TOPIC: ClassVar[str] = topics.MESSAGES
    KEY: ClassVar[str] = "message_id"

    message_id: UUID
    order_id: UUID
    channel: Literal["email", "account"]
    caused_by: UUID  # The order's fact that the message tells of.
    at: AwareDatetime


class MessageSent(MessageFact):
    TYPE: ClassVar[str] = "message_sent.v1"


class MessageFailed(MessageFact):
    """The mail server refused it for good."""

    TYPE: ClassVar[str] = "message_failed.v1"

    reason: str


FACTS = (MessageSent, MessageFailed)
