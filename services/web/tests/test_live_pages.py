"""Open pages in a real browser: what they do with the changes that they are told."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from contracts.devices import Scanned
from fastapi import FastAPI
from playwright.async_api import expect
from web.live import QUEUE_MAX, Change, change_of

from . import fake_data as data
from .conftest import Open
from .fake_api import Chain
from .scanner import KETTLE, MUG, scan

pytestmark = pytest.mark.asyncio(loop_scope="module")  # The browser's.
READY = data.id_of("order S01-000412")


def end_streams(app: FastAPI) -> None:
    """Every open page falls behind, so its stream ends; pages connect again by themselves."""
    nothing = Change("stock", data.STORES[0]["id"], None, None, {"sku": "NONE"})
    for _ in range(QUEUE_MAX + 1):
        app.state.live.tell(nothing)


async def test_a_till_whose_stream_came_back_asks_for_the_stock_again(
    open_page: Open, app: FastAPI, chain: Chain
) -> None:
    """What was sold elsewhere while the stream was away is not promised any longer."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    await expect(page.locator(".line-stock")).to_contain_text("Here 11 ·")
    await expect(page.locator("[data-live].is-live")).to_be_visible()
    for one in chain.stock:
        one["available"] = "4"
    end_streams(app)
    await expect(page.locator(".line-stock")).to_contain_text("Here 4 ·")


async def test_a_long_order_is_told_the_stock_of_every_line(open_page: Open) -> None:
    """The server answers fifty items at once; whoever orders more asks more than once."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    await expect(page.locator(".line-stock")).to_contain_text("Here 11 ·")
    await page.evaluate("""() => {
      const draft = JSON.parse(localStorage.getItem("holdfast.draft"));
      const [kettle] = draft.lines;
      const other = (n) => ({ ...kettle, id: crypto.randomUUID(), sku: `OTHER${n}` });
      draft.lines = [...Array(50).keys()].map(other).concat(kettle);
      localStorage.setItem("holdfast.draft", JSON.stringify(draft));
    }""")
    await page.reload()
    await expect(page.locator(".line-stock")).to_have_count(51)
    await expect(page.locator(".line-stock").last).to_contain_text("Here 11 ·")


async def test_a_journal_whose_stream_came_back_shows_the_orders_as_they_are(
    open_page: Open, app: FastAPI, chain: Chain
) -> None:
    """An order that was cancelled while the stream was away is shown so."""
    page = await open_page("manager", "/orders")
    row = page.locator(f'tr[data-order="{READY}"]')
    await expect(row).to_contain_text("Ready")
    await expect(page.locator("[data-live].is-live")).to_be_visible()
    chain.orders[READY]["status"] = "cancelled"
    end_streams(app)
    await expect(row).to_contain_text("Cancelled")


async def test_a_scan_that_an_agent_tells_late_is_in_no_order(
    open_page: Open, app: FastAPI
) -> None:
    """What a store's agent read before it was cut off does not pour into the order of now."""
    page = await open_page("cashier", "/take-order")
    await expect(page.locator("[data-live].is-live")).to_be_visible()
    for code, age in ((KETTLE, timedelta(seconds=61)), (MUG, timedelta(0))):
        change = change_of(
            Scanned(
                device_id=UUID(READY),
                scan_id=UUID(READY),
                store_id=UUID(data.STORES[0]["id"]),
                scanner="one",
                code=code,
                symbology=None,
                at=datetime.now(UTC) - age,
            )
        )
        assert change is not None
        app.state.live.tell(change)
    await expect(page.locator(".line-name")).to_have_text(["Stoneware mug, sea green"])
