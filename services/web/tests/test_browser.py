"""The pages in a real browser: the scanner, the keys, and what a page keeps."""

import asyncio
import contextlib
import json

import pytest
from playwright.async_api import Page, Route, expect

from . import fake_data as data
from .conftest import Open
from .fake_api import Chain, Refused
from .scanner import KETTLE, LAYOUTS, MUG, scan

pytestmark = pytest.mark.asyncio(loop_scope="module")  # The browser's.
READY = data.id_of("order S01-000412")


def line(page: Page, name: str) -> object:
    return page.locator(".till-line", has_text=name)


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_scan_lands_in_the_lines_in_any_layout(open_page: Open, layout: str) -> None:
    """Whatever the keyboard writes, the scanned item is there and the field is empty."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE, layout)
    await expect(page.locator(".line-name")).to_have_text("Electric kettle 1.7 l, steel")
    await expect(page.locator("#item")).to_have_value("")


async def test_a_machine_that_stalls_amid_a_scan_reads_it_whole(open_page: Open) -> None:
    """Half of the keys arrive late: they are one scan still, by when they were pressed."""
    page = await open_page("cashier", "/take-order")
    await page.focus("#item")
    await scan(page, KETTLE, stall_s=0.6)
    await expect(page.locator(".line-name")).to_have_text("Electric kettle 1.7 l, steel")
    await expect(page.locator("#item")).to_have_value("")


async def test_no_scan_is_lost_whatever_has_the_focus(open_page: Open) -> None:
    """Scans into the customer's field and onto a button count, and what was typed stays."""
    page = await open_page("cashier", "/take-order")
    await page.fill("#customer", "Ms Novak")
    for _ in range(3):
        await scan(page, KETTLE)
    await page.focus("#channel")
    for _ in range(2):
        await scan(page, MUG)
    await scan(page, KETTLE)
    quantity = page.get_by_label("Quantity of Electric kettle 1.7 l, steel")
    await expect(quantity).to_have_value("4")
    await expect(page.get_by_label("Quantity of Stoneware mug, sea green")).to_have_value("2")
    await expect(page.locator("#customer")).to_have_value("Ms Novak")
    await expect(page.get_by_test_id("total")).to_have_text("€216.60")


async def test_an_order_takes_twelve_keys_and_three_scans(open_page: Open, chain: Chain) -> None:
    """Three scans, a known customer, 48 hours, the deposit in cash: no mouse, at most 12 keys."""
    page = await open_page("cashier", "/take-order")
    for code in (KETTLE, MUG, MUG):
        await scan(page, code)
    await expect(page.locator(".till-line")).to_have_count(2)
    keys = ["F3", "4", "5", "6", "7", "Enter", "F4", "2", "F9", "Enter"]
    for key in keys[:6]:
        await page.keyboard.press(key, delay=120)  # A hand, not a scanner.
    await expect(page.locator("#customer")).to_have_value("Aino Virtanen")
    for key in keys[6:]:
        await page.keyboard.press(key, delay=120)
    await expect(page.get_by_test_id("accepted-number")).to_be_visible()
    await expect(page.locator("#accepted")).to_contain_text("Paid €33.45, left €33.45")
    await expect(page.locator(".till-line")).to_have_count(0)
    assert len(keys) <= 12
    [taken] = [
        body for method, path, body, _ in chain.asked if (method, path) == ("POST", "/orders")
    ]
    assert taken is not None
    assert taken["customer_id"] == data.CUSTOMERS[0]["id"]
    assert [each["quantity"] for each in taken["lines"]] == ["1", "2"]


async def test_nothing_typed_is_lost_by_a_reload(open_page: Open) -> None:
    """Lines, customer and deposit are there again after a reload, under the same order's key."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    await expect(page.get_by_test_id("total")).to_have_text("€49.90")
    await page.fill("#prepayment", "20")
    await page.fill("#customer", "Ms Novak")
    before = await page.evaluate("localStorage['holdfast.draft']")
    await page.reload()
    await expect(page.locator(".line-name")).to_have_text("Electric kettle 1.7 l, steel")
    await expect(page.locator("#prepayment")).to_have_value("20")
    await expect(page.locator("#customer")).to_have_value("Ms Novak")
    after = await page.evaluate("localStorage['holdfast.draft']")
    assert json.loads(after)["key"] == json.loads(before)["key"]


async def test_a_lost_line_keeps_the_order_and_takes_it_once(open_page: Open, chain: Chain) -> None:
    """The answer is lost: the page says so, keeps everything, and Enter again takes one order."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    await expect(page.get_by_test_id("total")).to_have_text("€49.90")
    before = len(chain.orders)
    await page.context.set_offline(True)
    await page.click("#accept")
    await expect(page.locator("#order-says")).to_contain_text("The line is lost")
    await page.context.set_offline(False)
    await page.click("#accept")
    await expect(page.get_by_test_id("accepted-number")).to_be_visible()
    assert len(chain.orders) == before + 1


