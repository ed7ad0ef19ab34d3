"""The order's page under a clerk's hand: what was typed stays, and no key is lost."""

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from . import fake_data as data
from .conftest import Open
from .fake_api import Chain

pytestmark = pytest.mark.asyncio(loop_scope="module")  # The browser's.
HELD_MAX_S = 20  # A test that fails must not hold its page for ever.
READY = data.id_of("order S01-000412")
OTHER = data.id_of("order S01-000411")


class Held:
    """Requests that wait until the test lets them go on."""

    def __init__(self) -> None:
        self.arrived, self.go_on = asyncio.Event(), asyncio.Event()

    async def wait(self, route: Route) -> None:
        self.arrived.set()
        async with asyncio.timeout(HELD_MAX_S):
            await self.go_on.wait()
        await route.continue_()


async def hold_refresh(page: Page) -> Held:
    """Holds what the page asks of the order by itself."""
    held = Held()

    async def slowly(route: Route) -> None:
        if "hx-request" in route.request.headers:
            await held.wait(route)
        else:
            await route.continue_()

    await page.route("**/orders/**", slowly)
    return held


async def hold_posts(page: Page) -> Held:
    """Holds the forms that the page sends."""
    held = Held()

    async def slowly(route: Route) -> None:
        if route.request.method == "POST":
            await held.wait(route)
        else:
            await route.continue_()

    await page.route("**/orders/**", slowly)
    return held


async def hand_over_one_kettle(page: Page, chain: Chain) -> None:
    """One kettle of two and nothing else: 49.90 less its share of the deposit is due now."""
    kettle, *others = chain.orders[READY]["lines"]
    await page.fill(f"#hand-{kettle['id']}", "1")
    for line in others:
        await page.fill(f"#hand-{line['id']}", "0")
    await page.get_by_role("button", name="Hand over these goods").click()


async def test_a_refresh_keeps_what_is_due_now(open_page: Open, chain: Chain) -> None:
    """After a part is handed over the till still asks for that part once the page is redrawn."""
    page = await open_page("cashier", f"/orders/{READY}?step=hand_over")
    held = await hold_refresh(page)
    await hand_over_one_kettle(page, chain)
    await expect(page.locator("#pay-amount")).to_have_value("28.42")
    await held.arrived.wait()
    chain.orders[READY]["customer"]["name"] = "Ms Novak"
    held.go_on.set()
    await expect(page.locator(".order-customer")).to_have_text("Ms Novak")
    await expect(page.locator("#pay-amount")).to_have_value("28.42")
    await page.get_by_role("button", name="Post the payment").click()
    await expect(page.get_by_test_id("due")).to_have_text("€130.38")


@pytest.mark.parametrize("choice", ["amount", "method"])
async def test_a_refresh_draws_nothing_over_what_was_changed(
    open_page: Open, chain: Chain, choice: str
) -> None:
    """What was typed or chosen stays; put back, it lets the page be redrawn."""
    page = await open_page("cashier", f"/orders/{READY}?step=hand_over")
    held = await hold_refresh(page)
    await hand_over_one_kettle(page, chain)
    await held.arrived.wait()
    amount = page.locator("#pay-amount")
    card, cash = (page.locator(f"[name=method][value={one}]").last for one in ("card", "cash"))
    if choice == "amount":
        await amount.fill("20")
    else:
        await card.dispatch_event("click")
    await page.get_by_role("button", name="Post the payment").focus()
    chain.orders[READY]["customer"]["name"] = "Ms Novak"
    answered = await page.evaluate_handle(
        "({ done: new Promise((go) => addEventListener('htmx:finally:request', go)) })"
    )
    held.go_on.set()
    await answered.evaluate("async (one) => { await one.done; }")
    await expect(page.locator(".order-customer")).to_have_text("Aino Virtanen")
    if choice == "amount":
        await expect(amount).to_have_value("20")
        await amount.fill("28.42")
    else:
        await expect(card).to_be_checked()
        await cash.dispatch_event("click")
    await page.get_by_role("button", name="Post the payment").focus()
    await expect(page.locator(".order-customer")).to_have_text("Ms Novak")


@pytest.mark.parametrize(
    ("language", "numbers"),
    [
        ("en", ["1250", "1250.50", "-1250000", "12.5", "0.250", "1250.500", None]),
        ("fi", ["1.250", "1250.50", None, "12.5", "0.250", "1250.500", None]),
    ],
)
async def test_scripts_read_a_typed_number_as_the_language_writes_it(
    open_page: Open, language: str, numbers: list[str | None]
) -> None:
    """In English 1,250 is what the page itself writes for a thousand and more."""
    page = await open_page("cashier", "/take-order", language=language)
    texts = ["1,250", "1,250.50", "−1,250,000", "12,5", "0,250", "1250,500", "twelve"]
    script = await page.evaluate(
        "document.querySelector('script[type=module]').src.replace('app.js', 'decimal.js')"
    )
    read = "async ([script, texts]) => texts.map((await import(script)).typed)"
    assert await page.evaluate(read, [script, texts]) == numbers


async def test_a_key_after_enter_in_a_field_opens_the_next_step(
    open_page: Open, chain: Chain
) -> None:
    """The focus stays in the amount after Enter; the next step's key is still no text of it."""
    page = await open_page("cashier", f"/orders/{READY}/money?step=pay")
    held = await hold_posts(page)
    await page.fill("#pay-amount", "100")
    await page.keyboard.press("Enter")
    await held.arrived.wait()
    await page.keyboard.press("i")
    held.go_on.set()
    await expect(page.get_by_test_id("due")).to_have_text("€58.80")
    await expect(page.locator("details.step[open] summary")).to_have_attribute("data-key", "i")
    assert chain.payments[-1]["amount"] == "100"


async def test_an_early_key_is_for_its_own_order_alone(open_page: Open) -> None:
    """Whoever goes to another order meanwhile finds that order as it is."""
    page = await open_page("cashier", f"/orders/{READY}/money?step=pay")
    held = await hold_posts(page)
    await page.get_by_role("button", name="Post the payment").click(no_wait_after=True)
    await held.arrived.wait()
    await page.keyboard.press("i")
    await page.goto(f"/orders/{OTHER}")
    await expect(page.locator("details.step[open] summary")).to_have_attribute("data-key", "p")
    held.go_on.set()


async def test_a_stopped_form_can_be_sent_again(open_page: Open) -> None:
    """When no answer comes any more, the form, its keys and the live page work again."""
    page = await open_page("cashier", "/")
    await page.clock.install()
    await page.goto(f"/orders/{READY}/money?step=pay")
    # The browser stays where it is, as after its Stop.
    await page.route("**/pay", lambda route: route.abort("aborted"))
    await page.get_by_role("button", name="Post the payment").click(no_wait_after=True)
    form = page.locator("form[action$='/pay']")
    await expect(form).to_have_attribute("data-sent", re.compile("."))
    await page.clock.fast_forward(59_000)
    await expect(form).to_have_attribute("data-sent", re.compile("."))
    await page.clock.fast_forward(2_000)
    await expect(form).not_to_have_attribute("data-sent", re.compile("."))
    await page.keyboard.press("i")
    await expect(page.locator("details.step[open] summary")).to_have_attribute("data-key", "i")
