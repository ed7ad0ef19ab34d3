"""Customers, stock, today, settings, system, search and the till's questions."""

import httpx
import pytest
from fastapi import FastAPI

from . import fake_data as data
from .conftest import Services, SignIn, form_key, form_token
from .fake_api import Chain, Refused

JSON = {"accept": "application/json"}
ASKED: list[data.Json] = [
    {"sku": "KET-17", "quantity": "2"},
    {"special": {"description": "Brass bell"}, "quantity": "1", "unit_price": "1250.00"},
]


def draft(**over: object) -> data.Json:
    order: data.Json = {
        "id": data.id_of("draft"),
        "store_id": data.STORES[0]["id"],
        "channel": "counter",
        "lines": [{"sku": "KET-17", "quantity": "2"}],
        "hold": {"method": "separate", "warehouse_id": data.WAREHOUSES[0]["id"]},
    }
    return {"key": data.id_of("key"), "order": order, "pay": None} | over


async def csrf_of(client: httpx.AsyncClient) -> dict[str, str]:
    return JSON | {"x-csrf-token": form_token((await client.get("/take-order")).text)}


async def test_a_new_customer_is_added_and_shown(chain: Chain, sign_in: SignIn) -> None:
    """The card is made once and its page opens."""
    client = await sign_in("cashier")
    page = (await client.get("/customers")).text
    form = {
        "csrf": form_token(page),
        "key": form_key(page, "/customers"),
        "name": "Eero",
        "language": "fi",
    }
    answer = await client.post("/customers", data=form)
    shown = await client.get(answer.headers["location"])
    assert "Eero" in shown.text
    assert chain.customers[-1]["language"] == "fi"


async def test_a_wrong_address_is_said_at_its_field(sign_in: SignIn) -> None:
    """The sentence of the API stands at the e-mail, and the name stays typed."""
    client = await sign_in("cashier")
    page = (await client.get("/customers")).text
    form = {
        "csrf": form_token(page),
        "key": form_key(page, "/customers"),
        "name": "Eero",
        "email": "eero",
    }
    answer = await client.post("/customers", data=form)
    assert answer.status_code == 422
    assert 'id="c-email-refusal" role="alert">Write the address as name@place.' in answer.text
    assert 'value="Eero"' in answer.text


async def test_stock_says_what_may_be_promised(sign_in: SignIn) -> None:
    """An item's stock is shown by warehouse with what is broken."""
    page = (await (await sign_in("manager")).get("/stock?sku=CHAIR9")).text
    assert "Oak dining chair" in page
    assert "1 broken" in page
    assert "+12" in page


async def test_today_names_what_waits(sign_in: SignIn) -> None:
    """The manager sees the order that waits for approval and the parked record."""
    page = (await (await sign_in("manager")).get("/today")).text
    assert "S02-000093" in page
    assert "records parked" in page


async def test_settings_change_with_the_version_that_was_read(
    chain: Chain, sign_in: SignIn
) -> None:
    """The percentage is saved if nobody changed it meanwhile; a wrong one is said at its field."""
    client = await sign_in("manager")
    page = (await client.get("/settings")).text
    form = {
        "csrf": form_token(page),
        "key": "once",
        "etag": '"7"',
        "prepayment_percent": "30",
        "first-site": "agreed",
    }
    assert (await client.post("/settings/orders", data=form)).status_code == 303
    assert 'name="key"' in page
    assert "once" in [headers.get("idempotency-key") for *_, headers in chain.asked]
    assert chain.settings["prepayment_percent"] == "30"
    assert chain.settings["first_status"] == {"site": "agreed"}
    wrong = await client.post("/settings/orders", data=form | {"prepayment_percent": "130"})
    assert 'id="percent-refusal" role="alert">Type 0 to 100.' in wrong.text
    stale = await client.post("/settings/orders", data=form | {"etag": '"6"'})
    assert stale.status_code == 412
    assert "Somebody changed this in the meantime" in stale.text


