"""The JSON edge: what stores and warehouses answer, and how mistakes are told."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from chassis.ids import uuid7
from chassis.testing import Bench, client_of, token
from contracts.identity import Role
from contracts.inventory import StoreState
from inventory.stock.store import keep_items

from .conftest import Line, Shop, check_explained, item, rows, tea

OLD_ID = "01900000-0000-7000-8000-00000000aaaa"


def pointers(answer: httpx.Response) -> list[str]:
    assert answer.headers["content-type"].startswith("application/problem+json")
    return [error["pointer"] for error in answer.json()["errors"]]


async def test_a_store_opens_with_sensible_settings_and_no_warehouse(inventory: Bench) -> None:
    """A new store holds for 3 days and warns; warehouses are added by their own call."""
    answer = await inventory.http.post("/stores", json={"code": "B", "name": "Second"})
    assert answer.status_code == 201
    store = answer.json()
    assert (store["hold_days"], store["held_goods_sale"]) == (3, "warn")
    assert rows(await inventory.http.get("/warehouses", params={"store_id": store["id"]})) == []
    (state,) = await inventory.said(StoreState)
    assert (state.code, state.warehouses) == ("B", ())


async def test_stores_are_listed_by_code_page_by_page(inventory: Bench) -> None:
    """Pages of one give every store once, in order of the code."""
    for code in ("C", "A", "b"):
        await inventory.http.post("/stores", json={"code": code, "name": code})
    codes: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        params = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await inventory.http.get("/stores", params=params)).json()
        codes += [one["code"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert (codes, cursor) == (["A", "C", "b"], None)


async def test_a_store_is_changed_by_who_saw_its_newest_state(shop: Shop) -> None:
    """PATCH needs If-Match (428), refuses a stale one (412), and says the store anew."""
    http, path = shop.bench.http, f"/stores/{shop.store_id}"
    etag = (await http.get(path)).headers["ETag"]
    assert (await http.patch(path, json={"hold_days": 5})).status_code == 428
    stale = {"If-Match": '"999"'}
    assert (await http.patch(path, json={"hold_days": 5}, headers=stale)).status_code == 412
    done = await http.patch(
        path, json={"hold_days": 5, "hold_method": "separate"}, headers={"If-Match": etag}
    )
    assert done.status_code == 200
    assert done.headers["ETag"] != etag
    last = (await shop.bench.said(StoreState))[-1]
    assert (last.hold_days, last.hold_method, last.held_goods_sale) == (5, "separate", "warn")
    too_long = await http.patch(path, json={"hold_days": 91}, headers={"If-Match": "*"})
    assert (too_long.status_code, pointers(too_long)) == (422, ["/hold_days"])


async def test_a_store_change_sent_again_is_done_once(shop: Shop) -> None:
    """The answer was lost: the same key gives it again, not that the version is stale."""
    http, path = shop.bench.http, f"/stores/{shop.store_id}"
    headers = {"If-Match": (await http.get(path)).headers["ETag"], "Idempotency-Key": "once"}
    answers = [await http.patch(path, json={"hold_days": 5}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


async def test_the_default_method_counts_for_new_orders_only(shop: Shop) -> None:
    """An order taken nominal stays nominal after the default becomes separate (5)."""
    await shop.receive("10")
    line = tea("2")
    order = await shop.hold(line, method="nominal")
    await shop.settings(hold_method="separate")
    await shop.hold(tea("3", line.line_id), order_id=order, revision=2, method="nominal")
    assert (await shop.last(order)).method == "nominal"
    assert "temporary_storage" not in await shop.stock()


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"code": "S1", "name": "Again"}, 409, "/code"),
        ({"code": "S 2", "name": "Blank"}, 422, "/code"),
        ({"code": "S2"}, 422, "/name"),
        ({"code": "S2", "name": "x", "hold_method": "both"}, 422, "/hold_method"),
        ({"code": "S2", "name": "x", "colour": "red"}, 422, "/colour"),
        ({"code": "S2", "name": "a\u0007b"}, 422, "/name"),
    ],
)
async def test_a_wrong_store_is_refused(
    shop: Shop, body: dict[str, Any], status: int, pointer: str
) -> None:
    """Each mistake names its field, and no store appears."""
    answer = await shop.bench.http.post("/stores", json=body)
    assert (answer.status_code, pointers(answer)) == (status, [pointer])
    assert len(rows(await shop.bench.http.get("/stores"))) == 1


async def test_warehouses_hang_where_they_may(shop: Shop) -> None:
    """Temporary storage hangs below one main warehouse, once; a main one below none."""
    http, main = shop.bench.http, str(shop.warehouse_id)
    store = {"store_id": str(shop.store_id)}
    below = {**store, "kind": "temporary_storage", "parent_id": main}
    alone = await http.post("/warehouses", json={**store, "kind": "temporary_storage"})
    assert (alone.status_code, pointers(alone)) == (422, ["/parent_id"])
    nested = await http.post("/warehouses", json={**store, "parent_id": main})
    assert (nested.status_code, pointers(nested)) == (422, ["/parent_id"])
    first = await http.post("/warehouses", json=below)
    assert (first.status_code, first.json()["parent_id"]) == (201, main)
    second = await http.post("/warehouses", json=below)
    assert (second.status_code, pointers(second)) == (409, ["/parent_id"])
    unknown = await http.post("/warehouses", json={"store_id": OLD_ID})
    assert (unknown.status_code, pointers(unknown)) == (422, ["/store_id"])


async def test_a_receipt_is_posted_once_however_often_it_is_sent(shop: Shop) -> None:
    """The same key gives the same receipt; the same key with another body is refused."""
    http = shop.bench.http
    body = {
        "id": str(uuid7()),
        "warehouse_id": str(shop.warehouse_id),
        "lines": [{"sku": "RICE", "quantity": "1.125", "unit_cost": "0.8"}],
    }
    key = {"Idempotency-Key": "one"}
    first = await http.post("/receipts", json=body, headers=key)
    second = await http.post("/receipts", json=body, headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"] == body["id"]
    other = {**body, "lines": [{"sku": "RICE", "quantity": "2"}]}
    reused = await http.post("/receipts", json=other, headers=key)
    assert reused.status_code == 422
    same_id = await http.post("/receipts", json=body, headers={"Idempotency-Key": "two"})
    assert (same_id.status_code, same_id.json()["id"]) == (201, body["id"])
    taken = await http.post("/receipts", json=other, headers={"Idempotency-Key": "three"})
    assert (taken.status_code, pointers(taken)) == (409, ["/id"])
    bare = await http.post("/receipts", json=body, headers={"Idempotency-Key": ""})
    assert bare.status_code == 400
    assert (await shop.stock("RICE"))["main"]["on_hand"] == "1.125"
    assert (await http.get(f"/receipts/{body['id']}")).json()["lines"][0]["quantity"] == "1.125"


@pytest.mark.parametrize(
    ("line", "status", "pointer"),
    [
        ({"sku": "TEA", "quantity": "1.5"}, 422, "/lines/0/quantity"),
        ({"sku": "RICE", "quantity": "1.1234"}, 422, "/lines/0/quantity"),
        ({"sku": "TEA", "quantity": "-1"}, 422, "/lines/0/quantity"),
        ({"sku": "TEA", "quantity": "0"}, 422, "/lines/0/quantity"),
        ({"sku": "TEA", "quantity": "100001"}, 422, "/lines/0/quantity"),
        ({"sku": "TEA", "quantity": 1.5}, 422, "/lines/0/quantity"),
        ({"sku": "GOLD", "quantity": "1"}, 422, "/lines/0/sku"),
        ({"sku": "TEA", "quantity": "1", "unit_cost": "-1"}, 422, "/lines/0/unit_cost"),
    ],
)
async def test_a_wrong_receipt_changes_nothing(
    shop: Shop, line: dict[str, Any], status: int, pointer: str
) -> None:
    """A wrong line is named, and none of the receipt's goods come in."""
    body = {"warehouse_id": str(shop.warehouse_id), "lines": [line]}
    answer = await shop.bench.http.post("/receipts", json=body, headers={"Prefer": "wait=0"})
    assert (answer.status_code, pointers(answer)) == (status, [pointer])
    assert rows(await shop.bench.http.get("/stock")) == []


