"""Items, customers' cards and the settings, through the API."""

import asyncio
from uuid import UUID

from chassis.ids import uuid7
from chassis.testing import Bench, until_some_wait_for_a_lock
from contracts.identity import Role
from contracts.orders import CustomerErased, CustomerState, ItemState
from orders.customers.handlers import change_customer

from .conftest import OTHER_STORE, STORE, add_item, see, take


async def test_items_are_found_by_name_sku_and_barcode(shop: Bench) -> None:
    """A scan finds one item, words find those whose words begin so."""
    body = {"sku": "OAK-1", "name": "Oak chair", "unit": "piece", "price": "9.5",
            "currency": "EUR", "barcodes": ["4600001", "4600001"], "tax_rate": "20"}  # fmt: skip
    made = (await shop.http.post("/items", json=body)).json()
    assert (made["price"], made["barcodes"], made["tax_rate"]) == ("9.50", ["4600001"], "20")
    for query in ("barcode=4600001", "q=cha", "q=oak-1", "q=OAK chair"):
        items = (await shop.http.get(f"/items?{query}")).json()["items"]
        assert [item["sku"] for item in items] == ["OAK-1"], query
    assert (await shop.http.get("/items?q=nothing")).json()["items"] == []
    page = (await shop.http.get("/items?limit=2")).json()
    assert [item["sku"] for item in page["items"]] == ["OAK-1", "RICE"]
    rest = (await shop.http.get(f"/items?limit=2&cursor={page['next_cursor']}")).json()
    assert [item["sku"] for item in rest["items"]] == ["TEA"]


