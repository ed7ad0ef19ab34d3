"""Many rows in one statement: a table's columns as `unnest` of arrays."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

AS_TEXT = ("TSVECTOR", "JSONB")  # These travel as text.
DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Rows:
    """Some columns of a table, given as arrays under bind names that begin with `prefix`."""

    def __init__(self, prefix: str, columns: Iterable[sa.Column[Any]]) -> None:
        self.prefix = prefix
        self.types = {column.name: column.type.compile(DIALECT) for column in columns}

    @property
    def names(self) -> str:
        """The columns' names, for INSERT."""
        return ", ".join(self.types)

    @property
    def values(self) -> str:
        """The columns' values of alias `u`, for SELECT."""
        return ", ".join(
            f"CAST(u.{name} AS {type})" if type in AS_TEXT else f"u.{name}"
            for name, type in self.types.items()
        )

    @property
    def source(self) -> str:
        """The arrays as the rows of alias `u`, with their order `n`."""
        arrays = ", ".join(
            f"CAST(:{self.prefix}_{name} AS {'TEXT' if type in AS_TEXT else type}[])"
            for name, type in self.types.items()
        )
        return f"unnest({arrays}) WITH ORDINALITY AS u({self.names}, n)"

    def assignments(self, keys: Sequence[str]) -> str:
        """`column = u.column` for all but the keys, for UPDATE."""
        return ", ".join(f"{name} = u.{name}" for name in self.types if name not in keys)

    def binds(self, things: Sequence[Any], **given: list[Any]) -> dict[str, list[Any]]:
        """The arrays, a row a thing: each column as given, else the attribute of its name."""
        return {
            f"{self.prefix}_{name}": given[name]
            if name in given
            else list(map(attrgetter(name), things))
            for name in self.types
        }
