"""Every page in a real browser: that everybody can use it, on every screen."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from . import fake_data as data
from .conftest import Open

pytestmark = pytest.mark.asyncio(loop_scope="module")  # The browser's.
READY = data.id_of("order S01-000412")
STAFF_PAGES = (
    "/take-order",
    "/orders",
    f"/orders/{READY}",
    f"/orders/{READY}/money",
    f"/orders/{READY}/papers",
    f"/orders/{READY}/messages",
    f"/orders/{READY}/timeline",
    "/customers",
    f"/customers/{data.CUSTOMERS[0]['id']}",
    "/stock",
    "/today",
    "/settings",
    "/system",
    "/search?q=kettle",
)
CUSTOMER_PAGES = ("/my/orders", f"/my/orders/{READY}", "/my/messages", "/my/profile")


async def serious(page: Page) -> list[str]:
    """What axe finds serious or critical, with the places."""
    results = await Axe().run(page, options={"resultTypes": ["violations"]})
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']][:3]}"
        for one in results.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious_for_staff(open_page: Open, theme: str) -> None:
    """Every page of the console is usable by everybody, light and dark."""
    page = await open_page("manager", "/take-order", theme=theme)
    found = {}
    for path in STAFF_PAGES:
        await page.goto(path)
        found[path] = await serious(page)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("language", "theme"), [("ru", "light"), ("bg", "dark"), ("fi", "light"), ("kk", "dark")]
)
async def test_axe_finds_nothing_serious_in_any_language(
    open_page: Open, language: str, theme: str
) -> None:
    """The pages that people use most are usable in each language, also on a telephone."""
    page = await open_page("customer", "/my/orders", language, theme, width=390, height=844)
    found = {}
    for path in CUSTOMER_PAGES:
        await page.goto(path)
        found[path] = await serious(page)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, path
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("width", [390, 820, 1024])
async def test_no_page_is_wider_than_its_screen(open_page: Open, width: int) -> None:
    """Nothing has to be scrolled sideways on a telephone, a tablet or the till, in Russian too."""
    page = await open_page("manager", "/take-order", "ru", width=width)
    for path in STAFF_PAGES:
        await page.goto(path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path


async def test_signing_in_is_usable_by_everybody(open_page: Open) -> None:
    """The sign-in page has nothing serious either."""
    page = await open_page(None, "/sign-in")
    assert await serious(page) == []
