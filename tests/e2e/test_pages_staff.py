"""The console before the whole system: taking an order, the journal, the order's page."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from chassis.ids import uuid7
from playwright.async_api import Page, expect

from . import chain
from .pages import SLOW_MS, Open, chromium, open_page, scan, serious

__all__ = ["chromium", "open_page"]
PICTURES = "HOLDFAST_PICTURES"  # The folder that the picture is put into, when it is to be kept.


def barcode() -> str:
    """Thirteen digits that no other test uses."""
    return f"2{random.SystemRandom().randrange(10**12):012d}"


def item(by: chain.Caller, name: str, price: str, code: str) -> str:
    """An item with a barcode."""
    sku = f"P-{uuid7().hex[-10:]}"
    body = {
        "sku": sku,
        "name": name,
        "unit": "piece",
        "barcodes": [code],
        "tax_rate": "20",
        "price": price,
        "currency": "EUR",
    }
    by.post("/items", body)
    return sku


async def at_the_till(page: Page, store: chain.Store) -> None:
    """The store of this till, which a clerk chose once in this browser."""
    cookie = {"name": "holdfast_store", "value": store.id, "url": page.url}
    await page.context.add_cookies([cookie])  # type: ignore[list-item]
    await page.reload()
    await expect(page.locator("#till")).to_have_attribute("data-store", store.id)


async def test_a_clerk_takes_an_order_by_keyboard_and_scanner(
    open_page: Open, manager: chain.Caller, store: chain.Store
) -> None:
    """Three scans, a known customer, 48 hours and the deposit in cash make one order."""
    codes = barcode(), barcode()
    kettle, mug = item(manager, "Kettle", "50.00", codes[0]), item(manager, "Mug", "8.50", codes[1])
    store.receive(kettle, "5")
    store.receive(mug, "9")
    digits = f"{random.SystemRandom().randrange(10**7):07d}"
    name = f"Aino {digits}"
    manager.post("/customers", {"name": name, "phone": f"+35840{digits}", "language": "fi"})

    page = await open_page("manager", "/take-order")
    await at_the_till(page, store)
    for code in (codes[0], codes[1], codes[1]):
        await scan(page, code)
    await expect(page.get_by_label("Quantity of Mug")).to_have_value("2", timeout=SLOW_MS)
    await expect(page.get_by_test_id("total")).to_have_text("€67.00")
    await page.keyboard.press("F3")
    for digit in digits:
        await page.keyboard.press(digit, delay=150)
    await page.keyboard.press("Enter")
    await expect(page.locator("#customer")).to_have_value(name)
    await page.keyboard.press("F4")
    await page.keyboard.press("2")
    await page.keyboard.press("F9")
    await page.keyboard.press("Enter")
    await expect(page.locator("#accepted")).to_contain_text("Held 3 of 3", timeout=SLOW_MS)
    await expect(page.locator("#accepted")).to_contain_text("Paid €33.50, left €33.50")

    number = await page.get_by_test_id("accepted-number").text_content()
    [order] = manager.get("/orders", q=number)["items"]
    assert order["customer"]["name"] == name
    assert chain.money(order["prepayment"]) == chain.money("33.50")
    assert [line["quantity"] for line in order["lines"]] == ["1", "2"]


async def test_what_cannot_be_is_said_at_its_field(
    open_page: Open, manager: chain.Caller, store: chain.Store
) -> None:
    """A hold longer than allowed is refused by the API and said beside the days."""
    code = barcode()
    item(manager, "Lamp", "64.00", code)
    page = await open_page("manager", "/take-order")
    await at_the_till(page, store)
    await scan(page, code)
    await expect(page.get_by_test_id("total")).to_have_text("€64.00", timeout=SLOW_MS)
    await page.fill("#hold-days", "400")
    await page.click("#accept")
    await expect(page.locator("#hold-says")).not_to_be_empty()
    await expect(page.locator(".till-line")).to_have_count(1)
    await page.fill("#hold-days", "3")
    await page.click("#accept")
    await expect(page.get_by_test_id("accepted-number")).to_be_visible()


async def test_a_second_till_sees_the_last_unit_go(
    open_page: Open, manager: chain.Caller, store: chain.Store
) -> None:
    """An open till sees at once that somebody else's order took the last piece."""
    code = barcode()
    sku = item(manager, "Last chair", "189.00", code)
    store.receive(sku, "1")
    page = await open_page("manager", "/take-order")
    await at_the_till(page, store)
    await scan(page, code)
    stock = page.locator(".line-stock")
    await expect(stock).to_contain_text("Here 1", timeout=SLOW_MS)
    store.order((sku, "1"))
    await expect(stock).to_contain_text("Here 0", timeout=SLOW_MS)
    await expect(stock).to_contain_text("1 will wait for goods")


