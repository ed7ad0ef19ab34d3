"""What a paper says: every word and figure as text in the customer's language, ready to set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from contracts.money import ZERO, minor_digits, round_half_up

from billing.documents.domain import Document
from billing.documents.store import PaperCopy
from billing.documents.words import LANGUAGES, words_of

TITLES = {"proforma": "Proforma invoice", "invoice": "Invoice"}
UNITS = {"piece": "pcs", "kg": "kg", "m": "m"}
UNIT_PRICE_PATTERN = "#,##0.00##"
QUANTITY_PATTERN = "#,##0.###"
PERCENT_PATTERN = "#,##0.##"


@dataclass(frozen=True, slots=True)
class Tongue:
    """How one language writes words, money, numbers and dates."""

    language: str
    currency: str
    zone: tzinfo

    @property
    def locale(self) -> str:
        """English papers write dates and numbers as Britain does."""
        return "en_GB" if self.language == "en" else self.language

    def word(self, text: str) -> str:
        return words_of(self.language).get(text) or text

    def money(self, amount: Decimal) -> str:
        return str(format_currency(amount, self.currency, locale=self.locale))

    def amount(self, amount: Decimal) -> str:
        """Money without its currency, for columns."""
        digits = minor_digits(self.currency)
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        return str(format_decimal(amount, pattern, locale=self.locale))

    def number(self, value: Decimal, pattern: str) -> str:
        return str(format_decimal(value, pattern, locale=self.locale))

    def percent(self, rate: Decimal) -> str:
        space = "" if self.language == "en" else "\u00a0"
        return f"{self.number(rate, PERCENT_PATTERN)}{space}%"

    def day(self, at: datetime | date) -> str:
        """The day, written out; of a moment the one that it falls on in the chain's zone."""
        day = at.astimezone(self.zone) if isinstance(at, datetime) else at
        return str(format_date(day, "long", locale=self.locale))


def tongue_of(language: str | None, otherwise: str, currency: str, zone: tzinfo) -> Tongue:
    """The customer's language where papers know it, regional variants included."""
    for one in (language, otherwise):
        short = (one or "").replace("_", "-").split("-")[0].lower()
        if short in LANGUAGES:
            return Tongue(short, currency, zone)
    return Tongue("en", currency, zone)


def paper_of(found: PaperCopy, otherwise: str, zone: tzinfo) -> dict[str, Any]:
    """The paper's data for the template; `otherwise` is the language of unknown customers."""
    one = found.document
    tongue = tongue_of(found.language, otherwise, one.currency, zone)
    word = tongue.word
    return {
        "language": tongue.language,
        "title": word(TITLES[one.kind]),
        "number": one.number,
        "seller_label": word("Seller"),
        "seller": found.store_name,
        "seller_code": f"{word('Store')} {found.store_code}",
        "customer_label": word("Customer"),
        "customer": found.customer_name or word("Customer at the counter"),
        "facts": _facts(found, tongue),
        "columns": [
            word("Item"),
            word("Quantity"),
            word("Price"),
            word("Tax"),
            f"{word('Amount')}, {one.currency}",
        ],
        "lines": [_line(line, tongue) for line in found.lines],
        "sums": _sums(found, tongue),
        "due_label": word("Left to pay"),
        "due": tongue.money(one.due),
        "state": word(_state(one)),
        "settled": one.state == "paid",
        "void": one.state == "cancelled",
        "notes": _notes(one, tongue),
        "page": word("Page {page} of {pages}"),
    }


def _state(one: Document) -> str:
    return {
        "open": "Not paid yet",
        "partly_paid": "Partly paid",
        "paid": "Paid",
        "cancelled": "Cancelled",
    }[one.state]


def _facts(found: PaperCopy, tongue: Tongue) -> list[list[str]]:
    """What stands beside the number: dates and the order."""
    facts = [
        [tongue.word("Date"), tongue.day(found.document.issued_at)],
        [tongue.word("Order"), found.order_number],
        [tongue.word("Ordered on"), tongue.day(found.placed_at)],
    ]
    if found.due_on is not None:
        facts.append([tongue.word("Payment due"), tongue.day(date.fromisoformat(found.due_on))])
    return facts


def _line(line: Mapping[str, Any], tongue: Tongue) -> dict[str, str]:
    unit = tongue.word(UNITS.get(line["unit"], line["unit"]))
    return {
        "position": str(line["position"]),
        "description": line["description"],
        "sku": line["sku"],
        "quantity": f"{tongue.number(Decimal(line['quantity']), QUANTITY_PATTERN)}\u00a0{unit}",
        "price": tongue.number(Decimal(line["unit_price"]), UNIT_PRICE_PATTERN),
        "tax": tongue.percent(Decimal(line["tax_rate"])),
        "amount": tongue.amount(Decimal(line["amount"])),
    }


def _sums(found: PaperCopy, tongue: Tongue) -> list[dict[str, Any]]:
    """The figures below the lines, down to what is left to pay."""
    one, money = found.document, tongue.money
    ordered = sum((Decimal(line["amount"]) for line in found.lines), ZERO)
    rows: list[dict[str, Any]] = []
    if ordered != one.total:
        rows.append(_row(tongue.word("Total of the order"), money(ordered)))
        rows.append(_row(tongue.word("Of it on this document"), money(one.total), strong=True))
    else:
        rows.append(_row(tongue.word("Total"), money(one.total), strong=True))
    for rate, tax in tax_shares(found.lines, one.total, one.currency):
        label = tongue.word("Of which tax {rate}").replace("{rate}", tongue.percent(rate))
        rows.append(_row(label, money(tax), small=True))
    if one.credited > 0:
        rows.append(_row(tongue.word("Taken back from the order"), money(-one.credited)))
    if one.kind == "invoice" and one.advances > 0:
        rows.append(_row(tongue.word("Paid in advance"), money(-one.advances)))
    if one.paid > 0:
        rows.append(_row(tongue.word("Paid on this document"), money(-one.paid)))
    return rows


def _row(label: str, value: str, strong: bool = False, small: bool = False) -> dict[str, Any]:
    return {"label": label, "value": value, "strong": strong, "small": small}


def tax_shares(
    lines: Sequence[Mapping[str, Any]], total: Decimal, currency: str
) -> list[tuple[Decimal, Decimal]]:
    """The tax inside the document's total, per rate; prices include it.

    A document of a part of the order has that part of each rate's lines.
    """
    by_rate: dict[Decimal, Decimal] = {}
    for line in lines:
        rate = Decimal(line["tax_rate"])
        by_rate[rate] = by_rate.get(rate, ZERO) + Decimal(line["amount"])
    ordered = sum(by_rate.values(), ZERO)
    if ordered == 0:
        return []
    share: Callable[[Decimal], Decimal] = lambda amount: amount * total / ordered  # noqa: E731
    return [
        (rate, round_half_up(share(amount) * rate / (100 + rate), currency))
        for rate, amount in sorted(by_rate.items(), reverse=True)
        if rate > 0
    ]


def _notes(one: Document, tongue: Tongue) -> list[str]:
    notes = [tongue.word("Prices include tax.")]
    if one.kind == "proforma":
        notes.append(tongue.word("This is a request for payment and not a tax invoice."))
    return notes
