"""What an order's page shows: how far goods and money are, what can be done next, why not."""

from dataclasses import dataclass
from decimal import Decimal

from contracts.identity import Right

from web.jsons import Json
from web.language import decimal_of
from web.visitor import Visitor
from web.words import N_

ZERO = Decimal(0)
OPEN_STATES = ("agreed", "in_progress", "ready")


@dataclass(frozen=True, slots=True)
class Goods:
    """Quantities of the whole order, in its lines' own units taken together."""

    ordered: Decimal
    held: Decimal
    awaiting: Decimal
    handed_over: Decimal


@dataclass(frozen=True, slots=True)
class Money:
    total: Decimal
    paid: Decimal
    due: Decimal
    handed_over_worth: Decimal

    @property
    def overpaid(self) -> Decimal:
        return max(-self.due, ZERO)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that can be done with the order; `reason` says why it cannot be done now."""

    code: str
    reason: str | None

    @property
    def possible(self) -> bool:
        return self.reason is None


def amount(value: object) -> Decimal:
    """A figure of the API; what is absent counts as nothing."""
    return decimal_of(value) or ZERO


def goods_of(order: Json) -> Goods:
    """How far the goods are."""
    lines = order["lines"]
    return Goods(
        ordered=sum((amount(line["quantity"]) for line in lines), ZERO),
        held=sum((amount(line["held"]) for line in lines), ZERO),
        awaiting=sum((amount(line["awaiting"]) for line in lines), ZERO),
        handed_over=sum((amount(line["shipped"]) for line in lines), ZERO),
    )


def money_of(order: Json) -> Money:
    """How far the money is."""
    return Money(
        total=amount(order["total"]),
        paid=amount(order["paid"]),
        due=amount(order["due"]),
        handed_over_worth=amount((order.get("settlement") or {}).get("shipped_amount")),
    )


def left_of(line: Json) -> Decimal:
    """What of the line is not handed over yet."""
    return max(amount(line["quantity"]) - amount(line["shipped"]), ZERO)


def is_marked(order: Json) -> bool:
    """Whether the order is marked for removal."""
    return bool(order.get("marked"))


def steps_of(order: Json, documents: list[Json] | None, visitor: Visitor) -> dict[str, Step]:
    """Every step by its code, with the reason when it is impossible now."""
    found = {
        "agree": _may(visitor, Right.ORDERS_TAKE) or _agree(order),
        "hand_over": _may(visitor, Right.SHIPMENTS_WRITE) or _hand_over(order),
        "pay": _may(visitor, Right.MONEY_TAKE) or _pay(order),
        "invoice": _may(visitor, Right.MONEY_TAKE) or _invoice(order, documents),
        "refund": _may(visitor, Right.MONEY_RETURN) or _refund(order),
        "cancel": _may(visitor, Right.ORDERS_TAKE) or _cancel(order),
        "close": _may(visitor, Right.ORDERS_MANAGE) or _close(order),
        "mark": _may(visitor, Right.ORDERS_MANAGE) or _mark(order),
        "change": _may(visitor, Right.ORDERS_TAKE) or _change(order),
    }
    return {code: Step(code, reason) for code, reason in found.items()}


def first_step(steps: dict[str, Step], order: Json) -> str:
    """The step that most likely comes next, shown first and filled."""
    ready = order["status"] == "ready"
    wishes = ("agree", "hand_over" if ready else "pay", "pay", "hand_over", "invoice")
    return next((code for code in wishes if steps[code].possible), "")


def _may(visitor: Visitor, right: Right) -> str | None:
    return None if right in visitor.rights else N_("Your role does not allow this; ask a manager.")


def _gone(order: Json) -> str | None:
    if is_marked(order):
        return N_("The order is marked for removal; restore it first.")
    if order["status"] == "cancelled":
        return N_("The order is cancelled.")
    return None


def _agree(order: Json) -> str | None:
    if reason := _gone(order):
        return reason
    if order["status"] not in ("draft", "pending_approval"):
        return N_("The order is agreed already.")
    return None


def _hand_over(order: Json) -> str | None:
    if reason := _gone(order):
        return reason
    if order["status"] in ("draft", "pending_approval"):
        return N_("Agree the order first.")
    if all(left_of(line) == 0 for line in order["lines"]):
        return N_("Everything is handed over.")
    if order["status"] == "closed":
        return N_("The order is closed.")
    return None


def _pay(order: Json) -> str | None:
    if reason := _gone(order):
        return reason
    if amount(order["due"]) <= 0:
        return N_("Nothing is left to pay.")
    return None


def _invoice(order: Json, documents: list[Json] | None) -> str | None:
    if reason := _gone(order):
        return reason
    if documents is None:
        return N_("The documents cannot be read at the moment; try again soon.")
    if any(one["kind"] == "invoice" and one["state"] != "cancelled" for one in documents):
        return N_("The order has its invoice already.")
    return None


def _refund(order: Json) -> str | None:
    if amount(order["paid"]) <= 0:
        return N_("Nothing is paid, so there is nothing to give back.")
    return None


def _cancel(order: Json) -> str | None:
    if reason := _gone(order):
        return reason
    if order["status"] == "closed":
        return N_("The order is closed.")
    if any(amount(line["shipped"]) > 0 for line in order["lines"]):
        return N_("Goods are handed over already; close the order instead.")
    return None


def _close(order: Json) -> str | None:
    if reason := _gone(order):
        return reason
    if order["status"] == "closed":
        return N_("The order is closed already.")
    return None


def _mark(order: Json) -> str | None:
    if is_marked(order):
        return N_("The order is marked already.")
    if any(amount(line["shipped"]) > 0 for line in order["lines"]):
        return N_("Goods are handed over, so the order must stay.")
    if amount(order["paid"]) > 0:
        return N_("Money is kept for this order; give it back first.")
    return None


def _change(order: Json) -> str | None:
    if reason := _gone(order):
        return reason
    if order["status"] == "closed":
        return N_("The order is closed.")
    return None