async def test_an_order_is_handed_over_paid_and_invoiced_on_its_page(
    open_page: Open, manager: chain.Caller, store: chain.Store
) -> None:
    """From ready to closed by the page's own steps; the invoice opens as a PDF."""
    order = store.take("2", "100.00")
    page = await open_page("manager", f"/orders/{order['id']}")
    await expect(page.get_by_test_id("due")).to_have_text("€200.00")
    await page.keyboard.press("h")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/money?step=pay*")
    await expect(page.locator("#pay-amount")).to_have_value("200.00")
    await page.get_by_role("button", name="Post the payment").click()
    await page.wait_for_url("**/money")
    await expect(page.get_by_test_id("due")).to_have_text("€0.00", timeout=SLOW_MS)
    await page.keyboard.press("i")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/papers")
    paper = page.locator(".papers a").first
    await expect(paper).to_contain_text("Invoice")
    answer = await page.request.get(str(await paper.get_attribute("href")))
    assert (await answer.body()).startswith(b"%PDF")
    chain.soon(
        lambda: manager.get(f"/orders/{order['id']}")["status"] == "closed", "the order to close"
    )
    await expect(page.locator(".mark", has_text="Closed").first).to_be_visible(timeout=SLOW_MS)


async def test_the_page_follows_what_others_do(
    open_page: Open, manager: chain.Caller, store: chain.Store
) -> None:
    """A payment taken elsewhere shows on the open page without a reload."""
    order = store.take("1", "80.00")
    page = await open_page("manager", f"/orders/{order['id']}")
    await expect(page.get_by_test_id("due")).to_have_text("€80.00")
    body = {"order_id": order["id"], "amount": "30.00", "method": "card", "store_id": store.id}
    manager.post("/payments", body)
    await expect(page.get_by_test_id("due")).to_have_text("€50.00", timeout=SLOW_MS)


async def test_the_journal_finds_filters_and_stays_put(
    open_page: Open, manager: chain.Caller, store: chain.Store
) -> None:
    """Filters stand in the address; a shown row changes in place and a new order is announced."""
    orders = [store.take("1", "10.00") for _ in range(2)]
    page = await open_page("manager", f"/orders?store_id={store.id}")
    rows = page.locator("tr[data-order]")
    await expect(rows).to_have_count(2)
    body = {"order_id": orders[0]["id"], "amount": "10.00", "method": "cash", "store_id": store.id}
    manager.post("/payments", body)
    row = page.locator(f"tr[data-order='{orders[0]['id']}']")
    await expect(row).to_contain_text("Paid", timeout=SLOW_MS)
    store.take("1", "10.00")
    await expect(page.locator("#new-rows")).to_be_visible(timeout=SLOW_MS)
    await expect(rows).to_have_count(2)


@pytest.mark.parametrize("language", ["en", "ru", "bg", "fi", "kk"])
async def test_every_page_is_usable_by_everybody(
    open_page: Open, manager: chain.Caller, store: chain.Store, language: str
) -> None:
    """Axe finds nothing serious on real data, in any language."""
    order = store.take("2", "15.00")
    page = await open_page("manager", "/take-order", language)
    found = {}
    for path in (
        "/take-order",
        "/orders",
        f"/orders/{order['id']}",
        f"/orders/{order['id']}/money",
        "/customers",
        "/stock",
        "/today",
        "/settings",
        "/system",
    ):
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        found[path] = await serious(page)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


async def test_the_console_has_its_picture(
    open_page: Open,
    manager: chain.Caller,
    open_store: Callable[..., chain.Store],
    tmp_path: Path,
) -> None:
    """The README's picture is the console as it really looks."""
    store = open_store()
    sku = store.item("64.00", stock="3")
    order = store.order((sku, "4"), (store.item("12.50", stock="6"), "6"))
    body = {"order_id": order["id"], "amount": "100.00", "method": "card", "store_id": store.id}
    manager.post("/payments", body)
    page = await open_page("manager", f"/orders/{order['id']}", width=1366, height=860)
    await expect(page.locator(".bar-words").first).to_contain_text("Awaited 1", timeout=SLOW_MS)
    picture = Path(os.environ.get(PICTURES) or tmp_path) / "console.png"
    await page.screenshot(path=picture)
    assert picture.stat().st_size > 20_000
