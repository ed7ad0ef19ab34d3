"""Accounts, sessions and failed sign-ins: pure rules."""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

ROLES = ("owner", "manager", "cashier", "customer", "device")
LANGUAGES = ("en", "ru", "bg", "fi", "kk")
DEMO_DOMAIN = "demo.example"
DEMO_ROLES = ("owner", "manager", "cashier", "customer")
PASSWORD_LENGTH_MIN = 10
RETRY_WINDOW = timedelta(seconds=10)


class WrongCredentials(Exception):
    """Says the same for an unknown user, a wrong password and a switched-off account."""

    def __init__(self) -> None:
        super().__init__("The username or the password is wrong: check both and try again.")


class TooManyFailures(Exception):
    """Too many wrong passwords: everyone who tries has to wait."""

    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        super().__init__(f"Too many failed sign-ins: try again in {wait_s} seconds.")


class SessionEnded(Exception):
    """The refresh token opens nothing any more."""

    def __init__(self) -> None:
        super().__init__("The session has ended: sign in again with POST /tokens.")


class UsernameTaken(Exception):
    pointer = "/username"

    def __init__(self) -> None:
        super().__init__("An account has this username already: choose another one.")


class AccountExists(Exception):
    pointer = "/id"

    def __init__(self) -> None:
        super().__init__("Another account has this id: leave it out or send a new one.")


class PasswordTooShort(Exception):
    def __init__(self, pointer: str) -> None:
        self.pointer = pointer
        super().__init__(f"A password has at least {PASSWORD_LENGTH_MIN} characters.")


class CurrentPasswordWrong(Exception):
    pointer = "/current_password"

    def __init__(self) -> None:
        super().__init__("This is not the account's password: type the current one.")


class CardDoesNotFitRole(Exception):
    pointer = "/customer_id"


class ScopeDoesNotFitRole(Exception):
    pointer = "/store_ids"


class UnknownStore(Exception):
    def __init__(self, store_id: UUID, position: int) -> None:
        self.reference, self.pointer = store_id, f"/store_ids/{position}"
        super().__init__(f"There is no store {store_id}: check the id.")


class UnknownCustomer(Exception):
    pointer = "/customer_id"

    def __init__(self, customer_id: UUID) -> None:
        self.reference = customer_id
        super().__init__(f"There is no customer card {customer_id}: check the id.")


class LastOwner(Exception):
    def __init__(self) -> None:
        super().__init__("This is the last owner: make another account an owner first.")


class DemoAccountsExposed(Exception):
    """The demo's known passwords must not be reachable from outside."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody, or a device, that may sign in. `store_ids` None means every store."""

    id: UUID
    username: str
    password_hash: str
    role: str
    store_ids: tuple[UUID, ...] | None
    customer_id: UUID | None
    language: str
    active: bool
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in and all refresh tokens that follow from it: its generation names the newest."""

    id: UUID
    account_id: UUID
    generation: int
    began_at: datetime
    rotated_at: datetime
    expires_at: datetime
    ended_at: datetime | None


def name_of(typed: str) -> str:
    """The username as it is kept: letters that look alike to people are the same."""
    return unicodedata.normalize("NFKC", typed).strip().casefold()


def demo_usernames() -> list[str]:
    return [f"{role}@{DEMO_DOMAIN}" for role in DEMO_ROLES]


def check_password(password: str, pointer: str = "/password") -> None:
    """Refuse one that is too short to last."""
    if len(password) < PASSWORD_LENGTH_MIN:
        raise PasswordTooShort(pointer)


def check_account(account: Account) -> None:
    """Refuse a card or a store scope that the role cannot have."""
    assert account.role in ROLES
    if account.role == "customer" and account.customer_id is None:
        raise CardDoesNotFitRole("A customer's login needs the card that it is for: add it.")
    if account.role != "customer" and account.customer_id is not None:
        raise CardDoesNotFitRole("Only a customer's login has a card: leave it out.")
    if account.role in ("owner", "customer") and account.store_ids is not None:
        raise ScopeDoesNotFitRole(f"The role {account.role} is not bound to stores: send null.")
    if account.store_ids is not None and not account.store_ids:
        raise ScopeDoesNotFitRole("Name at least one store, or send null for all.")


def changed(account: Account, **changes: object) -> Account:
    """The account after the change, one version on."""
    after = replace(account, **changes, version=account.version + 1)  # type: ignore[arg-type]
    check_account(after)
    return after


def gives_up_ownership(before: Account, after: Account) -> bool:
    """Whether the chain has an owner less."""
    was = before.role == "owner" and before.active
    return was and not (after.role == "owner" and after.active)


def ends_sessions(before: Account, after: Account) -> bool:
    """A new password, another role or switching off: whoever is signed in has to do it anew."""
    return (
        not after.active
        or before.password_hash != after.password_hash
        or before.role != after.role
        or before.customer_id != after.customer_id
    )


def rotated(session: Session, generation: int, now: datetime, expires_at: datetime) -> Session:
    """The session after its token of this generation was used; raises SessionEnded.

    The newest token moves the session on. The one before it, within ten seconds, is a client that
    did not hear the answer: it gets the same answer again. Any other was copied by somebody.
    """
    if session.ended_at is not None or session.expires_at <= now:
        raise SessionEnded
    if generation == session.generation:
        return replace(session, generation=generation + 1, rotated_at=now, expires_at=expires_at)
    if generation == session.generation - 1 and now - session.rotated_at <= RETRY_WINDOW:
        return session
    raise SessionEnded


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where failures are counted, and how many are too many. The name is a digest."""

    digest: bytes
    failures_max: int


def buckets(
    username: str, address: str, narrow_max: int, wide_max: int, loopback: Iterable[str]
) -> list[Bucket]:
    """The counters of one attempt: this user from this address, this user, this address.

    Everyone at the machine itself comes from the same loopback address, so it is not counted alone.
    """
    chosen = [
        Bucket(_digest("both", username, address), narrow_max),
        Bucket(_digest("username", username), wide_max),
    ]
    if address not in loopback:
        chosen.append(Bucket(_digest("address", address), wide_max))
    return chosen


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Failures:
    digest: bytes
    failures: int
    began_at: datetime


def check_failures(
    counted: Sequence[Failures], limits: Sequence[Bucket], window: timedelta, now: datetime
) -> None:
    """Refuse while one of the counters is full."""
    limit = {bucket.digest: bucket.failures_max for bucket in limits}
    waits = [row.began_at + window - now for row in counted if row.failures >= limit[row.digest]]
    longest = max(waits, default=timedelta(0))
    if longest > timedelta(0):
        raise TooManyFailures(max(1, round(longest.total_seconds())))
