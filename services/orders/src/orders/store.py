"""All tables of the service: importing it registers every module's."""

from orders.catalogue import store as catalogue
from orders.customers import store as customers
from orders.metadata import metadata
from orders.order_settings import store as order_settings
from orders.orders import store as orders
from orders.stores import store as stores

__all__ = ["catalogue", "customers", "metadata", "order_settings", "orders", "stores"]
