"""The rules of accounts and sessions, without any input or output."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from identity import domain
from identity.addresses import visitor_address
from identity.domain import Account, Failures, Session, SessionEnded

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=14)
CARD = UUID(int=3)


def session(generation: int = 5, **other: object) -> Session:
    values = {
        "id": UUID(int=1),
        "account_id": UUID(int=2),
        "generation": generation,
        "began_at": NOW - timedelta(hours=1),
        "rotated_at": NOW - timedelta(seconds=5),
        "expires_at": NOW + timedelta(days=1),
        "ended_at": None,
    }
    return Session(**{**values, **other})  # type: ignore[arg-type]


def account(role: str = "cashier", **other: object) -> Account:
    values = {
        "id": UUID(int=2),
        "username": "anna",
        "password_hash": "hash",
        "role": role,
        "store_ids": None,
        "customer_id": None,
        "language": "en",
        "active": True,
        "version": 1,
        "created_at": NOW,
    }
    return Account(**{**values, **other})  # type: ignore[arg-type]


def test_the_newest_token_moves_the_session_on() -> None:
    """Using the newest refresh token makes the next one the newest."""
    moved = domain.rotated(session(5), 5, NOW, LATER)
    assert (moved.generation, moved.rotated_at, moved.expires_at) == (6, NOW, LATER)


def test_a_lost_answer_is_given_again() -> None:
    """The token before the newest is good for ten more seconds, and changes nothing."""
    before = session(5, rotated_at=NOW - timedelta(seconds=10))
    assert domain.rotated(before, 4, NOW, LATER) == before


@pytest.mark.parametrize(
    ("generation", "other"),
    [
        (4, {"rotated_at": NOW - timedelta(seconds=11)}),
        (3, {}),
        (6, {}),
        (5, {"ended_at": NOW - timedelta(seconds=1)}),
        (5, {"expires_at": NOW}),
    ],
)
def test_any_other_token_opens_nothing(generation: int, other: dict[str, object]) -> None:
    """Old, unheard of, ended and expired: each is refused."""
    with pytest.raises(SessionEnded):
        domain.rotated(session(5, **other), generation, NOW, LATER)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        (account("customer"), domain.CardDoesNotFitRole),
        (account("manager", customer_id=CARD), domain.CardDoesNotFitRole),
        (account("owner", store_ids=(UUID(int=9),)), domain.ScopeDoesNotFitRole),
        (account("cashier", store_ids=()), domain.ScopeDoesNotFitRole),
    ],
)
def test_card_and_stores_fit_the_role(wrong: Account, refusal: type[Exception]) -> None:
    """A customer has a card and nobody else does; an owner is bound to no store."""
    with pytest.raises(refusal):
        domain.check_account(wrong)


def test_a_new_password_signs_out_and_a_new_language_does_not() -> None:
    """Whoever held a session under the old password loses it."""
    before = account()
    assert domain.ends_sessions(before, domain.changed(before, password_hash="new"))
    assert domain.ends_sessions(before, domain.changed(before, active=False))
    assert not domain.ends_sessions(before, domain.changed(before, language="fi"))


def test_failures_count_for_the_window_only() -> None:
    """Five failures refuse the sixth attempt until the window is over."""
    limits = domain.buckets("anna", "192.0.2.7", 5, 100, ())
    window = timedelta(minutes=15)
    counted = [Failures(limits[0].digest, 5, NOW - timedelta(minutes=5))]
    with pytest.raises(domain.TooManyFailures) as refused:
        domain.check_failures(counted, limits, window, NOW)
    assert refused.value.wait_s == 600
    domain.check_failures(counted, limits, window, NOW + timedelta(minutes=10))


def test_one_address_and_one_user_are_counted_apart_too() -> None:
    """Guessing over many users, or from many addresses, is counted; this machine's own is not."""
    assert len(domain.buckets("anna", "192.0.2.7", 5, 100, ("127.0.0.1",))) == 3
    assert len(domain.buckets("anna", "127.0.0.1", 5, 100, ("127.0.0.1",))) == 2


def test_a_username_is_the_same_however_it_is_typed() -> None:
    """Case, spaces around and look-alike forms make no second user."""
    assert domain.name_of(" Änna@Demo.Example ") == domain.name_of("änna@demo.example")


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("172.18.0.3", "203.0.113.9, 172.18.0.9", "203.0.113.9"),
        ("172.18.0.3", "::ffff:10.1.1.4", "10.1.1.4"),
        ("fd00::3", "2001:db8::9", "2001:db8::9"),
        ("172.18.0.3", "", "172.18.0.3"),
        ("172.18.0.3", "me, 203.0.113.9", "172.18.0.3"),
        ("8.8.8.8", "203.0.113.9", "8.8.8.8"),
        (None, "203.0.113.9", "unknown"),
    ],
)
def test_a_visitors_address_is_believed_from_near_only(
    peer: str | None, forwarded: str, address: str
) -> None:
    """What the gateway says counts; what a stranger says of themselves does not."""
    assert visitor_address(peer, forwarded) == address
