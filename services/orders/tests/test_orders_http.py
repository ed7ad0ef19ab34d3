"""Taking and changing orders through the API, on a real database."""

import asyncio
from decimal import Decimal
from typing import Any

from chassis.ids import uuid7
from chassis.testing import Bench
from contracts.identity import Role
from contracts.inventory import HoldGoods, ReleaseGoods
from contracts.orders import (
    CustomerState,
    ItemState,
    OrderAgreed,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    OrderRestored,
)

from .conftest import (
    MAIN,
    OTHER_STORE,
    STORE,
    TEMPORARY,
    UNKNOWN,
    decided,
    order_body,
    paid,
    posting,
    see,
    shipped,
    store_state,
    take,
)


def pointers(answer: object) -> list[str]:
    return [error["pointer"] for error in answer.json()["errors"]]  # type: ignore[attr-defined]


async def test_an_order_is_taken_and_its_goods_are_asked_for(shop: Bench) -> None:
    """Five at 200 are an order over 1,000 with half of it proposed; the goods are asked for."""
    order = await take(shop)
    assert (order["status"], order["financial_status"]) == ("agreed", "unpaid")
    assert (order["total"], order["due"], order["paid"]) == ("1000.00", "1000.00", "0.00")
    assert (order["prepayment_proposed"], order["prepayment"]) == ("500.00", "500.00")
    assert order["hold"]["method"] == "nominal"
    assert [row["what"] for row in order["history"]] == ["placed"]
    [placed], [asked] = await shop.said(OrderPlaced), await shop.said(HoldGoods)
    assert placed.changed == ("placed",)
    assert (asked.revision, asked.lines[0].quantity) == (1, Decimal(5))
    assert order == {**await see(shop, order), "history": order["history"]}


async def test_the_typed_prepayment_stands(shop: Bench) -> None:
    """Total 1,000 at 50%: 500 proposed; 300 typed stands, 700 remain when it is paid."""
    order = await take(shop, prepayment="300")
    assert (order["prepayment_proposed"], order["prepayment"]) == ("500.00", "300.00")
    await shop.deliver(paid(order, "300"))
    assert (await see(shop, order))["due"] == "700.00"


async def test_another_percentage_is_for_the_next_orders(shop: Bench) -> None:
    """After 30% is set the next 1,000 proposes 300; the order before keeps its 500."""
    before = await take(shop)
    await shop.http.patch(
        "/order-settings", json={"prepayment_percent": "30"}, headers={"If-Match": "*"}
    )
    assert (await take(shop))["prepayment_proposed"] == "300.00"
    assert (await see(shop, before))["prepayment_proposed"] == "500.00"


async def test_a_typed_name_makes_no_card(shop: Bench) -> None:
    """Only a name typed: the order shows it, its papers will, and no card appears."""
    order = await take(shop, customer_name="Anna Berg")
    assert order["customer"] == {"id": None, "name": "Anna Berg"}
    [named] = await shop.said(CustomerState)
    assert (named.customer_key, named.name) == (order["id"], "Anna Berg")
    assert (await shop.http.get("/customers?q=Anna")).json()["items"] == []
    facts = [fact.model_dump_json() for fact in await shop.said(OrderPlaced)]
    assert "Anna" not in "".join(facts)


async def test_a_special_order_keeps_its_agreed_price(shop: Bench) -> None:
    """A described item at 1,250 gets a SKU; its list price becomes 1,400, the order stays."""
    line = {"special": {"description": "Oak door"}, "quantity": "1", "unit_price": "1250"}
    order = await take(shop, line)
    sku = order["lines"][0]["sku"]
    assert (sku[:2], order["total"], order["lines"][0]["special"]) == ("S-", "1250.00", True)
    assert [s.kind for s in await shop.said(ItemState) if s.sku == sku] == ["special"]
    changed = await shop.http.patch(
        f"/items/{sku}", json={"price": "1400"}, headers={"If-Match": "*"}
    )
    assert changed.json()["price"] == "1400.00"
    assert (await see(shop, order))["total"] == "1250.00"


