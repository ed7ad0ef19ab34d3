"""Stores and warehouses: what may be opened, and below what."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

MAIN, TEMPORARY_STORAGE = "main", "temporary_storage"


class CodeTaken(Exception):
    """Another one has this code already."""

    pointer = "/code"


class IdTaken(Exception):
    """This id belongs to something else already."""

    pointer = "/id"


class UnknownStore(Exception):
    """The store named in the body is not there."""

    pointer = "/store_id"


class UnknownParent(Exception):
    """The warehouse to hang it below is not there, or not a main one of the same store."""

    pointer = "/parent_id"


class TemporaryStorageExists(Exception):
    """A warehouse has one temporary storage only."""

    pointer = "/parent_id"


@dataclass(frozen=True, slots=True)
class Store:
    store_id: UUID
    code: str
    name: str
    hold_method: str
    held_goods_sale: str
    hold_days: int
    version: int = 1

    def same_as(self, other: "Store") -> bool:
        """Whether both say the same, whenever they were said."""
        return replace(self, version=0) == replace(other, version=0)


@dataclass(frozen=True, slots=True)
class Warehouse:
    warehouse_id: UUID
    store_id: UUID
    parent_id: UUID | None
    code: str
    name: str
    kind: str


def check_place(kind: str, parent_id: UUID | None, siblings: Sequence[Warehouse]) -> None:
    """Temporary storage hangs below one main warehouse, which has one only; others below none."""
    if kind == MAIN:
        if parent_id is not None:
            raise UnknownParent("Only temporary storage hangs below a warehouse: leave it out.")
        return
    below: Mapping[UUID, Warehouse] = {one.warehouse_id: one for one in siblings}
    if parent_id is None or parent_id not in below or below[parent_id].kind != MAIN:
        raise UnknownParent("Name a main warehouse of the same store.")
    if any(one.parent_id == parent_id for one in siblings):
        raise TemporaryStorageExists("This warehouse has its temporary storage already: use that.")


def free_code(prefix: str, taken: Collection[str]) -> str:
    """The first code of the row prefix-1, prefix-2, … that nobody has."""
    number = 1
    while f"{prefix}-{number}" in taken:
        number += 1
    return f"{prefix}-{number}"


def temporary_code(parent: str, taken: Collection[str]) -> str:
    """The code of the temporary storage below the warehouse with this code."""
    wished = f"{parent}-T"
    return free_code(wished, taken) if wished in taken else wished
