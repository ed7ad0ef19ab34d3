"""Which failures pass by themselves."""

import asyncpg
import sqlalchemy as sa

SQLSTATES = ("40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300")
SQLSTATE_CLASSES = ("08", "53")


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: the server is away, or a deadlock was broken."""
    if isinstance(error, sa.exc.DBAPIError):
        if error.connection_invalidated:
            return True
        state = getattr(error.orig, "sqlstate", None) or ""
        return _passes(state) or (isinstance(error, sa.exc.InterfaceError) and not state)
    if isinstance(error, sa.exc.TimeoutError):  # All connections of the pool are busy.
        return True
    if isinstance(error, asyncpg.PostgresError):
        return _passes(error.sqlstate or "")
    # A connection that was closed under a statement is an interface's error to asyncpg.
    return isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError)


def _passes(sqlstate: str) -> bool:
    return sqlstate in SQLSTATES or sqlstate[:2] in SQLSTATE_CLASSES
