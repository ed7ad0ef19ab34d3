"""The services' databases as the judge sees them, and what the judge says."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """A broken invariant: which one, of what, and what is wrong with it."""

    invariant: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A statement for one service's database; each row (subject, text) that it gives is wrong."""

    service: str
    sql: str


class Databases:
    """One connection to each service's database, opened at its first question.

    Each sees its database as it was at that question, so figures of one service fit each other
    while others write. Ask first the service whose rows follow from another's.
    """

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.urls = urls
        self._stack = AsyncExitStack()
        self._connections: dict[str, asyncpg.Connection[Any]] = {}

    async def __aenter__(self) -> "Databases":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def rows(self, service: str, sql: str, *values: Any) -> list[asyncpg.Record]:
        """The answer of one service's database."""
        if service not in self._connections:
            plain = make_url(self.urls[service]).set(drivername="postgresql")
            connection = await asyncpg.connect(plain.render_as_string(hide_password=False))
            self._stack.push_async_callback(connection.close)
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._connections[service] = connection
        return list(await self._connections[service].fetch(sql, *values))

    async def ask(self, invariant: str, questions: Sequence[Question]) -> list[Violation]:
        """Every row that the questions find, as a violation."""
        return [
            Violation(invariant, row["subject"], row["text"])
            for question in questions
            for row in await self.rows(question.service, question.sql)
        ]