async def test_an_item_changes_and_everyone_hears(shop: Bench) -> None:
    """A new price is said with the next version; a stale change and an unknown item are refused."""
    answer = await shop.http.patch("/items/TEA", json={"price": "250"}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    states = [state for state in await shop.said(ItemState) if state.sku == "TEA"]
    assert [str(state.price) for state in states] == ["200.00", "250.00"]
    stale = await shop.http.patch("/items/TEA", json={"price": "1"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    unknown = await shop.http.patch("/items/NONE", json={}, headers={"If-Match": "*"})
    assert unknown.status_code == 404


async def test_a_sku_and_a_barcode_are_one_items(shop: Bench) -> None:
    """Another item under the SKU or with the barcode is refused; the same again is the same."""
    await add_item(shop, "CUP")
    assert (await add_item(shop, "CUP"))["version"] == 1
    body = {"sku": "CUP", "name": "Other", "price": "1", "currency": "EUR"}
    assert (await shop.http.post("/items", json=body)).status_code == 409
    first = {**body, "sku": "A", "barcodes": ["77"]}
    assert (await shop.http.post("/items", json=first)).status_code == 201
    taxed = await shop.http.post("/items", json={**first, "tax_rate": "20"})
    assert (taxed.status_code, taxed.json()["errors"][0]["pointer"]) == (409, "/sku")
    taken = await shop.http.post("/items", json={**first, "sku": "B"})
    assert (taken.status_code, taken.json()["errors"][0]["pointer"]) == (409, "/barcodes")
    assert (await shop.http.get("/items/B")).status_code == 404
    reserved = await shop.http.post("/items", json={**body, "sku": "S-1"})
    assert reserved.status_code == 422


async def test_bad_items_are_refused(shop: Bench) -> None:
    """Wrong units, prices and texts are refused with a pointer."""
    good = {"sku": "X", "name": "X", "price": "1", "currency": "EUR"}
    for field, value in (
        ("unit", "litre"),
        ("price", "-1"),
        ("price", "1.00001"),
        ("price", 1.5),
        ("currency", "XXX"),
        ("name", "a\x00b"),
        ("sku", "../x"),
        ("tax_rate", "101"),
    ):
        answer = await shop.http.post("/items", json={**good, field: value})
        assert answer.status_code == 422, field
        assert [e["pointer"] for e in answer.json()["errors"]] == [f"/{field}"]


async def test_customers_are_found_by_telephone_name_and_card(shop: Bench) -> None:
    """The last four digits, the whole number, words of the name or the card find a customer."""
    body = {
        "name": "Anna Berg",
        "phone": "+358 40 555 0123",
        "card_number": "K-9",
        "language": "fi",
    }
    card = (await shop.http.post("/customers", json=body)).json()
    for q in ("0123", "+358 40 555 0123", "ber", "anna b", "K-9"):
        items = (await shop.http.get("/customers", params={"q": q})).json()["items"]
        assert [item["id"] for item in items] == [card["id"]], q
    assert (await shop.http.get("/customers?q=9999")).json()["items"] == []
    twin = await shop.http.post("/customers", json={"name": "Twin", "card_number": "K-9"})
    assert (twin.status_code, twin.json()["errors"][0]["pointer"]) == (409, "/card_number")


async def test_one_key_makes_one_card(shop: Bench) -> None:
    """The same request at once makes one card; the client's id is kept."""
    body = {"id": str(uuid7()), "name": "Anna Berg"}
    headers = {"Idempotency-Key": "k"}
    answers = await asyncio.gather(
        *(shop.http.post("/customers", json=body, headers=headers) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    again = await shop.http.post("/customers", json=body, headers=headers)
    assert (again.status_code, again.json()["id"]) == (201, body["id"])
    assert len(await shop.said(CustomerState)) == 1


async def test_an_erased_customer_is_unreadable(shop: Bench) -> None:
    """Erasure leaves no name in the card, the order, the search, or what waits to be replayed."""
    card = (
        await shop.http.post("/customers", json={"name": "Canary Zed", "phone": "5550123"})
    ).json()
    order = await take(shop, customer_id=card["id"])
    path, headers = f"/customers/{card['id']}", {"If-Match": "*"}
    async with shop.client(Role.CASHIER) as cashier:
        assert (await cashier.delete(path, headers=headers)).status_code == 403
    assert (await shop.http.delete(path)).status_code == 428
    assert (await shop.http.delete(path, headers=headers)).status_code == 204
    assert (await shop.http.get(path)).status_code == 404
    assert (await shop.http.delete(path, headers=headers)).status_code == 404
    assert (await see(shop, order))["customer"] == {"id": card["id"], "name": ""}
    assert (await shop.http.get("/customers?q=canary")).json()["items"] == []
    assert [said.customer_key for said in await shop.said(CustomerErased)] == [card["id"]]
    async with shop.db.reading() as tx:
        for table in ("customers", "outbox", "orders", "order_history"):
            rows = await tx.exec_driver_sql(f"SELECT t::text FROM {table} AS t")
            text = " ".join(rows.scalars())
            assert "Canary" not in text
            assert "43616e617279" not in text  # The same in bytes.


async def test_a_name_typed_into_an_order_is_erased(shop: Bench) -> None:
    """A customer without a card can be forgotten too: the order stays, the name is nowhere."""
    order = await take(shop, customer_name="Canary Zed")
    path, headers = f"/orders/{order['id']}/customer-name", {"If-Match": f'"{order["version"]}"'}
    async with shop.client(Role.CASHIER) as cashier:
        assert (await cashier.delete(path, headers=headers)).status_code == 403
    async with shop.client(store_ids=[OTHER_STORE]) as stranger:
        assert (await stranger.delete(path, headers=headers)).status_code == 404
    assert (await shop.http.delete(path, headers={"If-Match": '"9"'})).status_code == 412
    assert (await shop.http.delete(path, headers=headers)).status_code == 204
    assert (await shop.http.delete(path, headers={"If-Match": "*"})).status_code == 404
    after = await see(shop, order)
    assert (after["customer"], after["status"]) == (None, order["status"])
    assert (await shop.http.get("/orders?q=canary")).json()["items"] == []
    assert [said.customer_key for said in await shop.said(CustomerErased)] == [order["id"]]
    async with shop.db.reading() as tx:
        for table in ("outbox", "orders", "order_history", "idempotency"):
            rows = await tx.exec_driver_sql(f"SELECT t::text FROM {table} AS t")
            text = " ".join(rows.scalars()).lower()
            assert "canary" not in text
            assert "63616e617279" not in text  # The same in bytes.
            assert "43616e617279" not in text


async def test_a_card_changes(shop: Bench) -> None:
    """What is given changes, null takes away, and everyone hears the next version."""
    card = (await shop.http.post("/customers", json={"name": "Anna", "phone": "5550123"})).json()
    path = f"/customers/{card['id']}"
    body = {"phone": None, "email": "anna@example.com"}
    changed = await shop.http.patch(path, json=body, headers={"If-Match": '"1"'})
    assert (changed.json()["phone"], changed.json()["name"]) == (None, "Anna")
    assert [state.email for state in await shop.said(CustomerState)] == [None, "anna@example.com"]
    bad = await shop.http.patch(path, json={"email": "nope"}, headers={"If-Match": "*"})
    assert bad.status_code == 422


async def test_two_cards_do_not_get_one_number_in_the_same_moment(shop: Bench) -> None:
    """Whoever comes second is refused, and may use the same key with another number."""
    first, second = [
        (await shop.http.post("/customers", json={"name": name})).json()["id"]
        for name in ("Anna Berg", "Boris Godunov")
    ]
    path, headers = f"/customers/{second}", {"If-Match": "*", "Idempotency-Key": "k"}
    body = {"card_number": "K-9"}
    async with shop.db.engine.begin() as tx:
        await change_customer(tx, UUID(first), lambda card: None, body)
        changing = asyncio.create_task(shop.http.patch(path, json=body, headers=headers))
        await until_some_wait_for_a_lock(shop.db)
    taken = await changing
    assert (taken.status_code, taken.json()["errors"][0]["pointer"]) == (409, "/card_number")
    assert (await shop.http.get(path)).json()["card_number"] is None
    free = await shop.http.patch(path, json={"card_number": "K-10"}, headers=headers)
    assert (free.status_code, free.json()["card_number"]) == (200, "K-10")


async def test_what_concerns_every_store_is_for_who_runs_them_all(shop: Bench) -> None:
    """A manager of some stores changes neither the settings nor the catalogue of the chain."""
    item = {"sku": "CUP", "name": "Cup", "price": "1", "currency": "EUR"}
    any_version = {"If-Match": "*"}
    async with shop.client(store_ids=[STORE]) as manager:
        answers = [
            await manager.patch(
                "/order-settings", json={"prepayment_percent": "1"}, headers=any_version
            ),
            await manager.post("/items", json=item),
            await manager.patch("/items/TEA", json={"price": "1"}, headers=any_version),
        ]
        assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert (await shop.http.get("/order-settings")).json()["prepayment_percent"] == "50"
    assert (await shop.http.get("/items/CUP")).status_code == 404
    assert (await shop.http.get("/items/TEA")).json()["price"] == "200.00"


async def test_settings_change_for_managers_alone(shop: Bench) -> None:
    """A manager changes what is given; a cashier may not; a stale change is refused."""
    before = await shop.http.get("/order-settings")
    assert before.json()["prepayment_percent"] == "50"
    headers = {"If-Match": before.headers["ETag"]}
    body = {"first_status": {"counter": "pending_approval"}}
    async with shop.client(Role.CASHIER) as cashier:
        refused = await cashier.patch("/order-settings", json=body, headers=headers)
        assert refused.status_code == 403
    after = (await shop.http.patch("/order-settings", json=body, headers=headers)).json()
    assert after["first_status"]["counter"] == "pending_approval"
    assert after["first_status"]["phone"] == "agreed"
    assert (await shop.http.patch("/order-settings", json=body, headers=headers)).status_code == 412
    wrong = {"first_status": {"counter": "closed"}}
    answer = await shop.http.patch("/order-settings", json=wrong, headers={"If-Match": "*"})
    assert answer.status_code == 422
