"""Passwords are hashed beside the event loop, a few at a time."""

import asyncio
import secrets
import unicodedata
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

HASHING_MAX = 2
# A little above what OWASP asks for; more would only take memory from a small machine's tills.
TIME_COST, MEMORY_KIB = 3, 19_456
WAITING_MAX = 100


class TooManyAtOnce(Exception):
    """More sign-ins at once than can be answered in a few seconds."""

    wait_s = 2

    def __init__(self) -> None:
        super().__init__("Too many people sign in at this moment: try again in 2 seconds.")


class Passwords:
    """Argon2id in threads of its own: it lets go of Python's lock, so nothing else stands still."""

    def __init__(self) -> None:
        self._hash = PasswordHash(
            (Argon2Hasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=1),)
        )
        self._pool = ThreadPoolExecutor(HASHING_MAX, "argon2")
        self._turns = asyncio.Semaphore(HASHING_MAX)
        self._waiting = 0
        # What an unknown user's password is checked against, so that it takes as long.
        self._nobody = self._hash.hash(secrets.token_urlsafe())

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Whoever tries a password first takes a turn: guesses sent at once are counted as well."""
        if self._waiting >= WAITING_MAX:
            raise TooManyAtOnce
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def hash(self, password: str) -> str:
        """What to keep of a password."""
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, self._hash.hash, _typed(password)
        )

    async def fits(self, password: str, kept: str | None) -> bool:
        """Whether the password is the kept one. Without one it takes as long, and does not fit."""
        fits = await asyncio.get_running_loop().run_in_executor(
            self._pool, self._hash.verify, _typed(password), kept or self._nobody
        )
        return fits and kept is not None


def _typed(password: str) -> bytes:
    """One password is one sequence of bytes, on whichever keyboard it was typed."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
