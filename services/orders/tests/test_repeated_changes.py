"""A change whose answer was lost is sent again under its key: it is neither refused nor doubled."""

from typing import Any

import pytest
from chassis.testing import Bench
from contracts.orders import ItemState

from .conftest import see, take

KEY = {"Idempotency-Key": "once"}


async def test_a_new_price_sent_again_is_the_same_answer(shop: Bench) -> None:
    """Without the key the version is stale by the change itself; with it the answer is the same."""
    headers = {"If-Match": '"1"', **KEY}
    first = await shop.http.patch("/items/TEA", json={"price": "250"}, headers=headers)
    again = await shop.http.patch("/items/TEA", json={"price": "250"}, headers=headers)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert (again.status_code, again.headers["ETag"]) == (200, '"2"')
    other = await shop.http.patch("/items/TEA", json={"price": "9"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "key-reused")
    without = await shop.http.patch(
        "/items/TEA", json={"price": "250"}, headers={"If-Match": '"1"'}
    )
    assert without.status_code == 412
    states = [state for state in await shop.said(ItemState) if state.sku == "TEA"]
    assert [state.price for state in states][1:] == [250]


async def test_a_refused_change_does_not_use_up_its_key(shop: Bench) -> None:
    """After 404 and 412 the same key may still do the change."""
    stale = {"If-Match": '"9"', **KEY}
    assert (await shop.http.patch("/items/NO", json={}, headers=stale)).status_code == 404
    body = {"price": "250"}
    assert (await shop.http.patch("/items/TEA", json=body, headers=stale)).status_code == 412
    fresh = {"If-Match": '"1"', **KEY}
    assert (await shop.http.patch("/items/TEA", json=body, headers=fresh)).status_code == 200


async def test_a_line_is_changed_once(shop: Bench) -> None:
    """The second time shows the order as the first time left it."""
    order = await take(shop)
    path = f"/orders/{order['id']}/lines/{order['lines'][0]['id']}"
    headers = {"If-Match": f'"{order["version"]}"', **KEY}
    answers = [await shop.http.patch(path, json={"quantity": "3"}, headers=headers) for _ in "12"]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["lines"] == answers[1].json()["lines"]
    shown = await see(shop, order)
    assert shown["lines"][0]["quantity"] == "3"
    assert shown["version"] == answers[0].json()["version"]


async def test_the_settings_are_changed_once(shop: Bench) -> None:
    """The second time shows them as the first time left them."""
    version = (await shop.http.get("/order-settings")).headers["ETag"]
    headers, body = {"If-Match": version, **KEY}, {"prepayment_percent": "30"}
    answers = [await shop.http.patch("/order-settings", json=body, headers=headers) for _ in "12"]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


async def _card(shop: Bench) -> str:
    card = (await shop.http.post("/customers", json={"name": "Anna"})).json()
    return f"/customers/{card['id']}"


async def _named_order(shop: Bench) -> str:
    return f"/orders/{(await take(shop, customer_name='Anna'))['id']}/customer-name"


@pytest.mark.parametrize("make", [_card, _named_order])
async def test_an_erasure_sent_again_is_done(shop: Bench, make: Any) -> None:
    """With its key it is answered as the first time; without, there is nothing left to erase."""
    path = await make(shop)
    for _ in "12":
        answer = await shop.http.delete(path, headers={"If-Match": "*", **KEY})
        assert answer.status_code == 204
    assert (await shop.http.delete(path, headers={"If-Match": "*"})).status_code == 404
    described: Any = (await shop.http.get("http://service/openapi.json")).json()["paths"]
    parameters = described["/api/v1/customers/{id}"]["delete"]["parameters"]
    assert {"name": "idempotency-key", "in": "header"}.items() <= parameters[-2].items()
