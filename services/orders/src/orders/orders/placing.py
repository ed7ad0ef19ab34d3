"""Taking an order: what must hold before it is one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from contracts.money import (
    AMOUNT_MAX,
    UNIT_DIGITS,
    ZERO,
    fits,
    line_amount,
    minor_digits,
)

from orders.catalogue.domain import Item, plain, special_sku, tidy_price
from orders.order_settings.domain import OrderSettings
from orders.orders import refusals as refused
from orders.orders.domain import HOLD_MAX, Happening, Line, Order, Term, What, settle

SKU_RANDOM_BITS = 50


@dataclass(frozen=True, slots=True)
class SpecialItem:
    """Goods described at the counter."""

    description: str
    unit: str
    tax_rate: Decimal


@dataclass(frozen=True, slots=True)
class WishedLine:
    """A line as it was asked for: an item of the catalogue, or a special one."""

    sku: str | None
    special: SpecialItem | None
    quantity: Decimal
    unit_price: Decimal | None


@dataclass(frozen=True, slots=True)
class WishedTerm:
    """A payment term as it was asked for."""

    due_on: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Wish:
    """An order as it was asked for; `request` is what was asked, for telling it from another.

    reach: the stores that the caller works in, None for all of them.
    """

    id: UUID
    request: bytes
    store_id: UUID
    channel: str
    customer_id: UUID | None
    customer_name: str | None
    currency: str | None
    lines: tuple[WishedLine, ...]
    method: str | None
    warehouse_id: UUID
    until: datetime | None
    prepayment: Decimal | None
    terms: tuple[WishedTerm, ...]
    notify: bool
    draft: bool
    reach: frozenset[UUID] | None
    by: str
    now: datetime


@dataclass(frozen=True, slots=True)
class KnownStore:
    """What an order takes from its store."""

    hold_method: str
    hold_days: int


@dataclass(frozen=True, slots=True)
class KnownWarehouse:
    """What decides whether an order's goods are held in it."""

    kind: str
    store_id: UUID


@dataclass(frozen=True, slots=True)
class Known:
    """What the service knows of the references of some wishes."""

    items: Mapping[str, Item]
    stores: Mapping[UUID, KnownStore]
    warehouses: Mapping[UUID, KnownWarehouse]
    customer_names: Mapping[UUID, str]
    settings: OrderSettings
    currency: str
    requests: Mapping[UUID, bytes | None]  # Of the orders that exist already.


@dataclass(frozen=True, slots=True)
class Taken:
    """A new order, what it makes known, and the items that it brought into the catalogue."""

    order: Order
    happening: Happening
    new_items: tuple[Item, ...]


def take_order(wish: Wish, known: Known, number: str, new_id: Callable[[], UUID]) -> Taken:
    """The order that the wish becomes; raises the first refusal that there is."""
    store = known.stores.get(wish.store_id)
    if store is None:
        raise refused.UnknownStore(
            "The store is not known: check the id.", "/store_id", wish.store_id
        )
    _check_warehouse(wish, known)
    if wish.customer_id is not None and wish.customer_id not in known.customer_names:
        raise refused.UnknownCustomer(
            "The customer is not known: check the id, or send customer_name alone.",
            "/customer_id",
            wish.customer_id,
        )
    currency = _currency(wish, known)
    new_items: list[Item] = []
    lines: list[Line] = []
    for position, wished in enumerate(wish.lines):
        item = _item(wished, position, known, currency, new_id, new_items)
        lines.append(_line(wished, position, item, currency, new_id()))
    order = Order(
        id=wish.id,
        number=number,
        store_id=wish.store_id,
        channel=wish.channel,
        customer_id=wish.customer_id,
        customer_name=None if wish.customer_id else wish.customer_name,
        currency=currency,
        placed_at=wish.now,
        placed_by=wish.by,
        method=wish.method or store.hold_method,
        warehouse_id=wish.warehouse_id,
        until=_until(wish, store),
        first_status=_first_status(wish, known.settings),
        prepayment_percent=known.settings.prepayment_percent,
        prepayment_typed=None,
        notify=wish.notify,
        terms=tuple(Term(new_id(), term.due_on, term.amount) for term in wish.terms),
        lines=lines,
        request=wish.request,
    )
    _check_money(order, wish)
    order.agreed = order.first_status == "agreed"
    if order.first_status != "draft":
        order.ask(wish.now, holding=True)
        order.asked_revision = order.revision
    settle(order)
    told = () if order.first_status == "draft" else ("placed",)
    happening = Happening(What.PLACED, wish.by, wish.now, told, asks=order.revision > 0)
    return Taken(order, happening, tuple(new_items))