async def test_a_store_changes_how_it_holds(chain: Chain, sign_in: SignIn) -> None:
    """A store's method and days are saved and shown at once."""
    client = await sign_in("manager")
    page = (await client.get("/settings")).text
    store = chain.stores[1]["id"]
    form = {
        "csrf": form_token(page),
        "hold_method": "separate",
        "held_goods_sale": "block",
        "hold_days": "5",
    }
    assert (await client.post(f"/settings/stores/{store}", data=form)).status_code == 303
    assert chain.stores[1]["hold_days"] == 5
    assert 'value="5"' in (await client.get("/settings")).text


async def test_the_operator_replays_a_parked_record(chain: Chain, sign_in: SignIn) -> None:
    """A parked record is shown with its error and tried again by one button."""
    client = await sign_in("manager")
    page = (await client.get("/system")).text
    assert "AmountTooLarge" in page
    action = "/system/billing/parked/17/replay"
    form = {"csrf": form_token(page), "key": form_key(page, action)}
    assert (await client.post(action, data=form)).status_code == 303
    assert chain.asked[-1][:2] == ("POST", action)


async def test_a_service_that_is_away_is_named(services: Services, sign_in: SignIn) -> None:
    """The operator reads which service is not ready."""
    services.away.add("shipping")
    page = (await (await sign_in("manager")).get("/system")).text
    assert "6 / 7" in page
    assert "ConnectError" in page


async def test_search_finds_orders_people_and_goods(sign_in: SignIn) -> None:
    """One field finds an order by its number, a customer by name and an item."""
    client = await sign_in("cashier")
    assert "S01-000411" in (await client.get("/search?q=000411")).text
    assert "Aino Virtanen" in (await client.get("/search?q=aino")).text
    part = await client.get("/search?q=kettle", headers={"hx-request": "true"})
    assert "KET-17" in part.text
    assert "<html" not in part.text


async def test_a_scan_is_an_item_or_an_order(sign_in: SignIn) -> None:
    """The till knows barcodes, SKUs and the numbers of its own papers."""
    client = await sign_in("cashier")

    async def scan(code: str) -> data.Json:
        found: data.Json = (await client.get("/take-order/scan", params={"code": code})).json()
        return found

    assert (await scan("4006381333931"))["item"]["sku"] == "KET-17"
    assert (await scan("mug-03"))["item"]["name"].startswith("Stoneware")
    assert (await scan("S01-000412"))["address"].startswith("/orders/")
    assert await scan("0000000000000") == {"kind": "none"}


async def test_a_line_is_told_what_can_be_promised(sign_in: SignIn) -> None:
    """This store, the others and expected receipts are counted apart."""
    client = await sign_in("cashier")
    found = await client.get(f"/take-order/stock?store_id={data.STORES[0]['id']}&sku=CHAIR9")
    assert found.json()["stock"]["CHAIR9"] | {"warehouses": None} == {
        "here": "0",
        "elsewhere": "8",
        "expected": "12",
        "warehouses": None,
    }


async def test_an_order_is_taken_once_and_its_deposit_with_it(
    chain: Chain, sign_in: SignIn
) -> None:
    """Enter pressed again after a lost answer takes neither a second order nor a second deposit."""
    client = await sign_in("cashier")
    headers = await csrf_of(client)
    body = draft(pay={"key": data.id_of("pay"), "amount": "49.90", "method": "cash"})
    before = len(chain.orders), len(chain.payments)
    for _ in range(2):
        answer = await client.post("/take-order/accept", json=body, headers=headers)
        assert answer.status_code == 201
        assert answer.json()["payment_problem"] is None
    assert (len(chain.orders), len(chain.payments)) == (before[0] + 1, before[1] + 1)
    shown = await client.get(f"/take-order/accepted/{answer.json()['order']['id']}")
    assert "Paid €49.90, left €49.90" in shown.text


async def test_a_refused_line_keeps_its_pointer(sign_in: SignIn) -> None:
    """The page learns which line was refused and why, so that it can say it there."""
    client = await sign_in("cashier")
    body = draft()
    body["order"]["lines"][0]["quantity"] = "0"
    answer = await client.post("/take-order/accept", json=body, headers=await csrf_of(client))
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/lines/0/quantity", "detail": "Type a quantity above 0."}
    ]


