"""Customers' cards and what may be found by them."""

import re
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

NOT_DIGITS = re.compile(r"\D")
PHONE_DIGITS_MIN = 4  # The last four are what customers say at the counter.


class CardNumberTaken(Exception):
    """A card number finds one customer, never two."""

    pointer = "/card_number"


class CustomerExists(Exception):
    """The id belongs to another customer."""

    pointer = "/id"


@dataclass(frozen=True, slots=True)
class Customer:
    """A card; an erased one keeps its id alone, for the orders that name it."""

    id: UUID
    name: str
    phone: str | None
    email: str | None
    language: str
    card_number: str | None
    category: str | None
    version: int = 1
    erased: bool = False


def card_number_taken(customer: Customer) -> CardNumberTaken:
    """The refusal of a card number that another customer has."""
    return CardNumberTaken(
        f"Card {customer.card_number} belongs to another customer: look that one up instead."
    )


def changed(customer: Customer, changes: dict[str, Any]) -> Customer:
    """The card with the changes; a new version only when something differs."""
    new = replace(customer, **changes)
    return customer if new == customer else replace(new, version=customer.version + 1)


def erased(customer: Customer) -> Customer:
    """The card with everything forgotten that says who it was."""
    return Customer(
        customer.id, "", None, None, "en", None, None, customer.version + 1, erased=True
    )


def digits(phone: str | None) -> str | None:
    """A telephone's digits; None when there are none."""
    return NOT_DIGITS.sub("", phone or "") or None


def last_digits(q: str) -> str | None:
    """The digits to look for at the end of telephones, when the query looks like a telephone."""
    found = digits(q)
    looks_like_phone = re.fullmatch(r"[\d\s()+./-]+", q) is not None
    return found if looks_like_phone and found and len(found) >= PHONE_DIGITS_MIN else None
