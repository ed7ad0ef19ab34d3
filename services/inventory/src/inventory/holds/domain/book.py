"""The book of one transaction: the stock and orders that it locked, and all that it does to them.

Every change of stock or holds goes through here, so each is explained by a movement or a hold.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from contracts.money import ZERO

from inventory.holds.domain.orders import (
    NOMINAL,
    SEPARATE,
    Changed,
    Line,
    OrderHold,
    Place,
    Refused,
    Taken,
    Told,
    What,
    tell,
)
from inventory.stock.domain import Shelf, UnknownWarehouse

Spot = tuple[UUID, str]  # Warehouse and item.


@dataclass(frozen=True, slots=True)
class Movement:
    """An entry of the stock ledger: on hand rose, or fell, by this much, because of this."""

    warehouse_id: UUID
    sku: str
    kind: str  # receipt, transfer, hand_over or put_back
    reference: UUID
    quantity: Decimal


@dataclass(slots=True)
class Transfer:
    """A document of goods that were carried from one warehouse to another for an order."""

    transfer_id: UUID
    order_id: UUID
    kind: str  # hold or put_back
    from_warehouse_id: UUID
    to_warehouse_id: UUID
    lines: dict[tuple[UUID, str], Decimal] = field(default_factory=dict)


class Book:
    """What a batch of commands sees and does, in memory.

    `orders` are complete; `shelves` hold every spot that the commands may touch; the waiting lines
    of other orders are those that the batch's rises may reach, in full.
    """

    def __init__(
        self,
        now: datetime,
        new_id: Callable[[], UUID],
        places: Mapping[UUID, Place],
        shelves: Iterable[Shelf] = (),
        orders: Iterable[OrderHold] = (),
        answered: Mapping[UUID, Taken | Refused] | None = None,
    ) -> None:
        self.now, self.new_id, self.places = now, new_id, places
        self.shelves: dict[Spot, Shelf] = {(s.warehouse_id, s.sku): s for s in shelves}
        self.before = {spot: (s.on_hand, s.held) for spot, s in self.shelves.items()}
        self.orders = {order.order_id: order for order in orders}
        self.answered = dict(answered or {})
        self.told: list[Told] = []
        self.movements: list[Movement] = []
        self.transfers: dict[tuple[UUID, str], Transfer] = {}
        self.answers: dict[UUID, tuple[UUID, Taken | Refused]] = {}
        self.temporary: dict[UUID, UUID] = {}  # Made here: its id by the warehouse above it.
        self.changed_lines: dict[tuple[UUID, UUID], Line] = {}
        self.changed_orders: dict[UUID, OrderHold] = {}
        self._served: dict[UUID, OrderHold] = {}
        self._queues: dict[Spot, dict[tuple[UUID, UUID], tuple[OrderHold, Line]]] = {}
        for order in self.orders.values():
            for line in order.lines.values():
                self.enqueue(order, line)

    def place(self, warehouse_id: UUID) -> Place:
        if warehouse_id not in self.places:
            raise UnknownWarehouse(warehouse_id)
        return self.places[warehouse_id]

    def shelf(self, warehouse_id: UUID, sku: str) -> Shelf:
        """The spot, which the caller locked; a KeyError would be a spot that nobody locked."""
        return self.shelves[warehouse_id, sku]

    def tell(self, order: OrderHold, what: What) -> None:
        """Say it of the order as it now is; what it got by arrivals is then told too."""
        self.changed_orders[order.order_id] = order
        self._served.pop(order.order_id, None)
        self.told.append(tell(order, what))

    def tell_served(self) -> None:
        """Tell every order that got goods by an arrival, once each, in the order of the queue."""
        for order in sorted(self._served.values(), key=_turn):
            self.tell(order, Changed("arrival"))

    def touch(self, order: OrderHold, line: Line) -> None:
        self.changed_orders[order.order_id] = order
        self.changed_lines[order.order_id, line.line_id] = line

    def enqueue(self, order: OrderHold, line: Line) -> None:
        """The line waits in the queue of its spot, if it awaits something."""
        if order.awaiting(line) > 0:
            queue = self._queues.setdefault((order.warehouse_id, line.sku), {})
            queue[order.order_id, line.line_id] = (order, line)

    def serve(self, warehouse_id: UUID, sku: str) -> None:
        """Give what is free to the waiting lines, strictly by (placed, order, position)."""
        shelf = self.shelf(warehouse_id, sku)
        queue = self._queues.get((warehouse_id, sku))
        if not queue or shelf.free <= 0:
            return
        for (order_id, line_id), (order, line) in sorted(
            queue.items(), key=lambda entry: (*_turn(entry[1][0]), entry[1][1].position, entry[0])
        ):
            wish = order.awaiting(line)
            if wish > 0:
                if shelf.free <= 0:
                    return
                self.hold(order, line, min(shelf.free, wish))
                self._served[order_id] = order
            if order.awaiting(line) == 0:
                del queue[order_id, line_id]

    def hold(self, order: OrderHold, line: Line, quantity: Decimal) -> None:
        """Promise free goods of the main warehouse to the line, by the order's method."""
        if order.method == NOMINAL:
            self.shelf(order.warehouse_id, line.sku).held += quantity
        else:
            there = self.temporary_storage(order.warehouse_id)
            self.carry(order, line, "hold", quantity)
            self.shelf(there, line.sku).held += quantity
        line.held += quantity
        self.touch(order, line)

    def hold_again(self, order: OrderHold, line: Line) -> None:
        """What the line's released hold left in temporary storage is held again on the spot."""
        quantity = min(line.to_put_back, order.awaiting(line))
        if quantity > 0:
            there = self.temporary_storage(order.warehouse_id)
            self.shelf(there, line.sku).held += quantity
            line.held += quantity
            line.to_put_back -= quantity
            self.touch(order, line)

    def unhold(self, order: OrderHold, line: Line, quantity: Decimal) -> None:
        """The promise ends. Separate goods stay where they are, free, until they are put back."""
        if quantity <= 0:
            return
        line.held -= quantity
        if order.method == NOMINAL:
            self.shelf(order.warehouse_id, line.sku).held -= quantity
        else:
            there = self.temporary_storage(order.warehouse_id)
            self.shelf(there, line.sku).held -= quantity
            line.to_put_back += quantity
        self.touch(order, line)

    def carry(self, order: OrderHold, line: Line, kind: str, quantity: Decimal) -> None:
        """Move goods between the main warehouse and its temporary storage, with its document."""
        main, there = order.warehouse_id, self.temporary_storage(order.warehouse_id)
        source, target = (main, there) if kind == "hold" else (there, main)
        known = self.transfers.get((order.order_id, kind))
        if known is None:
            known = Transfer(self.new_id(), order.order_id, kind, source, target)
            self.transfers[order.order_id, kind] = known
        entry = (line.line_id, line.sku)
        known.lines[entry] = known.lines.get(entry, ZERO) + quantity
        reason = "transfer" if kind == "hold" else "put_back"
        self.move(source, line.sku, reason, known.transfer_id, -quantity)
        self.move(target, line.sku, reason, known.transfer_id, quantity)

    def move(
        self, warehouse_id: UUID, sku: str, kind: str, reference: UUID, quantity: Decimal
    ) -> None:
        """Change what is on hand: the one way to do it, and it writes the ledger."""
        self.shelf(warehouse_id, sku).on_hand += quantity
        self.movements.append(Movement(warehouse_id, sku, kind, reference, quantity))

    def temporary_storage(self, warehouse_id: UUID) -> UUID:
        """The temporary storage below the warehouse, made by the first separate hold."""
        known = self.place(warehouse_id).temporary_id or self.temporary.get(warehouse_id)
        if known is None:
            known = self.temporary[warehouse_id] = self.new_id()
            for above, sku in [*self.shelves]:
                if above == warehouse_id:
                    self.shelves[known, sku] = Shelf(known, sku)
                    self.before[known, sku] = (ZERO, ZERO)
        return known

    def held_in(self, order: OrderHold) -> UUID:
        """Where the order's held goods lie."""
        if order.method == SEPARATE:
            return self.temporary_storage(order.warehouse_id)
        return order.warehouse_id

    def close_shelves(self) -> list[Shelf]:
        """The spots whose figures are not what they were, each in its next version."""
        changed = [
            shelf
            for spot, shelf in self.shelves.items()
            if self.before[spot] != (shelf.on_hand, shelf.held)
        ]
        for shelf in changed:
            shelf.version += 1
        return changed


def _turn(order: OrderHold) -> tuple[datetime, UUID]:
    assert order.placed_at is not None, "an order that never asked for goods cannot wait"
    return (order.placed_at, order.order_id)
