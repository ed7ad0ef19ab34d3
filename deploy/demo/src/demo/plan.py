"""What the data does not say of an order, chosen by rule from the basket's own number.

Every choice here is a function of the data alone, so that two runs of the same days make the same
orders; `CHOICES` says them all to the reader of the demo's output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from demo.days import Basket, Days
from demo.money import to_cents

LANGUAGES = ("en", "ru", "bg", "fi", "kk")
TYPED_PREPAYMENT_PERCENT = Decimal(30)
RESERVE_PIECES = 2

CHOICES = (
    "Households are customers named by their number; the data has no names. Telephones are "
    "fictional (555-01xx).",
    "Each tenth household has an e-mail address, household-<n>@mail.example; languages en, ru, "
    "bg, fi, kk go round by tens of households.",
    "Channel by the basket's number: 7 of 10 counter, 2 phone, 1 site.",
    "Every second store of the chain holds goods separately, the others nominally.",
    f"The deposit is what the prepayment setting proposes; by phone {TYPED_PREPAYMENT_PERCENT}% "
    "of the total is typed instead. Counter pays by cash or card in turn; phone by card, then "
    "cash; site by bank, then card.",
    "Each fourth basket of more than one piece is handed over in two parts.",
    "Each store receives what its day's orders need and "
    f"{RESERVE_PIECES} pieces more of each product.",
    "The unit is the piece, tax is 0 because paid values are final, a price is the paid value per "
    "piece; list prices are the shelf price of the product's first sale in the year that was not "
    "free.",
)


@dataclass(frozen=True)
class Settings:
    """The order settings that the system has when the run begins; part of the input."""

    prepayment_percent: Decimal
    first_status: Mapping[str, str]


@dataclass(frozen=True)
class Household:
    """A customer card as it is entered."""

    number: int

    @property
    def name(self) -> str:
        return f"Household {self.number}"

    @property
    def phone(self) -> str:
        """A number that belongs to nobody: 555-0100 to 555-0199 of an area code are fictional."""
        return f"+1{201 + self.number // 100}55501{self.number % 100:02}"

    @property
    def email(self) -> str | None:
        return f"household-{self.number}@mail.example" if self.number % 10 == 0 else None

    @property
    def language(self) -> str:
        return LANGUAGES[self.number // 10 % len(LANGUAGES)]


@dataclass(frozen=True)
class PartLine:
    """How much of the basket's line at this position is handed over."""

    position: int
    quantity: int


Part = tuple[PartLine, ...]


@dataclass(frozen=True)
class Plan:
    """One order from placing to closing."""

    basket: Basket
    channel: str
    hold_method: str
    needs_agreeing: bool
    typed_prepayment: Decimal | None
    proposed_prepayment: Decimal
    deposit_method: str
    final_method: str
    parts: tuple[Part, ...]

    @cached_property
    def total(self) -> Decimal:
        """What the order is worth."""
        return self.basket.total

    @property
    def deposit(self) -> Decimal:
        """The prepayment that stands: what was typed, or else the proposal."""
        if self.typed_prepayment is None:
            return self.proposed_prepayment
        return self.typed_prepayment

    @property
    def left_after_deposit(self) -> Decimal:
        """What the last payment must be."""
        return self.total - self.deposit

    @property
    def household(self) -> Household:
        """Who the order is for."""
        return Household(self.basket.household)


def hold_method(store: int, every_store: Sequence[int]) -> str:
    """Stores in the order of their numbers hold in turn; all of the year's stores are counted."""
    return "separate" if every_store.index(store) % 2 else "nominal"


def plan_order(basket: Basket, method: str, settings: Settings) -> Plan:
    """Everything about the order that the basket and the settings decide."""
    channel = _channel(basket)
    first_of_pair = basket.id // 10 % 2 == 0
    deposit_method, final_method = {
        "counter": ("cash", "cash") if first_of_pair else ("card", "card"),
        "phone": ("card", "cash"),
        "site": ("bank", "card"),
    }[channel]
    return Plan(
        basket=basket,
        channel=channel,
        hold_method=method,
        needs_agreeing=settings.first_status.get(channel, "pending_approval") != "agreed",
        typed_prepayment=(
            _percent(basket.total, TYPED_PREPAYMENT_PERCENT) if channel == "phone" else None
        ),
        proposed_prepayment=_percent(basket.total, settings.prepayment_percent),
        deposit_method=deposit_method,
        final_method=final_method,
        parts=_parts(basket),
    )


def plan_orders(days: Days, settings: Settings) -> list[Plan]:
    """All orders of the days in the order of their time."""
    return [
        plan_order(basket, hold_method(basket.store, days.every_store), settings)
        for basket in days.baskets
    ]


def needed_goods(plans: Sequence[Plan]) -> dict[int, dict[int, int]]:
    """Per store and product, the pieces that its orders need."""
    need: dict[int, dict[int, int]] = {}
    for plan in plans:
        shelf = need.setdefault(plan.basket.store, {})
        for line in plan.basket.lines:
            shelf[line.product] = shelf.get(line.product, 0) + line.quantity
    return need


def _channel(basket: Basket) -> str:
    digit = basket.id % 10
    if digit < 7:
        return "counter"
    return "phone" if digit < 9 else "site"


def _percent(total: Decimal, percent: Decimal) -> Decimal:
    return to_cents(total * percent / 100)


def _parts(basket: Basket) -> tuple[Part, ...]:
    """All at once, or half of the pieces now and the rest later, in the order of the lines."""
    everything = tuple(PartLine(at, line.quantity) for at, line in enumerate(basket.lines))
    pieces = sum(line.quantity for line in basket.lines)
    if basket.id // 100 % 4 or pieces < 2:
        return (everything,)
    left = pieces // 2
    now: list[PartLine] = []
    later: list[PartLine] = []
    for whole in everything:
        taken = min(left, whole.quantity)
        left -= taken
        if taken:
            now.append(PartLine(whole.position, taken))
        if whole.quantity > taken:
            later.append(PartLine(whole.position, whole.quantity - taken))
    return tuple(now), tuple(later)