async def test_the_method_stays_with_the_order(shop: Bench) -> None:
    """Taken nominal, an order stays nominal; without a method the store's is taken."""
    own = await take(shop, hold={"method": "separate", "warehouse_id": str(MAIN)})
    by_store = await take(shop, hold={"warehouse_id": str(MAIN)})
    assert (own["hold"]["method"], by_store["hold"]["method"]) == ("separate", "nominal")


async def test_a_site_order_is_agreed_by_staff(shop: Bench) -> None:
    """From the site it is pending approval; agreed once, a second time is refused."""
    order = await take(shop, channel="site")
    assert order["status"] == "pending_approval"
    assert len(await shop.said(HoldGoods)) == 1
    await shop.deliver(decided(order))
    agreed = await shop.http.post(f"/orders/{order['id']}/agree")
    assert agreed.json()["status"] == "ready"
    assert [fact.changed for fact in await shop.said(OrderAgreed)] == [("status",)]
    assert len(await shop.said(HoldGoods)) == 1
    assert (await shop.http.post(f"/orders/{order['id']}/agree")).status_code == 409


async def test_another_first_status_is_for_new_orders(shop: Bench) -> None:
    """A channel's first status changes only the orders after it."""
    before = await take(shop, channel="site")
    body = {"first_status": {"site": "agreed"}}
    await shop.http.patch("/order-settings", json=body, headers={"If-Match": "*"})
    assert (await take(shop, channel="site"))["status"] == "agreed"
    assert (await see(shop, before))["status"] == "pending_approval"


async def test_a_status_cannot_be_set_by_hand(shop: Bench) -> None:
    """Paid and shipped come from documents: a body that names a status is refused."""
    for field in ("status", "financial_status", "paid"):
        answer = await shop.http.post("/orders", json=order_body(**{field: "paid"}))
        assert answer.status_code == 422
        assert pointers(answer) == [f"/{field}"]


BAD: list[tuple[dict[str, object], str]] = [
    ({"store_id": str(UNKNOWN)}, "/store_id"),
    ({"customer_id": str(UNKNOWN)}, "/customer_id"),
    ({"hold": {"warehouse_id": str(UNKNOWN)}}, "/hold/warehouse_id"),
    ({"hold": {"warehouse_id": str(TEMPORARY)}}, "/hold/warehouse_id"),
    ({"hold": {"warehouse_id": str(MAIN), "until": "2020-01-01T00:00:00Z"}}, "/hold/until"),
    ({"lines": [{"sku": "NONE", "quantity": "1"}]}, "/lines/0/sku"),
    ({"lines": [{"sku": "TEA", "quantity": "1.5"}]}, "/lines/0/quantity"),
    ({"lines": [{"sku": "RICE", "quantity": "0.0005"}]}, "/lines/0/quantity"),
    ({"lines": [{"sku": "TEA", "quantity": "-1"}]}, "/lines/0/quantity"),
    ({"lines": [{"sku": "TEA", "quantity": "100001"}]}, "/lines/0/quantity"),
    ({"lines": [{"sku": "TEA", "quantity": 1.5}]}, "/lines/0/quantity"),
    ({"lines": [{"sku": "TEA", "quantity": "1", "unit_price": "0.00001"}]}, "/lines/0/unit_price"),
    ({"lines": [{"special": {"description": "x"}, "quantity": "1"}]}, "/lines/0/unit_price"),
    ({"lines": [{"quantity": "1"}]}, "/lines/0"),
    ({"lines": []}, "/lines"),
    ({"customer_name": "Ann\x07a"}, "/customer_name"),
    ({"terms": [{"due_on": "2026-06-01", "amount": "1"}]}, "/terms"),
    ({"surprise": 1}, "/surprise"),
]


async def test_bad_orders_are_refused_with_a_pointer(shop: Bench) -> None:
    """Each mistake is a problem that points at the field, and nothing is changed."""
    for changes, pointer in BAD:
        answer = await shop.http.post("/orders", json=order_body(**changes))
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert (changes, pointers(answer)) == (changes, [pointer])
    assert (await shop.http.get("/orders")).json()["items"] == []
    assert await shop.said(OrderPlaced) == []


