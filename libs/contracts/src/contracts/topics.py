"""Every topic of Holdfast, who owns it and how long it keeps what it is told."""

from typing import Literal, NamedTuple

PARTITIONS = 12  # For life: a key must stay on its partition.
STATE_DELETE_RETENTION_DAYS = 7
FACT_RETENTION_DAYS = 14

Kind = Literal["fact", "state", "command", "dead_letter"]


class Topic(NamedTuple):
    name: str
    owner: str  # The service that says its facts, or that obeys its commands.
    kind: Kind

    @property
    def compacted(self) -> bool:
        """State topics keep the newest record of each key for ever."""
        return self.kind == "state"


ORDERS = "orders.orders"
ITEMS = "orders.items"
CUSTOMERS = "orders.customers"
ORDERS_COMMANDS = "orders.commands"

STORES = "inventory.stores"
STOCK = "inventory.stock"
HOLDS = "inventory.holds"
INVENTORY_COMMANDS = "inventory.commands"

ACCOUNTS = "billing.accounts"
DOCUMENTS = "billing.documents"
BILLING_COMMANDS = "billing.commands"

SHIPMENTS = "shipping.shipments"
SHIPPING_COMMANDS = "shipping.commands"

MESSAGES = "notifications.messages"
NOTIFICATIONS_COMMANDS = "notifications.commands"

PRINT_JOBS = "devices.print-jobs"
PRINT_RESULTS = "devices.print-results"
SCANS = "devices.scans"
DEVICES_COMMANDS = "devices.commands"

LOGINS = "identity.accounts"
IDENTITY_COMMANDS = "identity.commands"

DEAD_LETTERS = "system.dead-letters"

TOPICS: tuple[Topic, ...] = (
    Topic(ORDERS, "orders", "fact"),
    Topic(ITEMS, "orders", "state"),
    Topic(CUSTOMERS, "orders", "state"),
    Topic(ORDERS_COMMANDS, "orders", "command"),
    Topic(STORES, "inventory", "state"),
    Topic(STOCK, "inventory", "state"),
    Topic(HOLDS, "inventory", "fact"),
    Topic(INVENTORY_COMMANDS, "inventory", "command"),
    Topic(ACCOUNTS, "billing", "fact"),
    Topic(DOCUMENTS, "billing", "fact"),
    Topic(BILLING_COMMANDS, "billing", "command"),
    Topic(SHIPMENTS, "shipping", "fact"),
    Topic(SHIPPING_COMMANDS, "shipping", "command"),
    Topic(MESSAGES, "notifications", "fact"),
    Topic(NOTIFICATIONS_COMMANDS, "notifications", "command"),
    Topic(PRINT_JOBS, "devices", "fact"),
    Topic(PRINT_RESULTS, "devices", "fact"),
    Topic(SCANS, "devices", "fact"),
    Topic(DEVICES_COMMANDS, "devices", "command"),
    Topic(LOGINS, "identity", "state"),
    Topic(IDENTITY_COMMANDS, "identity", "command"),
    Topic(DEAD_LETTERS, "system", "dead_letter"),
)
BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}


def commands_of(topic: str) -> str:
    """The commands topic of the service that owns this topic."""
    return f"{BY_NAME[topic].owner}.commands"
