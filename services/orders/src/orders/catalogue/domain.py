"""Items: sold by list price, or described at the counter as special."""

from dataclasses import dataclass, replace
from decimal import Decimal

from contracts.money import UNIT_DIGITS, minor_digits

SPECIAL_PREFIX = "S-"
SPECIAL_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # None that are read as another.
SPECIAL_LENGTH = 10


class ItemExists(Exception):
    """The SKU belongs to another item."""

    pointer = "/sku"


class BarcodeTaken(Exception):
    """A barcode finds one item, never two."""

    pointer = "/barcodes"


class SkuIsReserved(Exception):
    """SKUs of special-order items are given by the service."""

    pointer = "/sku"


@dataclass(frozen=True, slots=True)
class Item:
    """A thing sold; `price` is the list price with tax, with up to four decimals."""

    sku: str
    name: str
    unit: str
    kind: str
    barcodes: tuple[str, ...]
    tax_rate: Decimal
    price: Decimal
    currency: str
    version: int = 1


def new_item(item: Item) -> Item:
    """The item as it is kept; refuses a SKU that looks like a special-order item's."""
    if item.sku.startswith(SPECIAL_PREFIX):
        raise SkuIsReserved(
            f"SKUs that begin with {SPECIAL_PREFIX} are given to special-order items: "
            "choose another."
        )
    assert item.unit in UNIT_DIGITS
    return tidy(item)


def tidy(item: Item) -> Item:
    """Each barcode once, in its order; the price with the currency's decimals at least."""
    return replace(
        item,
        barcodes=tuple(dict.fromkeys(item.barcodes)),
        price=tidy_price(item.price, item.currency),
        tax_rate=plain(item.tax_rate),
    )


def changed(
    item: Item,
    name: str | None,
    barcodes: tuple[str, ...] | None,
    tax_rate: Decimal | None,
    price: Decimal | None,
) -> Item:
    """The item with what is not None changed; a new version only when something differs."""
    new = tidy(
        replace(
            item,
            name=item.name if name is None else name,
            barcodes=item.barcodes if barcodes is None else barcodes,
            tax_rate=item.tax_rate if tax_rate is None else tax_rate,
            price=item.price if price is None else price,
        )
    )
    return item if new == item else replace(new, version=item.version + 1)


def special_sku(number: int) -> str:
    """A short SKU of its own for a special-order item, from a random number."""
    letters = []
    for _ in range(SPECIAL_LENGTH):
        number, rest = divmod(number, len(SPECIAL_LETTERS))
        letters.append(SPECIAL_LETTERS[rest])
    return SPECIAL_PREFIX + "".join(letters)


def tidy_price(price: Decimal, currency: str) -> Decimal:
    """The price with the currency's decimals, and more only where they say something."""
    least = Decimal(1).scaleb(-minor_digits(currency))
    shorter = price.quantize(least) if price == price.quantize(least) else plain(price)
    return abs(shorter)


def plain(value: Decimal) -> Decimal:
    """The value without trailing zeros and without an exponent."""
    shorter = value.normalize()
    return shorter.quantize(Decimal(1)) if shorter == shorter.to_integral_value() else shorter
