"""A real browser before the whole system: pages are opened as somebody, through the gateway."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright

from . import chain

CHROMIUM = (
    os.environ.get("HOLDFAST_CHROMIUM", ""),
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SLOW_MS = 15_000
SCANNER_KEY_S = 0.005
Open = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
def chromium() -> str | None:
    """Where a Chromium is; None leaves it to Playwright's own."""
    return next((path for path in CHROMIUM if path and Path(path).exists()), None)


@pytest.fixture
async def open_page(base_url: str, chromium: str | None) -> AsyncIterator[Open]:
    """Opens a page as somebody; a script's error or a foreign request fails the test."""
    wrong: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))

        async def open_as(
            who: str, path: str, language: str = "en", width: int = 1024, height: int = 768
        ) -> Page:
            context = await browser.new_context(
                base_url=base_url, viewport={"width": width, "height": height}, locale="en"
            )
            context.set_default_timeout(SLOW_MS)
            cookie = {"name": "holdfast_language", "value": language, "url": base_url}
            await context.add_cookies([cookie])  # type: ignore[list-item]
            page = await context.new_page()
            page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
            page.on("request", lambda request: _note(request.url, base_url, wrong))
            await page.goto("/sign-in")
            await page.fill("#username", f"{who}@demo.example")
            await page.fill("#password", chain.PASSWORD)
            await page.press("#password", "Enter")
            await page.wait_for_url(lambda url: "/sign-in" not in url)
            await page.goto(path)
            return page

        yield open_as
        await browser.close()
    assert wrong == []


def _note(url: str, base_url: str, wrong: list[str]) -> None:
    if not url.startswith((base_url, "data:")):
        wrong.append(f"left the origin: {url}")


async def scan(page: Page, code: str) -> None:
    """A scanner: keys without a pause and Enter.

    Each key says when it was pressed, as the operating system does for a real scanner: a busy
    machine hands them over late, which does not turn a scanner into a slow hand.
    """
    session = await page.context.new_cdp_session(page)
    calls = []
    start = time.time()
    for at, character in enumerate([*code, "Enter"]):
        enter = character == "Enter"
        key = {
            "code": "Enter" if enter else f"Digit{character}",
            "key": character,
            "windowsVirtualKeyCode": 13 if enter else ord(character),
            "timestamp": start + at * SCANNER_KEY_S,
        }
        calls.append({"type": "keyDown", "text": "\r" if enter else character, **key})
        calls.append({"type": "keyUp", **key})
    await asyncio.gather(*(session.send("Input.dispatchKeyEvent", call) for call in calls))
    await session.detach()


async def serious(page: Page) -> list[str]:
    """What axe finds serious or critical on the page."""
    results = await Axe().run(page)
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']][:3]}"
        for one in results.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