def _check_warehouse(wish: Wish, known: Known) -> None:
    warehouse = known.warehouses.get(wish.warehouse_id)
    if warehouse is None:
        raise refused.UnknownWarehouse(
            "The warehouse is not known: check the id.", WAREHOUSE, wish.warehouse_id
        )
    within = wish.reach is None or warehouse.store_id in wish.reach
    if warehouse.store_id != wish.store_id and not within:
        raise refused.WarehouseOutOfReach(
            "The warehouse is another store's: choose one of the order's store or of yours.",
            WAREHOUSE,
        )
    if warehouse.kind != "main":
        raise refused.NotAMainWarehouse(
            "Goods are held in a main warehouse: choose the one above this temporary storage.",
            WAREHOUSE,
        )


def _currency(wish: Wish, known: Known) -> str:
    """The one that was asked for, or that of the first item with a list price."""
    if wish.currency is not None:
        return wish.currency
    for line in wish.lines:
        if line.sku is not None and line.sku in known.items:
            return known.items[line.sku].currency
    return known.currency


def _until(wish: Wish, store: KnownStore) -> datetime:
    if wish.until is None:
        return wish.now + timedelta(days=store.hold_days)
    if wish.until <= wish.now:
        raise refused.HoldEndsInThePast("The hold ends in the past: choose a later time.", UNTIL)
    if wish.until > wish.now + HOLD_MAX:
        raise refused.HoldTooLong(
            f"A hold is at most {HOLD_MAX.days} days long: choose an earlier time.", UNTIL
        )
    return wish.until


UNTIL = "/hold/until"
WAREHOUSE = "/hold/warehouse_id"


def _first_status(wish: Wish, settings: OrderSettings) -> str:
    return "draft" if wish.draft else settings.first_status.get(wish.channel, "pending_approval")


def _item(
    wished: WishedLine,
    position: int,
    known: Known,
    currency: str,
    new_id: Callable[[], UUID],
    new_items: list[Item],
) -> Item:
    at = f"/lines/{position}"
    if wished.special is None:
        assert wished.sku is not None
        item = known.items.get(wished.sku)
        if item is None:
            raise refused.UnknownItem(
                "No item has this SKU: check it, or add the item first.", f"{at}/sku"
            )
        if item.currency != currency and wished.unit_price is None:
            raise refused.OtherCurrency(
                f"The list price is in {item.currency}: send the unit_price in {currency}.",
                f"{at}/unit_price",
            )
        return item
    if wished.unit_price is None:
        raise refused.PriceMissing(
            "A special-order line needs the price that was agreed.", f"{at}/unit_price"
        )
    item = Item(
        sku=special_sku(new_id().int % (1 << SKU_RANDOM_BITS)),
        name=wished.special.description,
        unit=wished.special.unit,
        kind="special",
        barcodes=(),
        tax_rate=plain(wished.special.tax_rate),
        price=tidy_price(wished.unit_price, currency),
        currency=currency,
    )
    new_items.append(item)
    return item


def _line(wished: WishedLine, position: int, item: Item, currency: str, id: UUID) -> Line:
    digits = UNIT_DIGITS[item.unit]
    if not fits(wished.quantity, digits):
        raise refused.TooPrecise(
            f"A quantity in {item.unit} has at most {digits} decimals.",
            f"/lines/{position}/quantity",
        )
    price = item.price if wished.unit_price is None else wished.unit_price
    quantity = plain(wished.quantity)
    return Line(
        id=id,
        position=position + 1,
        sku=item.sku,
        description=item.name,
        unit=item.unit,
        special=item.kind == "special",
        tax_rate=item.tax_rate,
        quantity=quantity,
        unit_price=tidy_price(price, currency),
        amount=line_amount(quantity, price, currency),
    )


def _check_money(order: Order, wish: Wish) -> None:
    worth, digits = order.worth, minor_digits(order.currency)
    if worth > AMOUNT_MAX:
        raise refused.TooLarge(f"An order is worth at most {AMOUNT_MAX:f}.", "/lines")
    named = [("/prepayment", wish.prepayment)] if wish.prepayment is not None else []
    named += [(f"/terms/{n}/amount", term.amount) for n, term in enumerate(wish.terms)]
    for pointer, amount in named:
        assert amount is not None
        if not fits(amount, digits):
            raise refused.TooPrecise(
                f"An amount in {order.currency} has at most {digits} decimals.", pointer
            )
    if wish.terms and sum((term.amount for term in wish.terms), ZERO) != worth:
        raise refused.TermsDoNotAddUp(
            f"The terms must add up to the order's total, {worth:f}.", "/terms"
        )
    if wish.prepayment is not None:
        if wish.prepayment > worth:
            raise refused.PrepaymentAboveTotal(
                f"The prepayment is at most the order's total, {worth:f}.", "/prepayment"
            )
        order.prepayment_typed = wish.prepayment.quantize(Decimal(1).scaleb(-digits))
    order.terms = tuple(
        replace(term, amount=term.amount.quantize(Decimal(1).scaleb(-digits)))
        for term in order.terms
    )