async def test_a_store_that_was_made_a_moment_ago_is_waited_for(shop: Bench) -> None:
    """A fresh id that stays unknown is not known yet, which says when to try again."""
    body = order_body(hold={"warehouse_id": str(uuid7())})
    answer = await shop.http.post("/orders", json=body, headers={"Prefer": "wait=0.1"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")


async def test_the_same_key_makes_one_order(shop: Bench) -> None:
    """Ten requests with one key at once are one order, told ten times."""
    requests = [
        shop.http.post("/orders", json=order_body(), headers={"Idempotency-Key": "k1"})
        for _ in range(10)
    ]
    answers = await asyncio.gather(*requests)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len({line["id"] for a in answers for line in a.json()["lines"]}) == 1
    assert len(await shop.said(OrderPlaced)) == 1


async def test_a_key_belongs_to_one_request(shop: Bench) -> None:
    """Another body under the key is 422; a refused request leaves the key free; no key is 400."""
    headers = {"Idempotency-Key": "k1"}
    bad = order_body({"sku": "NONE", "quantity": "1"})
    assert (await shop.http.post("/orders", json=bad, headers=headers)).status_code == 422
    good = await shop.http.post("/orders", json=order_body(), headers=headers)
    assert good.status_code == 201
    assert (await shop.http.post("/orders", json=bad, headers=headers)).status_code == 422
    empty = {"Idempotency-Key": " "}
    assert (await shop.http.post("/orders", json=order_body(), headers=empty)).status_code == 400


async def test_the_same_id_under_another_key_is_the_same_order(shop: Bench) -> None:
    """A client's own id makes one order: told again if it is equal, else refused."""
    body = order_body(id=str(uuid7()))
    first, second = [await shop.http.post("/orders", json=body) for _ in range(2)]
    assert first.json()["lines"] == second.json()["lines"]
    other = await shop.http.post("/orders", json={**body, "customer_name": "Anna"})
    assert (other.status_code, pointers(other)) == (409, ["/id"])
    again = await asyncio.gather(
        *(shop.http.post("/orders", json=order_body(id=str(UNKNOWN))) for _ in range(5))
    )
    assert {answer.status_code for answer in again} == {201}
    assert len(await shop.said(OrderPlaced)) == 2


async def test_a_line_changes_once_for_all_who_look(shop: Bench) -> None:
    """A stale edit is 412, one without If-Match 428; facts that come do not make it stale."""
    order = await take(shop)
    path = f"/orders/{order['id']}/lines/{order['lines'][0]['id']}"
    await shop.deliver(decided(order))
    assert (await shop.http.patch(path, json={"quantity": "4"})).status_code == 428
    headers = {"If-Match": f'"{order["version"]}"'}
    changed = await shop.http.patch(path, json={"quantity": "4"}, headers=headers)
    assert (changed.status_code, changed.json()["total"]) == (200, "800.00")
    assert (await shop.http.patch(path, json={"quantity": "3"}, headers=headers)).status_code == 412
    [fact] = await shop.said(OrderChanged)
    assert fact.changed == ("lines",)
    assert [command.revision for command in await shop.said(HoldGoods)] == [1, 2]


async def test_a_cancel_releases_the_goods_once(shop: Bench) -> None:
    """Cancelled, its goods are released; a second cancel is the same answer."""
    order = await take(shop)
    first = await shop.http.post(f"/orders/{order['id']}/cancel", json={"reason": "too late"})
    second = await shop.http.post(f"/orders/{order['id']}/cancel")
    assert first.json()["status"] == "cancelled"
    assert (second.status_code, second.json()) == (200, first.json())
    [release] = await shop.said(ReleaseGoods)
    assert release.revision == 2
    assert len(await shop.said(OrderCancelled)) == 1


async def test_goods_handed_over_are_not_cancelled(shop: Bench) -> None:
    """While they are handed over, and after it, a cancel is refused and changes nothing."""
    order, id = await take(shop), uuid7()
    await shop.deliver(posting(order, id))
    cancel = f"/orders/{order['id']}/cancel"
    assert (await shop.http.post(cancel)).status_code == 409
    await shop.deliver(shipped(order, "2", "400", shipment_id=id))
    assert (await shop.http.post(cancel)).status_code == 409
    assert await shop.said(OrderCancelled) == []


async def test_marked_orders_are_out_of_sight_until_restored(shop: Bench) -> None:
    """Marking releases the goods and hides the order; restoring keeps its history."""
    order = await take(shop)
    path = f"/orders/{order['id']}"
    assert (await shop.http.post(f"{path}/mark-for-removal")).json()["marked"] is True
    assert (await shop.http.get("/orders")).json()["items"] == []
    [hidden] = (await shop.http.get("/orders?marked=true")).json()["items"]
    assert hidden["id"] == order["id"]
    assert (await shop.http.post(f"{path}/agree")).status_code == 409
    restored = (await shop.http.post(f"{path}/restore")).json()
    whats = [row["what"] for row in restored["history"]]
    assert whats == ["placed", "marked_for_removal", "restored"]
    assert [command.revision for command in await shop.said(HoldGoods)] == [1, 3]
    await shop.deliver(paid(order, "100"))
    assert (await shop.http.post(f"{path}/mark-for-removal")).status_code == 409


async def test_a_payment_on_its_way_brings_a_marked_order_back(shop: Bench) -> None:
    """Marked while money is on its way: in sight again, its goods asked for, everyone told."""
    order = await take(shop)
    path = f"/orders/{order['id']}"
    await shop.http.post(f"{path}/mark-for-removal")
    await shop.deliver(paid(order, "100"))
    after = await see(shop, order)
    assert (after["marked"], after["financial_status"]) == (False, "partly_paid")
    whats = [row["what"] for row in after["history"]]
    assert whats == ["placed", "marked_for_removal", "payment_posted", "restored"]
    assert [row["id"] for row in (await shop.http.get("/orders")).json()["items"]] == [order["id"]]
    [restored] = await shop.said(OrderRestored)
    assert (restored.by, restored.revision, restored.changed) == ("orders", 3, ())
    assert [command.revision for command in await shop.said(HoldGoods)] == [1, 3]


async def test_a_manager_closes_with_a_reason(shop: Bench) -> None:
    """What was not handed over is taken back; without a reason it is refused."""
    order = await take(shop)
    await shop.deliver(shipped(order, "2", "400"))
    refused = await shop.http.post(f"/orders/{order['id']}/close")
    assert (refused.status_code, pointers(refused)) == (422, ["/reason"])
    answer = await shop.http.post(f"/orders/{order['id']}/close", json={"reason": "sold out"})
    assert (answer.json()["status"], answer.json()["total"]) == ("closed", "400.00")


async def test_an_order_belongs_to_its_store(shop: Bench) -> None:
    """A cashier of another store finds no order there: not to read, take, change or list."""
    order = await take(shop)
    path = f"/orders/{order['id']}"
    async with shop.client(Role.CASHIER, store_ids=[OTHER_STORE]) as stranger:
        line = f"{path}/lines/{order['lines'][0]['id']}"
        change = stranger.patch(line, json={"quantity": "1"}, headers={"If-Match": "*"})
        answers = [
            await stranger.get(path),
            await stranger.post("/orders", json=order_body()),
            await stranger.post(f"{path}/cancel"),
            await stranger.post(f"{path}/agree"),
            await change,
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert (await stranger.get("/orders")).json()["items"] == []
    async with shop.client(Role.CASHIER, store_ids=[STORE]) as cashier:
        assert (await cashier.get(path)).status_code == 200
        assert (await cashier.post(f"{path}/close", json={"reason": "x"})).status_code == 403


async def test_a_customer_sees_the_own_orders_alone(shop: Bench) -> None:
    """The account shows the customer's orders without who of the staff did what."""
    card = (await shop.http.post("/customers", json={"name": "Anna Berg"})).json()
    own = await take(shop, customer_id=card["id"])
    other = await take(shop)
    async with shop.client(Role.CUSTOMER, customer_id=card["id"]) as anna:
        [listed] = (await anna.get("/me/orders")).json()["items"]
        assert listed["id"] == own["id"]
        seen = (await anna.get(f"/me/orders/{own['id']}")).json()
        assert (seen["customer"]["name"], seen["history"][0]["by"]) == ("Anna Berg", "store")
        assert (await anna.get(f"/me/orders/{other['id']}")).status_code == 404
        assert (await anna.get("/orders")).status_code == 403


async def when(shop: Bench, kind: type[Any], count: int) -> list[Any]:
    """What was said of this kind, once there is so much of it."""

    async def probe() -> list[Any] | None:
        found = await shop.said(kind)
        return found if len(found) >= count else None

    found = await shop.db.wait_until([], probe, 10, poll_s=0.02)
    assert found is not None, f"{kind.__name__} was never said"
    return found


async def test_an_answer_waits_until_the_goods_are_held_and_released(shop: Bench) -> None:
    """With Prefer: wait an order answers held, and its cancel answers released."""
    prefer = {"Prefer": "wait=5"}
    id = str(uuid7())
    taking = asyncio.create_task(shop.http.post("/orders", json=order_body(id=id), headers=prefer))
    await when(shop, HoldGoods, 1)
    order = (await shop.http.get(f"/orders/{id}")).json()
    assert order["holds_decided"] is False
    await shop.deliver(decided(order))
    answer = await taking
    assert (answer.status_code, answer.json()["status"]) == (201, "ready")
    path = f"/orders/{id}/cancel"
    cancelling = asyncio.create_task(shop.http.post(path, headers=prefer))
    await when(shop, ReleaseGoods, 1)
    await shop.deliver(decided(order, "0", revision=2, released=True))
    cancelled = (await cancelling).json()
    assert (cancelled["status"], cancelled["holds_decided"]) == ("cancelled", True)


async def test_an_order_waits_for_the_store_that_it_names(shop: Bench) -> None:
    """A warehouse made a moment ago elsewhere is waited for, and then it is known."""
    store, main = uuid7(), uuid7()
    body = order_body(store_id=str(store), hold={"warehouse_id": str(main)})
    taking = asyncio.create_task(shop.http.post("/orders", json=body, headers={"Prefer": "wait=5"}))
    await asyncio.sleep(0)
    await shop.deliver(store_state(store, "S9", main))
    [asked] = await when(shop, HoldGoods, 1)
    await shop.deliver(decided({"id": str(asked.order_id), "lines": [
        {"id": str(asked.lines[0].line_id), "sku": "TEA", "quantity": "5"}]}))  # fmt: skip
    assert (await taking).status_code == 201


async def test_a_repeated_action_answers_the_same(shop: Bench) -> None:
    """An agree sent again under its key is no second agree; a refused one leaves its key free."""
    order = await take(shop, channel="site")
    headers = {"Idempotency-Key": "agree-1"}
    answers = [
        await shop.http.post(f"/orders/{order['id']}/agree", headers=headers) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    missing = f"/orders/{UNKNOWN}/agree"
    for _ in range(2):
        answer = await shop.http.post(missing, headers={"Idempotency-Key": "agree-2"})
        assert answer.status_code == 404


async def test_a_cancel_and_a_hand_over_at_once_agree(shop: Bench) -> None:
    """Whoever is first, the order is either cancelled with nothing gone, or it goes on."""
    orders = [await take(shop) for _ in range(6)]
    await asyncio.gather(
        *(shop.http.post(f"/orders/{order['id']}/cancel") for order in orders),
        *(shop.deliver(shipped(order, "5", "1000")) for order in orders),
    )
    for order in orders:
        assert (await see(shop, order))["status"] == "shipped"
