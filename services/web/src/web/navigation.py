"""Where the pages are, in the order of the day's work."""

from collections.abc import Callable


def navigation(say: Callable[[str], str]) -> list[tuple[str, str, str, str]]:
    """Address, name, icon and the right that it needs."""
    return [
        ("/take-order", say("Take order"), "barcode", "orders.take"),
        ("/orders", say("Orders"), "list-details", "orders.read"),
        ("/today", say("Today"), "calendar-due", "orders.manage"),
        ("/customers", say("Customers"), "users", "customers.read"),
        ("/stock", say("Stock"), "package", "stock.read"),
        ("/settings", say("Settings"), "settings", "settings.write"),
        ("/system", say("System"), "activity", "system.operate"),
        ("/my/orders", say("My orders"), "list-details", "own.read"),
        ("/my/messages", say("Messages"), "mail", "own.read"),
        ("/my/profile", say("Profile"), "user", "own.read"),
    ]