async def test_goods_are_received_into_main_warehouses(shop: Shop) -> None:
    """An unknown warehouse, or temporary storage, is refused with its field."""
    http = shop.bench.http
    lines = [{"sku": "TEA", "quantity": "1"}]
    unknown = await http.post("/receipts", json={"warehouse_id": OLD_ID, "lines": lines})
    assert (unknown.status_code, pointers(unknown)) == (422, ["/warehouse_id"])
    below = await http.post(
        "/warehouses",
        json={
            "store_id": str(shop.store_id),
            "kind": "temporary_storage",
            "parent_id": str(shop.warehouse_id),
        },
    )
    body = {"warehouse_id": below.json()["id"], "lines": lines}
    refused = await http.post("/receipts", json=body)
    assert (refused.status_code, pointers(refused)) == (422, ["/warehouse_id"])


async def test_a_receipt_waits_for_an_item_made_a_moment_ago(shop: Shop) -> None:
    """An item that the catalogue has not told us of yet is refused; once told, it comes in."""
    body = {
        "warehouse_id": str(shop.warehouse_id),
        "lines": [{"sku": "NEW", "quantity": "2"}],
    }
    key = {"Idempotency-Key": "new", "Prefer": "wait=0"}
    assert (await shop.bench.http.post("/receipts", json=body, headers=key)).status_code == 422
    await shop.bench.deliver(item("NEW", "piece"))
    assert (await shop.bench.http.post("/receipts", json=body, headers=key)).status_code == 201


