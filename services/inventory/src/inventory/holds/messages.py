"""Between the contracts and the domain: commands become wishes, what is told becomes facts."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from contracts import inventory as contract
from contracts.inventory import ExtendHold, HoldGoods, HoldsFact, ReleaseGoods, TakeOut
from contracts.message import Fact

from inventory.holds.domain.orders import (
    Changed,
    ExtendWish,
    HoldWish,
    Quantity,
    Refused,
    ReleaseWish,
    Taken,
    TakeOutWish,
    Told,
    Wish,
)
from inventory.stock.domain import Shelf, plain

Command = HoldGoods | ReleaseGoods | ExtendHold | TakeOut


def wish_of(command: Command) -> Wish:
    """What the command asks for."""
    if isinstance(command, HoldGoods):
        return HoldWish(
            command.order_id,
            command.revision,
            command.store_id,
            command.warehouse_id,
            command.method,
            command.until,
            command.placed_at,
            _quantities(command),
        )
    if isinstance(command, ReleaseGoods):
        return ReleaseWish(command.order_id, command.revision, command.warehouse_id)
    if isinstance(command, ExtendHold):
        return ExtendWish(command.order_id, command.warehouse_id, command.until)
    return TakeOutWish(
        command.shipment_id,
        command.order_id,
        command.store_id,
        command.warehouse_id,
        _quantities(command),
        command.override,
    )


def _quantities(command: HoldGoods | TakeOut) -> tuple[Quantity, ...]:
    return tuple(Quantity(one.line_id, one.sku, one.quantity) for one in command.lines)


def fact_of(told: Told, now: datetime) -> Fact:
    """The fact that says it."""
    what = told.what
    if isinstance(what, Refused):
        return contract.TakeOutRefused.model_validate(
            {
                "order_id": told.order_id,
                "shipment_id": what.shipment_id,
                "reason": what.reason,
                "shortages": [
                    _line(one.line_id, one.sku, wanted=one.wanted, available=one.available)
                    for one in what.shortages
                ],
                "at": now,
            }
        )
    kind: type[HoldsFact] = contract.HoldsDecided
    values: dict[str, Any] = {
        "order_id": told.order_id,
        "revision": told.revision,
        "warehouse_id": told.warehouse_id,
        "method": told.method,
        "until": told.until,
        "released": told.released,
        "lines": [
            _line(one.line_id, one.sku, wanted=one.wanted, held=one.held, taken=one.taken)
            for one in told.lines
        ],
        "at": now,
    }
    if isinstance(what, Changed):
        kind = contract.HoldsChanged
        values["cause"] = what.cause
    elif isinstance(what, Taken):
        kind = contract.GoodsTaken
        values["shipment_id"] = what.shipment_id
        values["taken"] = [_line(one.line_id, one.sku, quantity=one.quantity) for one in what.lines]
    return kind.model_validate(values)


def _line(line_id: UUID, sku: str, **quantities: Decimal) -> dict[str, Any]:
    return {
        "line_id": line_id,
        "sku": sku,
        **{name: plain(value) for name, value in quantities.items()},
    }


def stock_state_of(shelf: Shelf, store_id: UUID) -> contract.StockState:
    """The state of the spot."""
    return contract.StockState(
        warehouse_id=shelf.warehouse_id,
        store_id=store_id,
        sku=shelf.sku,
        on_hand=plain(shelf.on_hand),
        held=plain(shelf.held),
        available=plain(shelf.available),
        broken=plain(shelf.broken),
        expected=plain(shelf.expected),
    )
