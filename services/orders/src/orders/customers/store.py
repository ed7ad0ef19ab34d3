"""The table of customers, and the questions to it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.customers.domain import Customer, card_number_taken, digits, last_digits
from orders.metadata import metadata
from orders.words import beginnings, lexemes

CARD_NUMBER_INDEX = "customers_card_number"
customers = sa.Table(
    "customers",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("phone", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("card_number", sa.Text),
    sa.Column("category", sa.Text),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("erased", sa.Boolean, nullable=False),
    sa.Column("phone_reversed", sa.Text),  # So that the last digits are a prefix.
    sa.Column("words", TSVECTOR, nullable=False),
    sa.Index(CARD_NUMBER_INDEX, "card_number", unique=True),
    sa.Index(
        "customers_phone_reversed",
        "phone_reversed",
        postgresql_ops={"phone_reversed": "text_pattern_ops"},
    ),
    sa.Index("customers_words", "words", postgresql_using="gin"),
)
UPDATE = sa.text("""
UPDATE customers SET name = :name, phone = :phone, email = :email, language = :language,
  card_number = :card_number, category = :category, version = :version,
  erased = :erased, phone_reversed = :phone_reversed,
  words = CAST(CAST(:words AS text) AS tsvector)
WHERE id = :id""")
COLUMNS = [c for c in customers.c if c.name not in ("phone_reversed", "words")]
FOUND = """(customers.words @@ CAST(:words AS tsquery)
  OR customers.phone_reversed LIKE :reversed || '%')"""


async def find(tx: AsyncConnection, id: UUID, lock: bool = False) -> Customer | None:
    """The card of this id, erased or not."""
    question = sa.select(*COLUMNS).where(customers.c.id == id)
    row = (await tx.execute(question.with_for_update() if lock else question)).one_or_none()
    return None if row is None else Customer(**row._asdict())


async def insert(tx: AsyncConnection, customer: Customer) -> bool:
    """Keep a new card; False when its id or its card number is there already."""
    made = await tx.execute(
        sa.text("""
        INSERT INTO customers(id, name, phone, email, language, card_number, category, version,
                              erased, phone_reversed, words)
        VALUES (:id, :name, :phone, :email, :language, :card_number, :category, :version,
                false, :phone_reversed, CAST(CAST(:words AS text) AS tsvector))
        ON CONFLICT DO NOTHING"""),
        _values(customer),
    )
    return made.rowcount == 1


async def update(tx: AsyncConnection, customer: Customer) -> None:
    """Keep what changed; the caller holds the row's lock. Raises when the number is another's."""
    try:
        await tx.execute(UPDATE, _values(customer))
    except sa.exc.IntegrityError as error:
        violated = getattr(error.driver_exception, "constraint_name", None)
        if violated != CARD_NUMBER_INDEX:
            raise
        raise card_number_taken(customer) from error


async def search(
    tx: AsyncConnection, q: str | None, after: UUID | None, limit: int
) -> Sequence[Customer]:
    """Cards in order of their ids, by last telephone digits, card number or words of the name."""
    question = sa.select(*COLUMNS).where(sa.not_(customers.c.erased))
    question = question.order_by(customers.c.id).limit(limit)
    if q is not None:
        values = search_values(q)
        if values is None:
            return []
        question = question.where(sa.text(FOUND)).params(**values)
    if after is not None:
        question = question.where(customers.c.id > after)
    return [Customer(**row._asdict()) for row in await tx.execute(question)]


def search_values(q: str) -> dict[str, str | None] | None:
    """What the query looks for, as the binds of FOUND; None when it has nothing to look for."""
    ending = last_digits(q)
    words = beginnings(q)
    if words is None and ending is None:
        return None
    return {"words": words, "reversed": None if ending is None else ending[::-1]}


async def forget_what_was_said(tx: AsyncConnection, id: UUID) -> None:
    """Take the card's states out of the outbox, where they lie for replay."""
    await tx.execute(
        sa.text("DELETE FROM outbox WHERE topic = 'orders.customers' AND key = :key"),
        {"key": str(id)},
    )


def _values(customer: Customer) -> dict[str, Any]:
    phone = digits(customer.phone)
    return {
        "id": customer.id,
        "name": customer.name,
        "phone": customer.phone,
        "email": customer.email,
        "language": customer.language,
        "card_number": customer.card_number,
        "category": customer.category,
        "version": customer.version,
        "erased": customer.erased,
        "phone_reversed": None if phone is None else phone[::-1],
        "words": lexemes(customer.name, customer.card_number),
    }
