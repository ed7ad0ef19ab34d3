"""The personal account before the whole system: the customer's orders, papers and messages."""

from contracts.identity import DEMO_CUSTOMER_ID
from playwright.async_api import expect

from . import chain
from .pages import SLOW_MS, Open, chromium, open_page, serious

__all__ = ["chromium", "open_page"]


async def test_a_customer_sees_the_order_its_money_and_its_papers(
    open_page: Open, manager: chain.Caller, store: chain.Store
) -> None:
    """The own order with status, goods, what is left to pay and the invoice, on a telephone."""
    sku = store.item("40.00", stock="2")
    order = store.order((sku, "2"), customer_name=None, customer_id=str(DEMO_CUSTOMER_ID))
    manager.post("/documents", {"order_id": order["id"], "kind": "invoice"})
    page = await open_page("customer", "/my/orders", width=390, height=844)
    await page.locator(".my-card", has_text=order["number"]).click()
    await expect(page.locator(".my-status")).to_have_text("Ready")
    await expect(page.locator(".figure dd").first).to_have_text("€80.00")
    paper = page.locator(".papers a").first
    await expect(paper).to_contain_text("Invoice")
    answer = await page.request.get(str(await paper.get_attribute("href")))
    assert (await answer.body()).startswith(b"%PDF")
    assert await serious(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_a_customer_reads_each_step(
    open_page: Open, manager: chain.Caller, store: chain.Store
) -> None:
    """What the customer was told stands in the account, and staff see the same."""
    sku = store.item("25.00", stock="1")
    order = store.order((sku, "1"), customer_name=None, customer_id=str(DEMO_CUSTOMER_ID))
    chain.soon(lambda: manager.get("/messages", order_id=order["id"])["items"], "the first message")
    account = await open_page("customer", "/my/messages")
    await expect(account.locator(".my-lines")).to_contain_text(order["number"], timeout=SLOW_MS)
    staff = await open_page("manager", f"/orders/{order['id']}/messages")
    await expect(staff.locator(".rows")).to_contain_text(order["number"])


async def test_a_customer_cannot_open_what_is_not_the_own(
    open_page: Open, manager: chain.Caller, store: chain.Store
) -> None:
    """Another customer's order and the staff's pages are refused."""
    order = store.take("1", "10.00")
    page = await open_page("customer", "/my/orders")
    for path, status in [(f"/my/orders/{order['id']}", 404), ("/orders", 403), ("/today", 403)]:
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == status, path
