"""Tables of items and barcodes, and the questions to them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.catalogue.domain import BarcodeTaken, Item
from orders.metadata import metadata
from orders.words import beginnings, lexemes

items = sa.Table(
    "items",
    metadata,
    sa.Column("sku", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("barcodes", ARRAY(sa.Text), nullable=False),
    sa.Column("tax_rate", sa.Numeric, nullable=False),
    sa.Column("price", sa.Numeric, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("words", TSVECTOR, nullable=False),
    sa.Index("items_words", "words", postgresql_using="gin"),
)
# Beside items.barcodes, so that two items cannot claim one barcode at the same time.
item_barcodes = sa.Table(
    "item_barcodes",
    metadata,
    sa.Column("barcode", sa.Text, primary_key=True),
    sa.Column("sku", sa.Text, sa.ForeignKey("items.sku"), nullable=False),
    sa.Index("item_barcodes_sku", "sku"),
)
COLUMNS = [column for column in items.c if column.name != "words"]


async def find(tx: AsyncConnection, sku: str, lock: bool = False) -> Item | None:
    """The item of this SKU."""
    question = sa.select(*COLUMNS).where(items.c.sku == sku)
    row = (await tx.execute(question.with_for_update() if lock else question)).one_or_none()
    return None if row is None else _item(row)


async def insert(tx: AsyncConnection, item: Item) -> bool:
    """Keep a new item with its barcodes; False when the SKU is there already."""
    made = await tx.execute(
        sa.text("""
        INSERT INTO items(sku, name, unit, kind, barcodes, tax_rate, price, currency, version,
                          words)
        VALUES (:sku, :name, :unit, :kind, CAST(:barcodes AS text[]), :tax_rate, :price,
                :currency, :version, CAST(CAST(:words AS text) AS tsvector))
        ON CONFLICT (sku) DO NOTHING"""),
        _values(item),
    )
    if made.rowcount == 0:
        return False
    await _claim_barcodes(tx, item)
    return True


async def update(tx: AsyncConnection, item: Item) -> None:
    """Keep what changed; the caller holds the row's lock."""
    await tx.execute(
        sa.text("""
        UPDATE items SET name = :name, barcodes = CAST(:barcodes AS text[]),
          tax_rate = :tax_rate, price = :price, version = :version,
          words = CAST(CAST(:words AS text) AS tsvector)
        WHERE sku = :sku"""),
        _values(item),
    )
    await tx.execute(
        sa.delete(item_barcodes).where(
            item_barcodes.c.sku == item.sku, item_barcodes.c.barcode.not_in(item.barcodes)
        )
    )
    await _claim_barcodes(tx, item)


async def _claim_barcodes(tx: AsyncConnection, item: Item) -> None:
    taken = await tx.execute(
        sa.text("""
        WITH wanted AS (SELECT unnest(CAST(:barcodes AS text[])) AS barcode),
        made AS (INSERT INTO item_barcodes(barcode, sku)
                 SELECT barcode, :sku FROM wanted ORDER BY barcode
                 ON CONFLICT (barcode) DO NOTHING RETURNING barcode)
        SELECT wanted.barcode FROM wanted
        LEFT JOIN made ON made.barcode = wanted.barcode
        LEFT JOIN item_barcodes AS own
          ON own.barcode = wanted.barcode AND own.sku = :sku
        WHERE made.barcode IS NULL AND own.barcode IS NULL"""),
        {"barcodes": list(item.barcodes), "sku": item.sku},
    )
    if barcode := taken.scalars().first():
        raise BarcodeTaken(f"Barcode {barcode} belongs to another item: take it off there first.")


async def search(
    tx: AsyncConnection, q: str | None, barcode: str | None, after: str | None, limit: int
) -> Sequence[Item]:
    """Items in order of their SKU: by the beginnings of their words, or by a barcode."""
    question = sa.select(*COLUMNS).order_by(items.c.sku).limit(limit)
    if barcode is not None:
        question = question.join(item_barcodes, item_barcodes.c.sku == items.c.sku)
        question = question.where(item_barcodes.c.barcode == barcode)
    if q is not None:
        words = beginnings(q)
        if words is None:
            return []
        question = question.where(sa.text("items.words @@ CAST(:words AS tsquery)"))
        question = question.params(words=words)
    if after is not None:
        question = question.where(items.c.sku > after)
    return [_item(row) for row in await tx.execute(question)]


def _values(item: Item) -> dict[str, Any]:
    return {
        "sku": item.sku,
        "name": item.name,
        "unit": item.unit,
        "kind": item.kind,
        "barcodes": list(item.barcodes),
        "tax_rate": item.tax_rate,
        "price": item.price,
        "currency": item.currency,
        "version": item.version,
        "words": lexemes(item.sku, item.name),
    }


def _item(row: Any) -> Item:
    values = row._asdict()
    return Item(**{**values, "barcodes": tuple(values["barcodes"])})
