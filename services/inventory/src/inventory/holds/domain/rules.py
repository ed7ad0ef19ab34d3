"""The rules: what each command does to the book. Commands may come in any order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from contracts.money import ZERO

from inventory.holds.domain.book import Book, Spot
from inventory.holds.domain.orders import (
    SEPARATE,
    WARN,
    Changed,
    Decided,
    ExtendWish,
    HoldFromTemporaryStorage,
    HoldWish,
    Line,
    OrderHold,
    Quantity,
    Refused,
    ReleaseWish,
    Shortage,
    Taken,
    TakeOutWish,
    Wish,
    next_reminder,
)


def obey(book: Book, wish: Wish) -> None:
    """Do what the command asks, and answer it."""
    match wish:
        case HoldWish():
            hold(book, wish)
        case ReleaseWish():
            release(book, wish)
        case ExtendWish():
            extend(book, wish)
        case TakeOutWish():
            take_out(book, wish)


def _order(book: Book, order_id: UUID, warehouse_id: UUID) -> OrderHold:
    """The order as it is known, or a new one that wants nothing yet."""
    known = book.orders.get(order_id)
    if known is None:
        place = book.place(warehouse_id)
        if place.kind != "main":
            raise HoldFromTemporaryStorage(f"{warehouse_id} is temporary storage")
        known = OrderHold(order_id, place.store_id, warehouse_id, place.hold_method)
        book.orders[order_id] = known
    return known


def hold(book: Book, wish: HoldWish) -> None:
    """Hold what there is of the wanted lines; the rest awaits. The highest revision wins."""
    order = _order(book, wish.order_id, wish.warehouse_id)
    if wish.revision < order.revision:
        return  # A newer command was decided already.
    if wish.revision > order.revision:
        _accept_terms(order, wish)
        _want(book, order, wish.lines)
        spots = {(order.warehouse_id, line.sku) for line in order.lines.values()}
        for line in order.lines.values():
            book.unhold(order, line, line.held - line.needed)
            book.hold_again(order, line)
            book.enqueue(order, line)
        for warehouse_id, sku in sorted(spots):
            book.serve(warehouse_id, sku)
        order.remind_at = next_reminder(order.until, book.now)
    book.tell(order, Decided())


def _accept_terms(order: OrderHold, wish: HoldWish) -> None:
    if order.placed_at is None:
        # The method is chosen once, at acceptance; a later default leaves the order as it is.
        order.method, order.warehouse_id = wish.method, wish.warehouse_id
        order.store_id = wish.store_id
    order.revision, order.released = wish.revision, False
    order.placed_at = wish.placed_at
    # An extension that came meanwhile is not lost.
    order.until = wish.until if order.until is None else max(order.until, wish.until)


def _want(book: Book, order: OrderHold, lines: Iterable[Quantity]) -> None:
    for line in order.lines.values():
        line.wanted, line.given_up = line.taken, False
        book.touch(order, line)
    for position, wanted in enumerate(lines):
        line = order.line(wanted.line_id, wanted.sku)
        line.wanted, line.position = wanted.quantity, position
        book.touch(order, line)


def release(book: Book, wish: ReleaseWish) -> None:
    """The order wants nothing more; what was taken stays taken."""
    order = _order(book, wish.order_id, wish.warehouse_id)
    if wish.revision < order.revision:
        return
    if wish.revision > order.revision:
        order.revision, order.released, order.remind_at = wish.revision, True, None
        for line in order.lines.values():
            line.wanted = line.taken
            book.touch(order, line)
            book.unhold(order, line, line.held)
        _serve_all(book, order)
    book.tell(order, Decided())


def _serve_all(book: Book, order: OrderHold) -> None:
    for sku in sorted({line.sku for line in order.lines.values()}):
        book.serve(order.warehouse_id, sku)


def extend(book: Book, wish: ExtendWish) -> None:
    """The goods are kept longer. An order that never asked for goods has nothing to extend."""
    order = book.orders.get(wish.order_id)
    if order is None or order.released or order.until == wish.until:
        return
    order.until = wish.until
    order.remind_at = next_reminder(wish.until, book.now)
    book.tell(order, Changed("extended"))


def put_back(book: Book, order: OrderHold, lines: Iterable[Line]) -> None:
    """End the lines' holds and carry what lies in temporary storage back to the main warehouse.

    The lines wait for nothing more until the order asks anew; what is free serves those who wait.
    """
    skus = set()
    for line in lines:
        if line.held == 0 and line.to_put_back == 0 and order.awaiting(line) == 0:
            continue
        skus.add(line.sku)
        book.unhold(order, line, line.held)
        line.given_up = not order.released
        if line.to_put_back > 0:
            book.carry(order, line, "put_back", line.to_put_back)
            line.to_put_back = ZERO
        book.touch(order, line)
    for sku in sorted(skus):
        book.serve(order.warehouse_id, sku)
    if skus:
        book.tell(order, Changed("put_back"))


def receive(book: Book, warehouse_id: UUID, receipt_id: UUID, goods: dict[str, Decimal]) -> None:
    """Goods came in: they are free, and serve those who wait."""
    for sku, quantity in goods.items():
        book.move(warehouse_id, sku, "receipt", receipt_id, quantity)
        book.serve(warehouse_id, sku)


@dataclass(slots=True)
class _Plan:
    """A take-out on paper: what comes from where, and what is short."""

    on_hand: dict[Spot, Decimal] = field(default_factory=dict)
    held: dict[Spot, Decimal] = field(default_factory=dict)
    own: dict[UUID, Decimal] = field(default_factory=dict)  # Taken of each line's own hold.
    parts: list[tuple[Line, Spot, Decimal, Decimal]] = field(default_factory=list)
    shortages: list[Shortage] = field(default_factory=list)
    missing: bool = False

    def look(self, book: Book, spot: Spot) -> tuple[Decimal, Decimal]:
        """On hand and held as the plan would leave them."""
        shelf = book.shelf(*spot)
        return self.on_hand.get(spot, shelf.on_hand), self.held.get(spot, shelf.held)

    def take(self, line: Line, spot: Spot, quantity: Decimal, of_hold: Decimal, book: Book) -> None:
        on_hand, held = self.look(book, spot)
        self.on_hand[spot], self.held[spot] = on_hand - quantity, held - of_hold
        self.own[line.line_id] = self.own.get(line.line_id, ZERO) + of_hold
        self.parts.append((line, spot, quantity, of_hold))


def take_out(book: Book, wish: TakeOutWish) -> None:
    """Hand out all of the lines or none: from the order's own hold, then from free goods.

    Goods held for others go out only where the store warns, or with a manager's override; then
    their holds are broken visibly. The same shipment asked again gets the same answer.
    """
    order = _order(book, wish.order_id, wish.warehouse_id)
    known = book.answered.get(wish.shipment_id)
    if known is not None:
        book.tell(order, known)
        return
    answer: Taken | Refused
    if order.released:
        answer = Refused(wish.shipment_id, "order_released", ())
    else:
        plan = _plan(book, order, wish)
        if plan.shortages:
            reason = "goods_missing" if plan.missing else "held_for_others"
            answer = Refused(wish.shipment_id, reason, tuple(plan.shortages))
        else:
            _carry_out(book, order, wish, plan)
            answer = Taken(wish.shipment_id, wish.lines)
    book.answered[wish.shipment_id] = answer
    book.answers[wish.shipment_id] = (order.order_id, answer)
    book.tell(order, answer)


def _plan(book: Book, order: OrderHold, wish: TakeOutWish) -> _Plan:
    plan = _Plan()
    rest: list[tuple[Line, Quantity, Decimal]] = []
    here = order.warehouse_id == wish.warehouse_id
    for asked in wish.lines:
        line = order.lines.get(asked.line_id) or Line(asked.line_id, asked.sku)
        left = line.held - plan.own.get(line.line_id, ZERO) if here else ZERO
        own = min(asked.quantity, left)
        if own > 0:
            spot = (book.held_in(order), line.sku)
            there = plan.look(book, spot)[0]
            if there < own:
                plan.missing = True
                plan.shortages.append(Shortage(line.line_id, line.sku, asked.quantity, there))
                continue
            plan.take(line, spot, own, own, book)
        if asked.quantity > own:
            rest.append((line, asked, own))
    breaking = wish.override or book.place(wish.warehouse_id).held_goods_sale == WARN
    for line, asked, own in rest:
        spot = (wish.warehouse_id, line.sku)
        on_hand, held = plan.look(book, spot)
        more = asked.quantity - own
        may_take = on_hand if breaking else max(ZERO, on_hand - held)
        if more > may_take:
            plan.missing = plan.missing or more > on_hand
            shortage = Shortage(line.line_id, line.sku, asked.quantity, own + may_take)
            plan.shortages.append(shortage)
        else:
            plan.take(line, spot, more, ZERO, book)
    return plan


def _carry_out(book: Book, order: OrderHold, wish: TakeOutWish, plan: _Plan) -> None:
    for planned, spot, quantity, of_hold in plan.parts:
        line = order.line(planned.line_id, planned.sku)
        book.move(*spot, "hand_over", wish.shipment_id, -quantity)
        book.shelf(*spot).held -= of_hold
        line.held -= of_hold
        line.taken += quantity
        book.touch(order, line)
    if order.warehouse_id != wish.warehouse_id:
        # Handed over elsewhere: what is held here is promised to nobody any more.
        for line in order.lines.values():
            book.unhold(order, line, line.held - line.needed)
        _serve_all(book, order)


def reaches_waiting(wish: Wish, order: OrderHold) -> bool:
    """Whether the command may free goods that the order holds, so that others' turn comes."""
    if isinstance(wish, TakeOutWish):
        return wish.warehouse_id != order.warehouse_id
    return isinstance(wish, HoldWish | ReleaseWish) and order.method != SEPARATE
