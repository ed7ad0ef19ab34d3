"""Every message by its type: what a reader of the bus looks up."""

from contracts import billing, devices, identity, inventory, notifications, orders, shipping
from contracts.message import Message, Republish

MESSAGES: tuple[type[Message], ...] = (
    *orders.FACTS,
    *orders.STATES,
    *inventory.COMMANDS,
    *inventory.FACTS,
    *inventory.STATES,
    *billing.FACTS,
    *billing.DOCUMENT_FACTS,
    *shipping.FACTS,
    *notifications.FACTS,
    *devices.COMMANDS,
    *devices.FACTS,
    devices.PrintReported,
    devices.Scanned,
    *identity.STATES,
    Republish,
)
BY_TYPE: dict[str, type[Message]] = {message.TYPE: message for message in MESSAGES}
