"""Every figure of the table computed from the input alone: no answer of the API is looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from demo import figures
from demo.figures import Tally, add
from demo.plan import RESERVE_PIECES, Plan, needed_goods


@dataclass(frozen=True)
class Standing:
    """Both statuses of an order at one moment."""

    main: str
    financial: str


def standings(plan: Plan) -> list[Standing]:
    """Both statuses after each step, the first being those that the order is placed with.

    The demo takes each step only when the order shows the one before it, so two facts never meet
    in one change.
    """
    paid = Decimal(0)
    steps = [Standing("pending_approval" if plan.needs_agreeing else "agreed", _paid(plan, paid))]
    steps.append(Standing("ready", steps[-1].financial))  # Holds decided, and agreed.
    if plan.deposit:
        paid += plan.deposit
        steps.append(Standing("ready", _paid(plan, paid)))
    for number in range(1, len(plan.parts) + 1):
        main = "in_progress" if number < len(plan.parts) else "shipped"
        steps.append(_closing(plan, main, paid))
    if plan.left_after_deposit:
        paid += plan.left_after_deposit
        steps.append(_closing(plan, "shipped", paid))
    return steps


def changes_told(plan: Plan) -> int:
    """How many changes the customer is told of: the placing, and each change of a status."""
    steps = standings(plan)
    return 1 + sum(before != after for before, after in pairwise(steps))


def tally_order(plan: Plan) -> Tally:
    """What one order adds to the table, messages and papers left out."""
    tally: Tally = {}
    final = standings(plan)[-1]
    add(tally, figures.TAKEN)
    add(tally, figures.main_status(final.main))
    add(tally, figures.financial_status(final.financial))
    add(tally, figures.channel(plan.channel))
    add(tally, figures.hold(plan.hold_method))
    add(tally, figures.WORTH, plan.total)
    add(tally, figures.PAID, plan.total)
    add(tally, figures.DUE, Decimal(0))
    pieces = sum(line.quantity for line in plan.basket.lines)
    add(tally, figures.LINES, len(plan.basket.lines))
    add(tally, figures.PIECES, pieces)
    add(tally, figures.PIECES_HANDED_OVER, pieces)
    add(tally, figures.MOVED, pieces if plan.hold_method == "separate" else 0)
    add(tally, figures.SHIPMENTS, len(plan.parts))
    add(tally, figures.DUE_AT_LAST, plan.left_after_deposit)
    _tally_invoice(tally, plan)
    _tally_payments(tally, plan)
    return tally


def tally_told(plan: Plan) -> Tally:
    """The messages and papers of one order."""
    tally: Tally = {}
    changes = changes_told(plan)
    household = plan.household
    add(tally, figures.EMAILS, changes if household.email else 0)
    add(tally, figures.ACCOUNT_MESSAGES, changes)
    add(tally, figures.told_in(household.language), changes)
    if plan.deposit:
        add(tally, figures.papers("deposit_receipt", "printed"))
    return tally


def tally_stock(plans: Sequence[Plan]) -> Tally:
    """What is left when everything ordered is handed over: the reserve, and nothing held."""
    need = needed_goods(plans)
    left = RESERVE_PIECES * sum(len(shelf) for shelf in need.values())
    return {
        figures.stock("on hand"): Decimal(left),
        figures.stock("held"): Decimal(0),
        figures.stock("available"): Decimal(left),
        figures.stock("broken"): Decimal(0),
    }


def tally_meanwhile(plans: Sequence[Plan]) -> Tally:
    """The run's stores take these orders and no others, so a doubled one would show."""
    return {figures.MEANWHILE: Decimal(len(plans))}


def receipts(plans: Sequence[Plan]) -> Mapping[int, Mapping[int, int]]:
    """Per store and product, the pieces that come in before its first order."""
    return {
        store: {product: pieces + RESERVE_PIECES for product, pieces in shelf.items()}
        for store, shelf in needed_goods(plans).items()
    }


def _paid(plan: Plan, paid: Decimal) -> str:
    if paid == plan.total:
        return "paid"
    return "partly_paid" if paid else "unpaid"


def _closing(plan: Plan, main: str, paid: Decimal) -> Standing:
    """Everything handed over and paid: then the order is closed in the same change."""
    done = main == "shipped" and paid == plan.total
    return Standing("closed" if done else main, _paid(plan, paid))


def _tally_invoice(tally: Tally, plan: Plan) -> None:
    """One invoice for what was handed over; an order worth nothing has none."""
    if not plan.total:
        return
    add(tally, figures.documents("invoice", "paid"))
    add(tally, figures.document_money("invoice", "total"), plan.total)
    add(tally, figures.document_money("invoice", "covered by deposits"), plan.deposit)
    add(tally, figures.document_money("invoice", "paid"), plan.left_after_deposit)
    add(tally, figures.document_money("invoice", "left to pay"), Decimal(0))


def _tally_payments(tally: Tally, plan: Plan) -> None:
    for amount, method, naming in (
        (plan.deposit, plan.deposit_method, False),
        (plan.left_after_deposit, plan.final_method, True),
    ):
        if amount:
            add(tally, figures.payments(method))
            add(tally, figures.payment_money(method), amount)
            add(tally, figures.purpose(naming), amount)
