"""Print jobs, devices and their enrolment: the rules. Pure, no I/O."""

import hashlib
import hmac
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

CODE_LIFETIME = timedelta(minutes=15)
CODE_BYTES = 10
CODE_GROUP = 4
COPIES_MAX = 20
ENDED = "its time was over before an agent could print it"
UNHEARD = "its agent never said how it ended"
REVOKED = "its agent was revoked while it was printing"
TOO_LONG = "the paper is too long to be sent to an agent: print the order's document instead"


class JobState(StrEnum):
    QUEUED = "queued"
    PRINTING = "printing"
    PRINTED = "printed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class DevicesError(Exception):
    """A rule of the devices said no."""


class UnknownStore(DevicesError):
    def __init__(self, store_id: UUID, position: int) -> None:
        super().__init__("No such store: check the id, or leave the list empty for every store.")
        self.reference = store_id
        self.pointer = f"/store_ids/{position}"


class UnknownPaper(DevicesError):
    def __init__(self, reference: UUID, field: str) -> None:
        super().__init__("No paper was asked for with this id: check it, or take a payment first.")
        self.reference = reference
        self.pointer = f"/{field}"


class StillPrinting(DevicesError):
    def __init__(self) -> None:
        super().__init__(
            "This paper is still on its way to the printer: wait until it is printed or failed."
        )


class TooManyCopies(DevicesError):
    def __init__(self) -> None:
        super().__init__(f"A paper has at most {COPIES_MAX} copies: copy one of those you have.")


class CodeRefused(DevicesError):
    def __init__(self) -> None:
        super().__init__("The enrolment code is unknown, used or too old: ask for a new one.")


class ProofRefused(DevicesError):
    def __init__(self) -> None:
        super().__init__("The agent did not prove that the key is its own.")


class DeviceRevoked(DevicesError):
    def __init__(self) -> None:
        super().__init__("A manager revoked this device: enrol it anew if that was a mistake.")


@dataclass(frozen=True, slots=True)
class PrintJob:
    """A paper and its copies. `copies` counts the papers asked for: the first, and each reprint.

    `asked_at` is when the first was asked for. It orders an order's papers, so no copy changes it.
    """

    id: UUID
    order_id: UUID
    store_id: UUID
    state: JobState
    reason: str | None
    copies: int
    device_id: UUID | None
    asked_at: datetime
    expires_at: datetime
    at: datetime
    version: int

    def _changed(self, now: datetime, **changes: object) -> "PrintJob":
        return replace(self, at=now, version=self.version + 1, **changes)  # type: ignore[arg-type]

    def handed_to(self, device_id: UUID, now: datetime) -> "PrintJob":
        """From now on the paper may exist: only this agent may say how it ended."""
        assert self.state is JobState.QUEUED
        assert now < self.expires_at
        return self._changed(now, state=JobState.PRINTING, device_id=device_id, reason=None)

    def reported(
        self,
        device_id: UUID,
        copy_number: int,
        state: JobState,
        reason: str | None,
        now: datetime,
    ) -> "PrintJob | None":
        """How the agent says it ended; None when that is no news or not this agent's to say.

        A late word of the agent resolves `unknown`: it knows what nobody else could.
        """
        assert state in (JobState.PRINTED, JobState.FAILED, JobState.UNKNOWN)
        if device_id != self.device_id or copy_number != self.copies:
            return None
        if self.state is JobState.PRINTING or (
            self.state is JobState.UNKNOWN and state is not JobState.UNKNOWN
        ):
            return self._changed(now, state=state, reason=reason)
        return None

    def reprinted(self, now: datetime, lifetime: timedelta) -> "PrintJob":
        """One more paper, marked as a copy, because a person asked for it."""
        if self.state in (JobState.QUEUED, JobState.PRINTING):
            raise StillPrinting
        if self.copies >= COPIES_MAX:
            raise TooManyCopies
        return self._changed(
            now,
            state=JobState.QUEUED,
            reason=None,
            copies=self.copies + 1,
            device_id=None,
            expires_at=now + lifetime,
        )

    def ended(self, now: datetime) -> "PrintJob":
        """Nobody printed it in time, and nobody will."""
        assert self.state is JobState.QUEUED
        assert now >= self.expires_at
        return self._changed(now, state=JobState.FAILED, reason=ENDED)

    def too_long(self, now: datetime) -> "PrintJob":
        """No way to an agent is wide enough for it; nothing was sent, so nothing was printed."""
        assert self.state is JobState.QUEUED
        return self._changed(now, state=JobState.FAILED, reason=TOO_LONG)

    def in_doubt(self, reason: str, now: datetime) -> "PrintJob":
        """Its agent will not say how it ended: never printed again silently."""
        assert self.state is JobState.PRINTING
        return self._changed(now, state=JobState.UNKNOWN, reason=reason)


def normal_code(typed: str) -> str:
    """The code as it is hashed: without the dashes and spaces that help people."""
    return "".join(letter for letter in typed.upper() if letter.isalnum())


def code_hash(code: str) -> bytes:
    """What is stored of a code; the code itself has 80 random bits, so a plain hash will do."""
    return hashlib.sha256(normal_code(code).encode()).digest()


def make_code(secret: bytes, caller: str, key: str) -> str:
    """The code of this request: the same request gets the same code without its being stored."""
    seed = hmac.new(secret, f"{caller}\x1f{key}".encode(), hashlib.sha256).digest()
    letters = b32encode(seed[:CODE_BYTES]).decode()
    return "-".join(letters[at : at + CODE_GROUP] for at in range(0, len(letters), CODE_GROUP))


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    id: UUID
    name: str
    store_ids: tuple[UUID, ...]
    expires_at: datetime
    used_at: datetime | None

    def use(self, now: datetime) -> None:
        """A code is good once, until its end."""
        if self.used_at is not None or now >= self.expires_at:
            raise CodeRefused


@dataclass(frozen=True, slots=True)
class Device:
    """An agent in a store. `store_ids` empty means that it serves every store."""

    id: UUID
    name: str
    store_ids: tuple[UUID, ...]
    transport: str
    signing_key: dict[str, str]
    sealing_key: dict[str, str]
    enrolled_at: datetime
    revoked_at: datetime | None
    link_id: UUID | None
    seen_at: datetime | None
    last_scan: int
    version: int

    def refuse_if_revoked(self) -> None:
        if self.revoked_at is not None:
            raise DeviceRevoked

    def is_silent(self, since: datetime) -> bool:
        """Whether nothing was heard of it since then, so that its papers are in doubt.

        On Kafka an agent gives no sign of life between its papers: of such a one nobody can say.
        """
        return self.transport == "websocket" and self.seen_at is not None and self.seen_at <= since

    def scan_store(self, claimed: UUID | None) -> UUID | None:
        """The store of a scan: what the agent says if it serves that store, else its only one."""
        if claimed is not None and (not self.store_ids or claimed in self.store_ids):
            return claimed
        return self.store_ids[0] if len(self.store_ids) == 1 else None


def in_scope(store_ids: Sequence[UUID], scope: frozenset[UUID] | None) -> bool:
    """Whether a caller with this scope may see or change a device of these stores."""
    return scope is None or (bool(store_ids) and scope.issuperset(store_ids))