async def hold_accept(page: Page) -> tuple[asyncio.Event, asyncio.Event]:
    """Holds the next order on its way: the first event says that it left, the second lets it go."""
    left, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(route: Route) -> None:
        left.set()
        await go_on.wait()
        await route.continue_()

    await page.route("**/take-order/accept", slowly)
    return left, go_on


@pytest.mark.parametrize("refused", [False, True])
async def test_nothing_is_lost_while_an_order_is_on_its_way(
    open_page: Open, chain: Chain, refused: bool
) -> None:
    """Scans and items belong to the next order once it is taken, and to it when it is refused."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    await expect(page.get_by_test_id("total")).to_have_text("€49.90")
    left, go_on = await hold_accept(page)
    await page.focus("#hold-days")
    await page.keyboard.press("Enter")
    await left.wait()
    await scan(page, MUG)
    await page.keyboard.press("F8")
    await page.keyboard.press("F9")
    await page.locator("#item").press_sequentially("lamp", delay=110)
    await page.keyboard.press("Enter")
    await expect(page.locator("#item")).to_have_value("")
    await scan(page, MUG)
    await expect(page.locator(".till-line")).to_have_count(1)
    await expect(page.locator("[name=pay][value=later]")).to_be_checked()
    with contextlib.ExitStack() as wrong:
        if refused:
            wrong.enter_context(chain.refusing("/orders", Refused(403, "Not in this store.")))
        go_on.set()
        kept = ["Stoneware mug, sea green", "Reading lamp with clamp"]
        if refused:
            kept.insert(0, "Electric kettle 1.7 l, steel")
            await expect(page.locator("#order-says")).to_have_text("Not in this store.")
        await expect(page.locator(".line-name")).to_have_text(kept)
    await expect(page.get_by_label("Quantity of Stoneware mug, sea green")).to_have_value("2")
    await expect(page.locator("#parked")).to_be_empty()


async def test_a_reload_while_an_order_is_on_its_way_keeps_the_scans(open_page: Open) -> None:
    """What was scanned meanwhile is there after the reload."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    await expect(page.get_by_test_id("total")).to_have_text("€49.90")
    left, go_on = await hold_accept(page)
    await page.click("#accept")
    await left.wait()
    await scan(page, MUG)
    await page.reload()
    await expect(page.locator(".till-line")).to_have_count(2)
    go_on.set()


async def lose_one_answer(page: Page) -> None:
    """The next order is taken, and its answer does not arrive."""

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/take-order/accept", lose, times=1)


async def test_an_order_sent_again_is_the_same_request(open_page: Open, chain: Chain) -> None:
    """The answer is lost after the order was taken: Enter again asks word for word the same."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    await expect(page.get_by_test_id("total")).to_have_text("€49.90")
    await lose_one_answer(page)
    await page.click("#accept")
    await expect(page.locator("#order-says")).to_contain_text("The line is lost")
    await page.reload()
    await page.click("#accept")
    await expect(page.get_by_test_id("accepted-number")).to_be_visible()
    first, again = [
        body for method, path, body, _ in chain.asked if (method, path) == ("POST", "/orders")
    ]
    assert first == again


async def test_an_item_added_after_a_lost_answer_is_not_lost(open_page: Open, chain: Chain) -> None:
    """The clerk is told that the order was taken without it; what is typed waits, parked."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    await expect(page.get_by_test_id("total")).to_have_text("€49.90")
    await lose_one_answer(page)
    await page.click("#accept")
    await expect(page.locator("#order-says")).to_contain_text("The line is lost")
    await scan(page, MUG)
    await expect(page.get_by_test_id("total")).to_have_text("€58.40")
    await page.keyboard.press("Enter")
    await expect(page.locator("#order-says")).to_contain_text("without your last change")
    await expect(page.get_by_test_id("accepted-number")).to_be_visible()
    await expect(page.locator(".till-line")).to_have_count(0)
    taken = len(chain.orders)
    await page.keyboard.press("F8")
    await expect(page.locator(".till-line")).to_have_count(2)
    await page.get_by_role("button", name="Remove Electric kettle").click()
    await page.keyboard.press("Enter")
    await expect(page.locator(".till-line")).to_have_count(0)
    assert len(chain.orders) == taken + 1
    assert [one["sku"] for one in list(chain.orders.values())[-1]["lines"]] == ["MUG-03"]


