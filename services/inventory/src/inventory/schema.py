"""Every table of the service, for migrations."""

from inventory.holds.store.tables import order_hold
from inventory.stock.store import stock
from inventory.stores.store import metadata

assert order_hold.metadata is stock.metadata is metadata

__all__ = ["metadata"]