async def test_a_receipt_of_five_thousand_lines_is_one_receipt(shop: Shop) -> None:
    """A delivery of 5,000 items comes in whole, each explained by the ledger."""
    skus = [f"I{n}" for n in range(5_000)]
    await shop.bench.db.run(lambda tx: keep_items(tx, dict.fromkeys(skus, "piece")))
    body = {
        "warehouse_id": str(shop.warehouse_id),
        "lines": [{"sku": sku, "quantity": "3"} for sku in skus],
    }
    answer = await shop.bench.http.post("/receipts", json=body)
    assert answer.status_code == 201
    assert (await shop.stock("I4999"))["main"]["on_hand"] == "3"
    await check_explained(shop.bench.db)
    body["lines"] = [*body["lines"], {"sku": "I0", "quantity": "1"}]
    assert pointers(await shop.bench.http.post("/receipts", json=body)) == ["/lines"]


async def test_a_hold_is_extended_by_its_order_or_its_line(shop: Shop) -> None:
    """Either id extends the order's hold; 91 days and the past are refused with the field."""
    await shop.receive("10")
    line = tea("2")
    order = await shop.hold(line)
    later = (datetime.now(UTC) + timedelta(days=20)).replace(microsecond=0)
    for id in (order, line.line_id):
        later += timedelta(days=1)
        path = f"/holds/{id}/extend"
        answer = await shop.bench.http.post(path, json={"until": later.isoformat()})
        assert answer.status_code == 200, answer.text
        assert datetime.fromisoformat(answer.json()["until"]) == later
        assert answer.json()["id"] == str(id)
    for days in (91, -1):
        until = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        refused = await shop.bench.http.post(path, json={"until": until})
        assert (refused.status_code, pointers(refused)) == (422, ["/until"])
    unknown = await shop.bench.http.post(
        f"/holds/{uuid7()}/extend", json={"until": later.isoformat()}
    )
    assert unknown.status_code == 404
    await shop.release(order)
    released = await shop.bench.http.post(path, json={"until": later.isoformat()})
    assert released.status_code == 409


async def test_holds_are_listed_by_order_and_by_lateness(shop: Shop) -> None:
    """A hold tells its line, quantity, end and state; overdue ones are found on their own."""
    await shop.receive("10")
    past = datetime.now(UTC) - timedelta(days=1)
    late = await shop.hold(tea("2"), until=past)
    fresh = await shop.hold(tea("9"))
    (one,) = rows(await shop.bench.http.get("/holds", params={"order_id": str(fresh)}))
    assert (one["sku"], one["quantity"], one["awaiting"]) == ("TEA", "8", "1")
    assert (one["state"], one["overdue"], one["lines"][0]["wanted"]) == ("held", False, "9")
    (overdue,) = rows(await shop.bench.http.get("/holds", params={"overdue": "true"}))
    assert (overdue["order_id"], overdue["overdue"]) == (str(late), True)
    assert len(rows(await shop.bench.http.get("/holds"))) == 2


async def test_a_put_back_sent_twice_is_done_once(shop: Shop) -> None:
    """The same key again answers the same hold; goods are carried back once."""
    await shop.receive("10")
    order = await shop.hold(tea("3"), method="separate")
    key = {"Idempotency-Key": "back"}
    for _ in range(2):
        answer = await shop.bench.http.post(f"/holds/{order}/put-back", json={}, headers=key)
        assert (answer.status_code, answer.json()["quantity"]) == (200, "0")
    assert (await shop.stock())["main"]["on_hand"] == "10"
    back = rows(await shop.bench.http.get("/transfers", params={"order_id": str(order)}))
    assert [one["kind"] for one in back] == ["hold", "put_back"]


async def test_an_order_that_is_put_back_waits_for_no_later_receipt(shop: Shop) -> None:
    """One line held, one awaited, the order put back: what comes in later is free to sell."""
    await shop.receive("3")
    order = await shop.hold(tea("3"), Line(uuid7(), "CUP", "2"))
    answer = (await shop.bench.http.post(f"/holds/{order}/put-back", json={})).json()
    assert (answer["state"], answer["quantity"], answer["awaiting"]) == ("put_back", "0", "0")
    await shop.receive("2", "CUP")
    assert await shop.held(order) == ["0", "0"]
    assert (await shop.stock("CUP"))["main"]["available"] == "2"
    await check_explained(shop.bench.db)


