"""The journal finds orders by any filter, and batches take many at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from chassis.ids import uuid7
from chassis.testing import Bench
from contracts.identity import Role
from contracts.inventory import HoldGoods
from contracts.orders import OrderPlaced

from .conftest import (
    MAIN,
    OTHER_MAIN,
    OTHER_STORE,
    STORE,
    UNKNOWN,
    decided,
    order_body,
    paid,
    shipped,
    take,
)


async def found(shop: Bench, query: str) -> list[Any]:
    answer = await shop.http.get(f"/orders?{query}")
    assert answer.status_code == 200, answer.text
    return [order["id"] for order in answer.json()["items"]]


async def test_each_filter_finds_its_orders(shop: Bench) -> None:
    """Status, money, store, channel, customer and date each find their orders."""
    card = (await shop.http.post("/customers", json={"name": "Anna Berg"})).json()
    ready = (await take(shop, customer_id=card["id"]))["id"]
    await shop.deliver(decided({"id": ready, **(await take_lines(shop, ready))}))
    site = (await take(shop, channel="site", store_id=str(OTHER_STORE)))["id"]
    assert await found(shop, "status=ready") == [ready]
    assert await found(shop, "channel=site") == [site]
    assert await found(shop, f"store_id={OTHER_STORE}") == [site]
    assert await found(shop, f"customer_id={card['id']}") == [ready]
    assert await found(shop, "financial_status=unpaid") == [site, ready]
    assert await found(shop, "from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z") == []
    assert await found(shop, "from=2020-01-01T00:00:00Z") == [site, ready]
    assert (await shop.http.get("/orders?status=nice")).status_code == 422
    beyond = await shop.http.get("/orders?from=0001-01-01T00:00:00%2B14:00")
    assert (beyond.status_code, beyond.json()["errors"][0]["pointer"]) == (422, "query/from")


async def take_lines(shop: Bench, id: str) -> dict[str, Any]:
    return {"lines": (await shop.http.get(f"/orders/{id}")).json()["lines"]}


async def test_orders_are_found_by_number_name_and_telephone(shop: Bench) -> None:
    """The number, a typed name, and a card's name, number or last four digits find orders."""
    body = {"name": "Boris Godunov", "phone": "+7 701 555-12-34", "card_number": "C-77"}
    card = (await shop.http.post("/customers", json=body)).json()
    carded = await take(shop, customer_id=card["id"])
    typed = await take(shop, customer_name="Anna Berg")
    for q, order in (
        (carded["number"], carded),
        (carded["id"], carded),
        ("godun", carded),
        ("1234", carded),
        ("C-77", carded),
        ("ann ber", typed),
    ):
        assert await found(shop, f"q={q}") == [order["id"]], q
    assert await found(shop, "q=nobody") == []
    assert (await shop.http.get("/orders?q=%00")).status_code == 422


async def test_goods_without_money_and_money_without_goods_are_listed_apart(shop: Bench) -> None:
    """Shipped unpaid and paid unshipped are two lists."""
    owes, owed = await take(shop), await take(shop)
    await shop.deliver(shipped(owes, "5", "1000"), paid(owes, "300"), paid(owed, "1000"))
    assert await found(shop, "shipped_unpaid=true") == [owes["id"]]
    assert await found(shop, "paid_unshipped=true") == [owed["id"]]


async def test_pages_follow_one_another(shop: Bench) -> None:
    """Five orders by two a page, newest first, none twice and none left out."""
    taken = [(await take(shop))["id"] for _ in range(5)]
    seen: list[str] = []
    query = "/orders?limit=2"
    while True:
        page = (await shop.http.get(query)).json()
        seen += [order["id"] for order in page["items"]]
        if page["next_cursor"] is None:
            break
        query = f"/orders?limit=2&cursor={page['next_cursor']}"
    assert seen == taken[::-1]
    for cursor in ("nonsense", "WyIyMDIwLTAxLTAxIiwgIngiXQ=="):
        assert (await shop.http.get(f"/orders?cursor={cursor}")).status_code == 422


async def test_what_waits_too_long_is_found(shop: Bench) -> None:
    """Holds undecided for 5 minutes, approval pending for 24 hours, and holds that ended."""
    fresh, undecided, pending = [await take(shop) for _ in range(3)]
    await shop.deliver(decided(fresh), decided(pending))
    now = datetime.now(UTC)
    async with shop.db.engine.begin() as tx:
        await tx.execute(
            sa.text("UPDATE orders SET undecided_since = :at WHERE id = :id"),
            {"at": now - timedelta(minutes=6), "id": undecided["id"]},
        )
        await tx.execute(
            sa.text("""
            UPDATE orders SET status = 'pending_approval', placed_at = :at, until = :at
            WHERE id = :id"""),
            {"at": now - timedelta(hours=25), "id": pending["id"]},
        )
    page = (await shop.http.get("/orders?waiting=true")).json()["items"]
    assert [(order["id"], order["waits_for"]) for order in page] == [
        (undecided["id"], "holds"),
        (pending["id"], "approval"),
    ]
    assert await found(shop, "waiting=false") == [fresh["id"]]
    assert await found(shop, "late=true") == [pending["id"]]


