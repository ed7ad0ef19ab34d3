"""Commands to and facts of the inventory service: stores, stock, holds."""

from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from contracts import topics
from contracts.message import Command, Fact, Part, State
from contracts.orders import HoldMethod

HeldGoodsSale = Literal["warn", "block"]
WarehouseKind = Literal["main", "temporary_storage"]


class WantedLine(Part):
    line_id: UUID
    sku: str
    quantity: Decimal  # Of the line as a whole, goods already taken included.


class HoldGoods(Command):
    """Hold these lines, all of them as they now are: the highest revision wins."""

    TYPE: ClassVar[str] = "hold_goods.v1"
    TOPIC: ClassVar[str] = topics.INVENTORY_COMMANDS
    KEY: ClassVar[str] = "warehouse_id"

    order_id: UUID
    revision: int
    store_id: UUID
    warehouse_id: UUID
    method: HoldMethod
    until: AwareDatetime
    placed_at: AwareDatetime
    lines: tuple[WantedLine, ...]


class ReleaseGoods(Command):
    """The order wants nothing more; answered by `holds_decided`. Goods taken stay taken."""

    TYPE: ClassVar[str] = "release_goods.v1"
    TOPIC: ClassVar[str] = topics.INVENTORY_COMMANDS
    KEY: ClassVar[str] = "warehouse_id"

    order_id: UUID
    revision: int
    warehouse_id: UUID
    reason: str


class ExtendHold(Command):
    TYPE: ClassVar[str] = "extend_hold.v1"
    TOPIC: ClassVar[str] = topics.INVENTORY_COMMANDS
    KEY: ClassVar[str] = "warehouse_id"

    order_id: UUID
    warehouse_id: UUID
    until: AwareDatetime


class TakeOutLine(Part):
    line_id: UUID
    sku: str
    quantity: Decimal


class TakeOut(Command):
    """Hand these goods out for a shipment, all or none; `override` breaks others' holds."""

    TYPE: ClassVar[str] = "take_out.v1"
    TOPIC: ClassVar[str] = topics.INVENTORY_COMMANDS
    KEY: ClassVar[str] = "warehouse_id"

    shipment_id: UUID
    order_id: UUID
    store_id: UUID
    warehouse_id: UUID
    lines: tuple[TakeOutLine, ...]
    override: bool = False
    by: str


class HoldLine(Part):
    """What inventory knows of an order's line; awaiting is wanted − held − taken."""

    line_id: UUID
    sku: str
    wanted: Decimal
    held: Decimal
    taken: Decimal


class HoldsFact(Fact):
    """All holds of an order as they are after this fact."""

    TOPIC: ClassVar[str] = topics.HOLDS
    KEY: ClassVar[str] = "order_id"

    order_id: UUID
    revision: int  # The newest hold command that was decided; 0 when none arrived yet.
    warehouse_id: UUID
    method: HoldMethod
    until: AwareDatetime | None
    released: bool
    lines: tuple[HoldLine, ...]
    at: AwareDatetime


class HoldsDecided(HoldsFact):
    TYPE: ClassVar[str] = "holds_decided.v1"


class HoldsChanged(HoldsFact):
    TYPE: ClassVar[str] = "holds_changed.v1"

    cause: Literal["arrival", "extended", "put_back"]


class GoodsTaken(HoldsFact):
    TYPE: ClassVar[str] = "goods_taken.v1"

    shipment_id: UUID
    taken: tuple[TakeOutLine, ...]


class Shortage(Part):
    line_id: UUID
    sku: str
    wanted: Decimal
    available: Decimal


class TakeOutRefused(Fact):
    TYPE: ClassVar[str] = "take_out_refused.v1"
    TOPIC: ClassVar[str] = topics.HOLDS
    KEY: ClassVar[str] = "order_id"

    order_id: UUID
    shipment_id: UUID
    reason: Literal["goods_missing", "held_for_others", "order_released"]
    shortages: tuple[Shortage, ...]
    at: AwareDatetime


class HoldEnding(Fact):
    """The reminder: once a day before the end, once at the end. Nothing moves by itself."""

    TYPE: ClassVar[str] = "hold_ending.v1"
    TOPIC: ClassVar[str] = topics.HOLDS
    KEY: ClassVar[str] = "order_id"

    order_id: UUID
    store_id: UUID
    until: AwareDatetime
    ended: bool
    at: AwareDatetime


class Warehouse(Part):
    warehouse_id: UUID
    name: str
    kind: WarehouseKind
    parent_id: UUID | None


class StoreState(State):
    TYPE: ClassVar[str] = "store_state.v1"
    TOPIC: ClassVar[str] = topics.STORES
    KEY: ClassVar[str] = "store_id"

    store_id: UUID
    code: str
    name: str
    hold_method: HoldMethod
    held_goods_sale: HeldGoodsSale
    hold_days: int
    warehouses: tuple[Warehouse, ...]


class StockState(State):
    """Stock of one item in one warehouse, for pages that show what can be promised."""

    TYPE: ClassVar[str] = "stock_state.v1"
    TOPIC: ClassVar[str] = topics.STOCK
    KEY: ClassVar[str] = "stock_key"

    warehouse_id: UUID
    store_id: UUID
    sku: str
    on_hand: Decimal
    held: Decimal
    available: Decimal
    broken: Decimal
    expected: Decimal

    @property
    def stock_key(self) -> str:
        """One key per warehouse and item."""
        return f"{self.warehouse_id}:{self.sku}"


COMMANDS = (HoldGoods, ReleaseGoods, ExtendHold, TakeOut)
FACTS = (HoldsDecided, HoldsChanged, GoodsTaken, TakeOutRefused, HoldEnding)
STATES = (StoreState, StockState)
