"""Whether the whole system is ready: every service is asked, and all must say yes."""

import asyncio
import time
from dataclasses import dataclass

import httpx

TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Ready:
    name: str
    ready: bool
    latency_ms: int
    detail: str


async def ask(http: httpx.AsyncClient, name: str, bases: str) -> Ready:
    """A service's own answer: one of its processes is enough; silence is no."""
    started = time.monotonic()
    detail = ""
    for base in bases.split(","):
        try:
            response = await http.get(f"{base.rstrip('/')}/readyz", timeout=TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            detail = type(error).__name__
            continue
        if response.is_success:
            return Ready(name, True, _passed_ms(started), "")
        detail = f"HTTP {response.status_code}"
    return Ready(name, False, _passed_ms(started), detail)


async def ask_all(http: httpx.AsyncClient, services: dict[str, str]) -> list[Ready]:
    """All services but web itself, which answers by answering."""
    return list(
        await asyncio.gather(
            *(ask(http, name, base) for name, base in services.items() if name != "web")
        )
    )


def _passed_ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
