"""What an order refuses, each named after the refusal; `pointer` says where in the body."""

from uuid import UUID


class Refused(Exception):
    """A refusal with a sentence on what to do, and where in the body it lies."""

    def __init__(self, sentence: str, pointer: str | None = None) -> None:
        super().__init__(sentence)
        self.pointer = pointer


class UnknownReference(Refused):
    """The id may be known in a moment: `reference` is waited for."""

    def __init__(self, sentence: str, pointer: str, reference: UUID) -> None:
        super().__init__(sentence, pointer)
        self.reference = reference


class UnknownStore(UnknownReference):
    """No such store."""


class UnknownWarehouse(UnknownReference):
    """No such warehouse."""


class UnknownCustomer(UnknownReference):
    """No such card, or an erased one."""


class UnknownItem(Refused):
    """No such SKU."""


class NotAMainWarehouse(Refused):
    """Orders hold goods in main warehouses; temporary storage is filled from them."""


class WarehouseOutOfReach(Refused):
    """An order holds goods in its own store, or in one that the caller works in."""


class OtherCurrency(Refused):
    """A list price in another currency is no price of this order."""


class PriceMissing(Refused):
    """A special-order line has the price that was agreed."""


class TooPrecise(Refused):
    """More decimals than the unit or the currency has."""


class TooLarge(Refused):
    """Beyond what an order may be worth."""


class HoldEndsInThePast(Refused):
    """A hold ends later than now."""


class HoldTooLong(Refused):
    """A hold is at most 90 days long."""


class TermsDoNotAddUp(Refused):
    """The payment terms are for the order's total, no more and no less."""


class PrepaymentAboveTotal(Refused):
    """Nobody prepays more than the order is worth."""


class OrderExists(Refused):
    """The id belongs to another order."""


class UnknownLine(Refused):
    """The order has no such line."""


class NothingToChange(Refused):
    """A change says what changes."""


class BelowHandedOver(Refused):
    """A line's quantity is at least what was handed over."""


class PriceIsSettled(Refused):
    """The price of goods that were handed over stands."""


class LastLine(Refused):
    """An order without lines is a cancelled order."""


class AlreadyAgreed(Refused):
    """An order is agreed once."""


class OrderIsCancelled(Refused):
    """A cancelled order takes no more actions."""


class OrderIsClosed(Refused):
    """A closed order takes no more actions."""


class OrderIsMarked(Refused):
    """An order that is marked for removal is restored first."""


class OrderIsNotMarked(Refused):
    """Only what is marked for removal is restored."""


class GoodsHandedOver(Refused):
    """Goods were handed over: the order goes forward."""


class BeingHandedOver(Refused):
    """A shipment is being posted: its outcome decides."""


class MoneyKept(Refused):
    """Money was taken and not given back."""


class ReasonMissing(Refused):
    """A manager who closes says why."""


UNPROCESSABLE: tuple[type[Refused], ...] = (
    UnknownStore,
    UnknownWarehouse,
    UnknownCustomer,
    UnknownItem,
    NotAMainWarehouse,
    WarehouseOutOfReach,
    OtherCurrency,
    PriceMissing,
    TooPrecise,
    TooLarge,
    HoldEndsInThePast,
    HoldTooLong,
    TermsDoNotAddUp,
    PrepaymentAboveTotal,
    NothingToChange,
    BelowHandedOver,
    ReasonMissing,
)
CONFLICTS: tuple[type[Refused], ...] = (
    OrderExists,
    PriceIsSettled,
    LastLine,
    AlreadyAgreed,
    OrderIsCancelled,
    OrderIsClosed,
    OrderIsMarked,
    OrderIsNotMarked,
    GoodsHandedOver,
    BeingHandedOver,
    MoneyKept,
)
# Each refusal's HTTP status.
STATUSES: dict[type[Exception], int] = {
    **dict.fromkeys(UNPROCESSABLE, 422),
    **dict.fromkeys(CONFLICTS, 409),
    UnknownLine: 404,
}