async def test_an_unknown_item_becomes_a_special_order_by_one_key(open_page: Open) -> None:
    """A word that no item has is taken by Enter, at the price that is typed."""
    page = await open_page("cashier", "/take-order")
    await page.locator("#item").press_sequentially("Brass bell", delay=110)
    await page.keyboard.press("Enter")
    await expect(page.locator(".line-description")).to_have_value("Brass bell")
    await expect(page.locator(".line-price")).to_be_focused()
    await page.keyboard.type("1250", delay=120)
    await expect(page.get_by_test_id("total")).to_have_text("€1,250.00")


async def test_a_refused_quantity_is_said_at_its_line(open_page: Open) -> None:
    """What cannot be is said beside the line, and the field has the focus."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    quantity = page.get_by_label("Quantity of Electric kettle 1.7 l, steel")
    await quantity.fill("0")
    await page.click("#accept")
    await expect(page.locator(".line-refusal")).to_have_text("Type a quantity above 0.")
    await expect(quantity).to_be_focused()


async def test_the_apis_refusal_is_said_beside_the_hold(open_page: Open, chain: Chain) -> None:
    """A hold that is longer than allowed is said at the hold's field in the API's words."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    await expect(page.get_by_test_id("total")).to_have_text("€49.90")
    refusal = Refused(422, "", [{"pointer": "/hold/until", "detail": "At most 90 days."}])
    with chain.refusing("/orders", refusal):
        await page.click("#accept")
        await expect(page.locator("#hold-says")).to_have_text("At most 90 days.")
    await expect(page.locator("#hold-days")).to_be_focused()


async def test_an_order_is_parked_and_brought_back(open_page: Open) -> None:
    """F8 puts the order aside for the next customer; F8 on the empty page brings it back."""
    page = await open_page("cashier", "/take-order")
    await scan(page, KETTLE)
    await expect(page.locator(".line-name")).to_have_text("Electric kettle 1.7 l, steel")
    await page.keyboard.press("F8")
    await expect(page.locator(".till-line")).to_have_count(0)
    await expect(page.locator("#parked")).to_contain_text("Parked")
    await page.keyboard.press("F8")
    await expect(page.locator(".line-name")).to_have_text("Electric kettle 1.7 l, steel")


async def test_pick_up_takes_four_keys(open_page: Open, chain: Chain) -> None:
    """Scan the paper's code, then H, Enter, Enter: handed over and paid."""
    page = await open_page("cashier", "/take-order")
    chain.orders[READY]["number"] = "1000412"
    await scan(page, "1000412")
    await page.wait_for_url(f"**/orders/{READY}")
    await page.keyboard.press("h")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/money?step=pay*")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("due")).to_have_text("€0.00")
    assert chain.shipments[0]["state"] == "posted"


async def test_a_key_pressed_while_a_payment_is_on_its_way_opens_the_next_step(
    open_page: Open,
) -> None:
    """Nobody waits for the page to change: the key's step is open on the page that comes."""
    page = await open_page("cashier", f"/orders/{READY}/money?step=pay")
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(route: Route) -> None:
        if route.request.method == "POST":
            arrived.set()
            await go_on.wait()
        await route.continue_()

    await page.route("**/orders/**", slowly)
    await page.get_by_role("button", name="Post the payment").click(no_wait_after=True)
    await arrived.wait()
    await page.keyboard.press("i")
    go_on.set()
    await expect(page.get_by_test_id("due")).to_have_text("€0.00")
    await expect(page.locator("details.step[open] summary")).to_have_attribute("data-key", "i")


async def test_the_pages_work_without_scripts(
    open_page: Open, browser: object, address: str
) -> None:
    """A payment is taken by plain forms, with scripts switched off."""
    context = await browser.new_context(java_script_enabled=False, base_url=address)  # type: ignore[attr-defined]
    page = await context.new_page()
    await page.goto("/sign-in")
    await page.fill("#username", "manager@demo.example")
    await page.fill("#password", "demo")
    await page.press("#password", "Enter")
    await page.goto(f"/orders/{READY}/money?step=pay")
    await page.fill("#pay-amount", "58.80")
    await page.get_by_role("button", name="Post the payment").click()
    await expect(page.get_by_test_id("due")).to_have_text("€100.00")
    await context.close()


async def test_rows_by_keyboard_and_totals(open_page: Open) -> None:
    """Arrows walk the journal, x selects, the totals of the selection are shown."""
    page = await open_page("manager", "/orders")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("x")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("x")
    await expect(page.locator("#selected")).to_contain_text("Selected: 2")
    await expect(page.locator("#selected")).to_contain_text("€2,152.80")


async def test_the_references_open_from_here_alone(open_page: Open) -> None:
    """The playground and the event reference show themselves without a foreign request."""
    page = await open_page("manager", "/api/v1/docs")
    await expect(page.locator("#swagger-ui .info")).to_contain_text("Holdfast")
    await page.goto("/api/v1/events/docs")
    await expect(page.locator("h1")).to_contain_text("Holdfast events")