async def test_an_order_that_got_through_is_found_again(chain: Chain, sign_in: SignIn) -> None:
    """The answer was lost and the key with it: the first order stands and is shown."""
    client = await sign_in("cashier")
    headers = await csrf_of(client)
    await client.post("/take-order/accept", json=draft(), headers=headers)
    with chain.refusing("/orders", Refused(409, "This order exists with other lines.")):
        answer = await client.post("/take-order/accept", json=draft(), headers=headers)
    assert answer.status_code == 201
    assert answer.json()["order"]["id"] == data.id_of("draft")


@pytest.mark.parametrize(
    "change",
    [
        {"lines": [*ASKED, {"sku": "MUG-03", "quantity": "1"}]},
        {"lines": [ASKED[0] | {"quantity": "3"}, ASKED[1]]},
        {"lines": [ASKED[0] | {"unit_price": "45.00"}, ASKED[1]]},
        {"lines": [ASKED[0], ASKED[1] | {"special": {"description": "Bronze bell"}}]},
        {"prepayment": "20.00"},
        {"customer_name": "Ms Novak"},
        {"channel": "phone"},
        {"hold": {"method": "reserve", "warehouse_id": data.WAREHOUSES[0]["id"]}},
    ],
)
async def test_a_draft_that_changed_after_it_was_taken_is_refused(
    chain: Chain, sign_in: SignIn, change: data.Json
) -> None:
    """The clerk is told that the order is without the change, and no deposit is taken on it."""
    client = await sign_in("cashier")
    headers = await csrf_of(client)
    body = draft()
    body["order"]["lines"] = ASKED
    await client.post("/take-order/accept", json=body, headers=headers)
    paid = len(chain.payments)
    body["order"] |= change
    body["pay"] = {"key": data.id_of("pay"), "amount": "10", "method": "cash"}
    answer = await client.post("/take-order/accept", json=body, headers=headers)
    assert answer.status_code == 409
    number = chain.orders[data.id_of("draft")]["number"]
    assert answer.json()["sentence"].startswith(f"Order {number} was taken already")
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/id"]
    assert len(chain.payments) == paid


async def test_a_deposit_that_is_refused_leaves_the_order(chain: Chain, sign_in: SignIn) -> None:
    """The order stands and the till says what happened to the money."""
    client = await sign_in("cashier")
    body = draft(pay={"key": data.id_of("pay"), "amount": "1", "method": "cash"})
    with chain.refusing("/payments", Refused(422, "The till of this store is closed.")):
        answer = await client.post("/take-order/accept", json=body, headers=await csrf_of(client))
    assert answer.status_code == 201
    assert answer.json()["payment_problem"] == "The till of this store is closed."


async def test_taking_an_order_needs_our_own_page(chain: Chain, sign_in: SignIn) -> None:
    """A script of another site cannot take an order in the clerk's name."""
    client = await sign_in("cashier")
    before = len(chain.orders)
    answer = await client.post("/take-order/accept", json=draft(), headers=JSON)
    assert answer.status_code == 403
    assert len(chain.orders) == before


async def test_a_page_that_breaks_says_what_to_do(app: FastAPI, sign_in: SignIn) -> None:
    """An unknown page and an unknown order are said in words, not in code."""
    client = await sign_in("cashier")
    for path in ("/nowhere", f"/orders/{data.id_of('no order')}", "/orders/not-an-id"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "There is no such page" in answer.text


async def test_an_empty_chain_says_what_to_do_first(chain: Chain, sign_in: SignIn) -> None:
    """Before the first store, order or customer every page says what to do."""
    chain.orders.clear()
    chain.customers.clear()
    chain.payments.clear()
    manager, customer = await sign_in("manager"), await sign_in("customer")
    with chain.refusing("/system/billing/parked", Refused(404, "")):
        for path in (
            "/take-order",
            "/orders",
            "/today",
            "/customers",
            "/stock?sku=NONE",
            "/system",
        ):
            assert (await manager.get(path)).status_code == 200, path
    assert "Take the first order" in (await manager.get("/orders")).text
    assert "No order fits these filters" in (await manager.get("/orders?status=ready")).text
    assert "Add the first one" in (await manager.get("/customers")).text
    assert "Nobody fits" in (await manager.get("/customers?q=zzz")).text
    assert "No orders yet" in (await customer.get("/my/orders")).text
    chain.stores.clear()
    assert "There is no store yet" in (await (await sign_in("owner")).get("/take-order")).text