async def test_another_stores_goods_are_not_to_be_seen(shop: Shop) -> None:
    """Who works in another store sees nothing of this one, and its ids are not found there."""
    await shop.receive("10")
    order = await shop.hold(tea("3"), method="separate")
    async with shop.bench.client(Role.MANAGER, store_ids=[uuid7()]) as stranger:
        for path in ("/stores", "/warehouses", "/stock", "/holds", "/transfers"):
            assert rows(await stranger.get(path)) == [], path
        for path in ("/stock/movements", "/holds/put-backs", "/holds/broken"):
            assert rows(await stranger.get(path)) == [], path
        assert (await stranger.get(f"/stores/{shop.store_id}")).status_code == 404
        receipt = {
            "warehouse_id": str(shop.warehouse_id),
            "lines": [{"sku": "TEA", "quantity": "1"}],
        }
        assert (await stranger.post("/receipts", json=receipt)).status_code == 404
        assert (await stranger.post(f"/holds/{order}/put-back", json={})).status_code == 404
        warehouse = {"store_id": str(shop.store_id)}
        assert (await stranger.post("/warehouses", json=warehouse)).status_code == 404
    async with shop.bench.client(Role.MANAGER, store_ids=[shop.store_id]) as own:
        assert len(rows(await own.get("/stock"))) == 2


async def test_a_manager_of_one_store_changes_that_store_alone(shop: Shop) -> None:
    """Its settings are theirs to change, another's are not found; a new store is the chain's."""
    path = f"/stores/{shop.store_id}"
    version = {"If-Match": (await shop.bench.http.get(path)).headers["ETag"]}
    body = {"hold_days": 5}
    async with shop.bench.client(Role.MANAGER, store_ids=[uuid7()]) as stranger:
        assert (await stranger.patch(path, json=body, headers=version)).status_code == 404
    async with shop.bench.client(Role.MANAGER, store_ids=[shop.store_id]) as own:
        assert (await own.post("/stores", json={"code": "X", "name": "X"})).status_code == 403
        changed = await own.patch(path, json=body, headers=version)
        assert (changed.status_code, changed.json()["hold_days"]) == (200, 5)


async def test_who_lacks_the_right_is_told(shop: Shop) -> None:
    """Customers see no stock, cashiers receive nothing, and nobody enters without a token."""
    async with shop.bench.client(Role.CUSTOMER) as customer:
        assert (await customer.get("/stock")).status_code == 403
        assert (await customer.get("/stores")).status_code == 403
    async with shop.bench.client(Role.CASHIER) as cashier:
        assert (await cashier.get("/stock")).status_code == 200
        body = {"warehouse_id": str(shop.warehouse_id), "lines": [{"sku": "TEA", "quantity": "1"}]}
        assert (await cashier.post("/receipts", json=body)).status_code == 403
    async with client_of(shop.bench.app, None) as nobody:
        assert (await nobody.get("/stock")).status_code == 401
    async with client_of(shop.bench.app, token(Role.MANAGER)[:-4] + "AAAA") as forger:
        assert (await forger.get("/stock")).status_code == 401


@pytest.mark.parametrize("path", ["/stores", "/warehouses", "/stock", "/holds", "/transfers"])
async def test_a_cursor_of_ones_own_making_is_refused(shop: Shop, path: str) -> None:
    """A cursor that we never gave is 422, not an error of ours."""
    for cursor in ("nonsense", "WyJ4Il0=", "WyJ4IiwieSJd"):
        answer = await shop.bench.http.get(path, params={"cursor": cursor})
        if path == "/stores" and cursor == "WyJ4Il0=":
            assert answer.status_code == 200  # Any text is a place among the codes.
        elif answer.status_code != 200:
            assert (answer.status_code, pointers(answer)) == (422, ["query/cursor"])
        else:
            pytest.fail(f"{path} took {cursor}")


async def test_a_cursor_that_no_row_could_have_is_refused(shop: Shop) -> None:
    """Numbers too large and text with a NUL are 422 like any other made-up cursor."""
    for path, values in (("/stock/movements", [str(2**70)]), ("/stores", ["\0"])):
        cursor = base64.urlsafe_b64encode(json.dumps(values).encode()).decode()
        answer = await shop.bench.http.get(path, params={"cursor": cursor})
        assert (answer.status_code, pointers(answer)) == (422, ["query/cursor"])
