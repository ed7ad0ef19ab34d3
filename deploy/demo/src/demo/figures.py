"""The figures of the table: named, added up order by order, compared."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from demo.money import CURRENCY


class Figure(NamedTuple):
    """A row of the table; `unit` is empty for counts and the currency for money."""

    section: str
    name: str
    unit: str = ""


Tally = dict[Figure, Decimal]

SECTIONS = (
    "Orders",
    "Orders by main status",
    "Orders by financial status",
    "Orders by channel",
    "Orders by hold method",
    "Lines",
    "Hand-overs",
    "Money by document",
    "Money by payment method",
    "Money by what it is for",
    "Stock",
    "Told",
    "Papers",
)

TAKEN = Figure("Orders", "made from baskets")
MEANWHILE = Figure("Orders", "taken in these stores meanwhile")
WORTH = Figure("Orders", "worth", CURRENCY)
PAID = Figure("Orders", "paid", CURRENCY)
DUE = Figure("Orders", "left to pay", CURRENCY)
LINES = Figure("Lines", "lines")
PIECES = Figure("Lines", "pieces ordered")
PIECES_HANDED_OVER = Figure("Lines", "pieces handed over")
SHIPMENTS = Figure("Hand-overs", "posted")
DUE_AT_LAST = Figure("Hand-overs", "due after the last of each order", CURRENCY)
MOVED = Figure("Stock", "pieces moved to temporary storage")
EMAILS = Figure("Told", "e-mails sent")
CAUGHT = Figure("Told", "e-mails in the mail catcher")
UNKNOWN_PAPERS = Figure("Papers", "of these, outcome unknown")  # Shown, not compared.
ACCOUNT_MESSAGES = Figure("Told", "account messages")


def main_status(status: str) -> Figure:
    """How many orders have this main status."""
    return Figure("Orders by main status", status)


def financial_status(status: str) -> Figure:
    """How many orders have this financial status."""
    return Figure("Orders by financial status", status)


def channel(name: str) -> Figure:
    """How many orders came this way."""
    return Figure("Orders by channel", name)


def hold(method: str) -> Figure:
    """How many orders had their goods held this way."""
    return Figure("Orders by hold method", method)


def documents(kind: str, state: str) -> Figure:
    """How many documents of a kind are in a state."""
    return Figure("Money by document", f"{kind}s {state}")


def document_money(kind: str, what: str) -> Figure:
    """Money of all documents of a kind: total, advances, paid or due."""
    return Figure("Money by document", f"{kind}s, {what}", CURRENCY)


def payments(method: str) -> Figure:
    """How many payments were made this way."""
    return Figure("Money by payment method", f"{method} payments")


def payment_money(method: str) -> Figure:
    """What the payments made this way are worth."""
    return Figure("Money by payment method", method, CURRENCY)


def purpose(naming_a_document: bool) -> Figure:
    """Money that names a document, or that counts for the order only."""
    name = "naming an invoice" if naming_a_document else "deposits, naming no document"
    return Figure("Money by what it is for", name, CURRENCY)


def stock(what: str) -> Figure:
    """Pieces over all of the run's warehouses: on hand, held, available, broken."""
    return Figure("Stock", f"pieces {what}")


def told_in(language: str) -> Figure:
    """Account messages in a language."""
    return Figure("Told", f"account messages in {language}")


def papers(kind: str, state: str) -> Figure:
    """Papers of a kind by how their printing ended.

    A printer's agent that is killed between paper and journal leaves an outcome unknown: the job
    went to the printer once and is not repeated, so it counts as handed to it.
    """
    ended = "handed to a printer" if state in ("printed", "unknown") else state
    return Figure("Papers", f"{kind} {ended}")


def add(tally: Tally, figure: Figure, amount: Decimal | int = 1) -> None:
    """Count something into a tally."""
    tally[figure] = tally.get(figure, Decimal(0)) + amount


def total_of(tallies: Iterable[Tally]) -> Tally:
    """All tallies as one."""
    whole: Tally = {}
    for tally in tallies:
        for figure, amount in tally.items():
            add(whole, figure, amount)
    return whole


@dataclass(frozen=True)
class Compared:
    """One figure, computed twice."""

    figure: Figure
    from_input: Decimal
    through_api: Decimal

    @property
    def agrees(self) -> bool:
        """Whether both ways give the same."""
        return self.from_input == self.through_api


def compare(from_input: Tally, through_api: Tally) -> list[Compared]:
    """Every figure of either side, a missing one being 0, in the order of the sections."""
    names = sorted(
        {*from_input, *through_api} - {UNKNOWN_PAPERS},
        key=lambda figure: (SECTIONS.index(figure.section), bool(figure.unit), figure.name),
    )
    return [
        Compared(name, from_input.get(name, Decimal(0)), through_api.get(name, Decimal(0)))
        for name in names
    ]


def differences(from_input: Tally, through_api: Tally) -> list[Compared]:
    """Only the figures that do not agree."""
    return [row for row in compare(from_input, through_api) if not row.agrees]