async def test_a_batch_answers_each_member_by_itself(shop: Bench) -> None:
    """Good members are orders, bad ones problems; the batch again makes nothing new."""
    bad_shape = {**order_body(), "surprise": 1}
    members = [
        {"key": "a", "order": order_body()},
        {"key": "b", "order": order_body({"sku": "NONE", "quantity": "1"})},
        {"key": "c", "order": bad_shape},
        {"key": "a", "order": order_body()},
        {"key": "a", "order": order_body(channel="phone")},
        {"key": "d", "order": order_body(hold={"warehouse_id": str(UNKNOWN)})},
    ]
    first, second = [
        (await shop.http.post("/orders/batch", json={"orders": members})).json()["items"]
        for _ in range(2)
    ]
    assert [member["status"] for member in first] == [201, 422, 422, 201, 422, 422]
    assert first[0]["order"]["id"] == first[3]["order"]["id"] == second[0]["order"]["id"]
    assert first[1]["problem"]["errors"][0]["pointer"] == "/lines/0/sku"
    assert first[2]["problem"]["errors"][0]["pointer"] == "/surprise"
    assert len(await shop.said(OrderPlaced)) == 1
    async with shop.client(store_ids=[OTHER_STORE]) as stranger:
        body = {"orders": [{"key": "z", "order": order_body()}]}
        [member] = (await stranger.post("/orders/batch", json=body)).json()["items"]
        assert member["status"] == 404


async def test_goods_are_held_within_the_callers_stores(shop: Bench) -> None:
    """Another store's warehouse is refused, alone and in a batch, unless the caller works there."""
    elsewhere = order_body(hold={"warehouse_id": str(OTHER_MAIN)})
    async with shop.client(Role.CASHIER, store_ids=[STORE]) as cashier:
        alone = await cashier.post("/orders", json=elsewhere)
        body = {"orders": [{"key": "a", "order": elsewhere}, {"key": "b", "order": order_body()}]}
        first, second = (await cashier.post("/orders/batch", json=body)).json()["items"]
    assert (alone.status_code, first["status"], second["status"]) == (422, 422, 201)
    for problem in (alone.json(), first["problem"]):
        assert problem["errors"][0]["pointer"] == "/hold/warehouse_id"
    async with shop.client(Role.CASHIER, store_ids=[STORE, OTHER_STORE]) as of_both:
        assert (await of_both.post("/orders", json=elsewhere)).status_code == 201
    assert (await shop.http.post("/orders", json=elsewhere)).status_code == 201


@asynccontextmanager
async def without_fax(shop: Bench) -> AsyncIterator[None]:
    """A database that refuses one customer's orders."""
    refuse = "ADD CONSTRAINT no_fax CHECK (customer_name <> 'Fax')"
    async with shop.db.engine.begin() as tx:
        await tx.execute(sa.text(f"ALTER TABLE orders {refuse}"))
    try:
        yield
    finally:
        async with shop.db.engine.begin() as tx:
            await tx.execute(sa.text("ALTER TABLE orders DROP CONSTRAINT no_fax"))


async def test_a_fault_of_one_member_is_its_own(shop: Bench) -> None:
    """One order too large to be told and one that the database refuses: the others are taken."""
    special = {"special": {"description": "\U0001f6aa" * 200}, "quantity": "1", "unit_price": "1"}
    orders = [
        order_body(),
        order_body(*[special] * 1000),
        order_body(customer_name="Fax"),
        order_body(),
    ]
    body = {"orders": [{"key": str(n), "order": order} for n, order in enumerate(orders)]}
    async with without_fax(shop):
        items = (await shop.http.post("/orders/batch", json=body)).json()["items"]
    assert [member["status"] for member in items] == [201, 413, 500, 201]
    assert "Fax" not in str(items[2]["problem"])
    assert len(await shop.said(OrderPlaced)) == 2


async def test_what_is_placed_together_is_kept_together(shop: Bench) -> None:
    """A new order and a second key of an older one are one transaction."""
    older, new = [order_body(id=str(uuid7())) for _ in range(2)]
    assert (await shop.http.post("/orders", json=older)).status_code == 201
    body = {"orders": [{"key": "new", "order": new}, {"key": "second", "order": older}]}
    items = (await shop.http.post("/orders/batch", json=body)).json()["items"]
    assert [member["status"] for member in items] == [201, 201]
    async with shop.db.reading() as tx:
        rows = await tx.exec_driver_sql(
            "SELECT xmin::text FROM idempotency WHERE key IN ('new', 'second')"
        )
        first, second = rows.scalars()
    assert first == second


async def test_a_batch_of_a_thousand_is_taken(shop: Bench) -> None:
    """A thousand orders are placed, numbered and asked for in one request."""
    members = [
        {"key": str(n), "order": order_body(id=str(uuid7()), notify=False)} for n in range(1000)
    ]
    answer = await shop.http.post("/orders/batch", json={"orders": members})
    orders = [member["order"] for member in answer.json()["items"]]
    assert len({order["number"] for order in orders}) == 1000
    assert len(await shop.said(HoldGoods)) == 1000
    assert {order["hold"]["warehouse_id"] for order in orders} == {str(MAIN)}
    one_more = {"orders": [*members, {"key": "1000", "order": order_body()}]}
    assert (await shop.http.post("/orders/batch", json=one_more)).status_code == 422
