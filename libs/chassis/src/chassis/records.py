"""A record as it came from Kafka, and as the message it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from aiokafka import ConsumerRecord
from contracts.message import Message, Tombstone
from pydantic import ValidationError
from pydantic_core import from_json

M = TypeVar("M", bound=Message, covariant=True)
# What the tables of every service hold: a key stands in their indexes.
KEY_CHARS_MAX = 255
VERSION_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes and headers, as received."""

    topic: str
    partition: int
    key: str
    payload: bytes | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A record whose headers were understood; its body may still be wrong."""

    record: Record
    event_id: UUID
    type: str
    version: int

    @property
    def key(self) -> str:
        return self.record.key


@dataclass(frozen=True, slots=True)
class Received(Generic[M]):
    """A message that a handler is given, with its aggregate's version and its trace."""

    message: M
    version: int
    event_id: UUID
    trace: str | None
    said_at: datetime | None


class Undecodable(Exception):
    """The bytes or headers are not a message of ours."""


def record_of(raw: ConsumerRecord) -> Record:
    """The record as Kafka has it; what is no text is made visible, what has no value is empty."""
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        key=(raw.key or b"").decode(errors="replace"),
        payload=raw.value,
        headers={name: (value or b"").decode(errors="replace") for name, value in raw.headers},
    )


class Invalid(Exception):
    """The record is ours, but its type is not declared here or its body breaks the contract."""


def open_envelope(record: Record) -> Envelope:
    """Read the headers; Undecodable when they are missing, or when no table could hold them.

    The body is read by who handles it.
    """
    try:
        event_id = UUID(record.headers["ce_id"])
        version = int(record.headers.get("version", "0"))
        type = record.headers["ce_type"]
    except (KeyError, ValueError) as error:
        raise Undecodable(f"{type_of(error)}: {error}") from error
    _check_storable(record, version)
    return Envelope(record, event_id, type, version)


def _check_storable(record: Record, version: int) -> None:
    """Asked before anything is stored: such a record could not even be parked."""
    if "\0" in "".join((record.key, *record.headers, *record.headers.values())):
        raise Undecodable("NUL in the key or in a header")
    if len(record.key) > KEY_CHARS_MAX:
        raise Undecodable(f"a key of {len(record.key)} characters")
    if not 0 <= version <= VERSION_MAX:
        raise Undecodable(f"version {version}")


def storable(text: str) -> str:
    """The text as PostgreSQL takes it, which has no NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def type_of(error: Exception) -> str:
    """The error's name, for people."""
    return type(error).__name__


def read(envelope: Envelope, classes: Mapping[str, type[Message]]) -> Received[Message]:
    """The message; Invalid when its type is not among the classes or its body does not fit.

    Undecodable when its body is not even JSON.
    """
    message_class = classes.get(envelope.type)
    payload = envelope.record.payload
    if message_class is None:
        _check_json(envelope.type, payload or b"null")
        raise Invalid(f"{envelope.type} is not declared by this subscriber")
    if payload is None and not issubclass(message_class, Tombstone):
        raise Invalid(f"{envelope.type} has no body")
    try:
        message: Message
        if issubclass(message_class, Tombstone):
            message = message_class.model_validate({message_class.KEY: envelope.key})
        else:
            message = message_class.model_validate_json(payload or b"")
    except ValidationError as error:
        _check_json(envelope.type, payload or b"null")
        # Where and why, never the values: they may be a customer's.
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors()]
        raise Invalid(f"{envelope.type} has an invalid body ({', '.join(faults)})") from None
    said = envelope.record.headers.get("ce_time")
    return Received(
        message,
        envelope.version,
        envelope.event_id,
        envelope.record.headers.get("traceparent"),
        datetime.fromisoformat(said) if said else None,
    )


def _check_json(type: str, payload: bytes) -> None:
    """Asked when a body did not fit: one that is no JSON at all nobody can mend."""
    try:
        from_json(payload)
    except ValueError as error:
        raise Undecodable(f"{type}: {error}") from None
