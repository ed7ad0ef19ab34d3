"""Stories of orders: taken, agreed, changed, told, closed, marked and brought back."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest
from chassis.ids import uuid7
from contracts.identity import DEMO_CUSTOMER_ID

from .chain import Caller, Json, Store, days_from_now, mails_about, money, soon

OpenStore = Callable[..., Store]


def test_the_main_job(store: Store, manager: Caller) -> None:
    """Taken, held, prepaid with a paper, handed over, invoiced, paid, closed, and told."""
    email = f"ada-{uuid7().hex[-8:]}@mail.example"
    card = manager.post("/customers", {"name": "Ada Byron", "email": email, "language": "fi"})
    order = store.take("2", "100.00", customer_id=card["id"], customer_name=None)
    assert (order["status"], order["financial_status"]) == ("ready", "unpaid")
    store.pay(order, order["prepayment"])
    assert money(store.ship(order, "2")["due_now"]) == 100
    invoice = store.document(order, "invoice")
    assert money(invoice["due"]) == 100
    store.pay(order, invoice["due"], invoice["id"])
    closed = store.when(order, status="closed", financial_status="paid")
    assert closed["settlement"] == {
        "shipped_quantity": closed["settlement"]["shipped_quantity"],
        "shipped_amount": "200.00",
        "left_quantity": closed["settlement"]["left_quantity"],
        "left_amount": "0.00",
    }
    job = soon(lambda: printed(manager, order), "the deposit receipt")
    assert job["kind"] == "deposit_receipt"
    pdf = soon(lambda: pdf_of(manager, invoice), "the PDF")
    assert pdf.startswith(b"%PDF")

    def told() -> bool:
        messages = store.messages(order)
        emails = [m for m in messages if m["channel"] == "email"]
        return len(emails) == 5 and all(m["state"] == "sent" for m in emails)

    soon(told, "an e-mail each for: placed, ready, prepaid, shipped, paid and closed")
    assert {m["language"] for m in store.messages(order)} == {"fi"}
    assert len(soon(lambda: five(mails_about(order["number"])), "the mails to arrive")) == 5
    said = [entry["what"] for entry in closed["history"]]
    assert len(said) >= 5


def five(mails: list[Json]) -> list[Json] | None:
    return mails if len(mails) >= 5 else None


def printed(by: Caller, order: Json) -> Json | None:
    jobs = by.get("/print-jobs", order_id=order["id"])["items"]
    done = [job for job in jobs if job["state"] == "printed"]
    return done[0] if done else None


def pdf_of(by: Caller, document: Json) -> bytes | None:
    answer = by.send("GET", f"/documents/{document['id']}.pdf")
    return answer.content if answer.status_code == 200 else None


def test_10_only_a_name_makes_no_card(store: Store, manager: Caller) -> None:
    """Scenario 10: the order shows the name that was typed, and no customer card appears."""
    name = f"Zoe {uuid7().hex[-8:]}"
    order = store.take("1", "10.00", customer_name=name)
    assert order["customer"]["name"] == name
    assert manager.get("/customers", q=name)["items"] == []


def test_11_a_special_order_keeps_its_price(store: Store, manager: Caller) -> None:
    """Scenario 11: described at the counter for 1,250; a list price of 1,400 changes nothing."""
    line = {"special": {"description": "Oak table"}, "quantity": "1", "unit_price": "1250.00"}
    order = store.order(lines=[line])
    [shown] = order["lines"]
    assert (shown["description"], money(shown["unit_price"])) == ("Oak table", 1250)
    assert Decimal(shown["awaiting"]) == 1
    manager.patch(f"/items/{shown['sku']}", {"price": "1400.00"})
    assert money(store.show(order)["total"]) == 1250
    store.receive(shown["sku"], "1")
    store.when(order, status="ready")


def test_12_the_settlement_says_what_went_and_what_is_left(store: Store) -> None:
    """Scenario 12: 5 at 200, 2 shipped: shipped 2 and 400, left 3 and 600."""
    order = store.take("5", "200.00")
    store.ship(order, "2")
    shown = store.after_hand_over(order, 2)["settlement"]
    figures = {name: Decimal(value) for name, value in shown.items()}
    assert figures == {
        "shipped_quantity": 2,
        "shipped_amount": 400,
        "left_quantity": 3,
        "left_amount": 600,
    }


def test_25_a_site_order_waits_for_staff(store: Store, manager: Caller) -> None:
    """Scenario 25: pending approval, then agreed once; a new default is for new orders only."""
    order = store.take("1", "10.00", channel="site")
    assert order["status"] == "pending_approval"
    agreed = manager.post(f"/orders/{order['id']}/agree")
    assert agreed["status"] in ("agreed", "ready")
    manager.refused("POST", f"/orders/{order['id']}/agree", 409)
    waiting = store.take("1", "10.00", channel="site")
    settings = manager.get("/order-settings")["first_status"]
    try:
        manager.patch("/order-settings", {"first_status": {**settings, "site": "agreed"}})
        assert store.take("1", "10.00", channel="site")["status"] == "ready"
    finally:
        manager.patch("/order-settings", {"first_status": settings})
    assert store.show(waiting)["status"] == "pending_approval"


def test_27_an_unposted_shipment_ships_nothing(store: Store) -> None:
    """Scenario 27: a draft moves no goods; posted, it does, and only once."""
    order = store.take("1", "10.00")
    sku = order["lines"][0]["sku"]
    draft = store.ship(order, "1", post=False)
    assert (draft["state"], store.show(order)["status"]) == ("draft", "ready")
    assert store.stock(sku)["on_hand"] == 1
    assert store.post_shipment(draft)["state"] == "posted"
    store.post_shipment(draft)
    assert store.stock(sku)["on_hand"] == 0
    store.when(order, status="shipped")


def test_28_a_removed_order_comes_back(store: Store, manager: Caller) -> None:
    """Scenario 28: marked for removal it is out of sight, its history stays; restored it holds."""
    order = store.take("1", "10.00")
    sku, path = order["lines"][0]["sku"], f"/orders/{order['id']}"
    manager.post(f"{path}/mark-for-removal", {"reason": "typed twice"})
    assert listed(store) == set()
    soon(lambda: store.stock(sku)["held"] == 0, "the goods to be released")
    assert len(store.show(order)["history"]) >= 2
    manager.post(f"{path}/restore")
    assert listed(store) == {order["id"]}
    soon(lambda: store.stock(sku)["held"] == 1, "the goods to be held again")
    store.when(order, status="ready")


def listed(store: Store) -> set[str]:
    return {row["id"] for row in store.by.get("/orders", store_id=store.id)["items"]}


def test_29_a_changed_line_is_told_once(store: Store, manager: Caller) -> None:
    """Scenario 29: one account message and one e-mail for the change, and no more."""
    email = f"eve-{uuid7().hex[-8:]}@mail.example"
    card = manager.post("/customers", {"name": "Eve", "email": email, "language": "en"})
    order = store.take("3", "10.00", customer_id=card["id"], customer_name=None)
    before = soon(lambda: told(store, order, 4), "placed and ready to be told")
    path = f"/orders/{order['id']}/lines/{order['lines'][0]['id']}"
    changed = manager.patch(path, {"quantity": "2"})
    assert money(changed["total"]) == 20
    after = soon(lambda: told(store, order, 6), "the change to be told")
    new = [m for m in after if m["id"] not in {old["id"] for old in before}]
    assert sorted(m["channel"] for m in new) == ["account", "email"]
    assert len({m["event_id"] for m in new}) == 1
    soon(lambda: store.stock(order["lines"][0]["sku"])["held"] == 2, "one to be released")


def told(store: Store, order: Json, count: int) -> list[Json] | None:
    messages = list(store.messages(order))
    return messages if len(messages) >= count else None


def test_a_price_change_leaves_the_holds(store: Store, manager: Caller) -> None:
    """A price-only change counts in the total and touches no goods."""
    order = store.take("2", "10.00")
    sku = order["lines"][0]["sku"]
    moves = manager.get("/stock/movements", warehouse_id=store.warehouse_id, sku=sku)["items"]
    path = f"/orders/{order['id']}/lines/{order['lines'][0]['id']}"
    assert money(manager.patch(path, {"unit_price": "9.5000"})["total"]) == 19
    assert store.show(order)["status"] == "ready"
    again = manager.get("/stock/movements", warehouse_id=store.warehouse_id, sku=sku)["items"]
    assert again == moves


def test_a_manager_closes_with_a_reason(store: Store, manager: Caller) -> None:
    """What is open is taken back, its goods released; the reason is in the history."""
    order = store.take("3", "10.00")
    store.ship(order, "1")
    store.after_hand_over(order, 1)
    manager.post(f"/orders/{order['id']}/close", {"reason": "customer moved away"})
    closed = store.when(order, status="closed", total=10)
    assert any("moved away" in str(entry) for entry in closed["history"])
    soon(lambda: store.stock(order["lines"][0]["sku"])["held"] == 0, "the rest to be released")


def test_a_cancel_is_done_once(store: Store, manager: Caller) -> None:
    """The second cancel answers the same; money taken stays the customer's until refunded."""
    order = store.take("1", "10.00")
    store.pay(order, "5.00")
    store.when(order, paid=5)
    first = manager.post(f"/orders/{order['id']}/cancel", {"reason": "changed my mind"})
    second = manager.post(f"/orders/{order['id']}/cancel", {"reason": "again"})
    assert first["status"] == second["status"] == "cancelled"
    store.when(order, financial_status="overpaid")
    store.refund(order, "5.00")
    store.when(order, financial_status="refunded", paid=0)


def test_what_is_handed_over_is_not_cancelled(store: Store, manager: Caller) -> None:
    """Cancelling after a hand-over is refused with what to do instead."""
    order = store.take("2", "10.00")
    store.ship(order, "1")
    store.after_hand_over(order, 1)
    problem = manager.refused("POST", f"/orders/{order['id']}/cancel", 409)
    assert problem["detail"]


def test_a_cancelled_order_ships_nothing(store: Store, manager: Caller) -> None:
    """A shipment of a cancelled order is refused, and no goods move."""
    order = store.take("1", "10.00")
    draft = store.ship(order, "1", post=False)
    manager.post(f"/orders/{order['id']}/cancel", {"reason": "no"})

    def refused() -> bool:
        answer = manager.send("POST", f"/shipments/{draft['id']}/post", json={})
        if answer.status_code == 409:
            return True
        shown = manager.get(f"/shipments/{draft['id']}")
        return bool(shown["state"] == "refused")

    soon(refused, "the refusal")
    assert store.stock(order["lines"][0]["sku"])["on_hand"] == 1


def line_of(store: Store, **changes: object) -> Json:
    return {"sku": store.item("10.00"), "quantity": "1", **changes}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"quantity": "1.5"}, "/lines/0/quantity"),
        ({"quantity": "-1"}, "/lines/0/quantity"),
        ({"quantity": "1000000000"}, "/lines/0/quantity"),
        ({"unit_price": "1.00001"}, "/lines/0/unit_price"),
        ({"sku": "no-such-item"}, "/lines/0/sku"),
        ({"discount": "5"}, "/lines/0/discount"),
    ],
)
def test_a_bad_line_is_pointed_at(store: Store, changes: Json, pointer: str) -> None:
    """Wrong units, absurd quantities, unknown items: a sentence at the field, and no order."""
    body = order_body(store, [line_of(store, **changes)])
    problem = store.by.refused("POST", "/orders", 422, body)
    assert pointer in {error["pointer"] for error in problem["errors"]}
    assert listed(store) == set()


def order_body(store: Store, lines: list[Json], **more: object) -> Json:
    return {
        "store_id": store.id,
        "channel": "counter",
        "customer_name": "Ada",
        "currency": "EUR",
        "lines": lines,
        "hold": {"method": "nominal", "warehouse_id": store.warehouse_id},
        **more,
    }


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"store_id": "00000000-0000-4000-8000-000000000000"}, "/store_id"),
        ({"customer_name": "a\u0000b"}, "/customer_name"),
        ({"customer_id": "00000000-0000-4000-8000-000000000000"}, "/customer_id"),
        ({"prepayment": "10.001"}, "/prepayment"),
        ({"status": "paid"}, "/status"),
    ],
)
def test_a_bad_order_is_pointed_at(store: Store, more: Json, pointer: str) -> None:
    """Unknown references, control characters, wrong decimals: refused, and nothing is kept."""
    body = order_body(store, [line_of(store)], **more)
    if "customer_id" in more:
        body["customer_name"] = None
    problem = store.by.refused("POST", "/orders", 422, body)
    assert pointer in {error["pointer"] for error in problem["errors"]}


def test_a_hold_is_not_longer_than_allowed(store: Store) -> None:
    """91 days are refused, 90 are held."""
    hold = {"method": "nominal", "warehouse_id": store.warehouse_id}
    lines = [line_of(store)]
    long = order_body(store, lines, hold={**hold, "until": days_from_now(91)})
    problem = store.by.refused("POST", "/orders", 422, long)
    assert {error["pointer"] for error in problem["errors"]} == {"/hold/until"}
    fine = order_body(store, lines, hold={**hold, "until": days_from_now(89)})
    until = store.by.post("/orders", fine)["hold"]["until"]
    assert datetime.fromisoformat(until).date().isoformat() == days_from_now(89)[:10]


def test_one_key_is_one_order(store: Store) -> None:
    """A repeated request makes no second order; another body under its key is refused."""
    body = order_body(store, [line_of(store)])
    key = {"Idempotency-Key": f"till-{uuid7()}"}
    first = store.by.send("POST", "/orders", json=body, headers=key)
    again = store.by.send("POST", "/orders", json=body, headers=key)
    other = store.by.send("POST", "/orders", json={**body, "customer_name": "B"}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json()["id"] == again.json()["id"]
    assert listed(store) == {first.json()["id"]}


def test_a_batch_answers_each_order_of_its_own(store: Store) -> None:
    """Of three orders in one call, the bad one is refused alone."""
    good, bad = line_of(store), line_of(store, quantity="0.5")
    orders = [
        {"key": str(uuid7()), "order": order_body(store, [line])} for line in (good, bad, good)
    ]
    items = store.by.post("/orders/batch", {"orders": orders})["items"]
    assert [item["status"] for item in items] == [201, 422, 201]
    assert len(listed(store)) == 2


def test_a_body_of_ten_megabytes_is_refused(store: Store) -> None:
    """The gateway or the service says 413, and stays well."""
    answer = store.by.send("POST", "/orders", content=b"x" * 10_000_000)
    assert answer.status_code == 413
    assert store.by.get("/orders", store_id=store.id)["items"] == []


def test_a_customer_sees_only_the_own_orders(
    store: Store, manager: Caller, customer: Caller
) -> None:
    """The journal is for staff; a customer's account has the customer's own."""
    foreign = store.take("1", "10.00")
    customer.refused("GET", "/orders", 403)
    customer.refused("GET", f"/orders/{foreign['id']}", 403)
    customer.refused("GET", f"/me/orders/{foreign['id']}", 404)
    own = store.take("1", "10.00", customer_id=str(DEMO_CUSTOMER_ID), customer_name=None)
    soon(
        lambda: own["id"] in {row["id"] for row in customer.get("/me/orders")["items"]},
        "the own order in the account",
    )
    shown = customer.get("/me/messages")["items"]
    soon(lambda: shown or customer.get("/me/messages")["items"], "its messages")


def test_a_cashier_of_one_store_sees_no_other(open_store: OpenStore, owner: Caller) -> None:
    """Outside the caller's stores an order does not exist."""
    mine, other = open_store(), open_store()
    name = f"cashier-{uuid7().hex[-8:]}@demo.example"
    body = {
        "username": name,
        "password": "long enough to pass",
        "role": "cashier",
        "store_ids": [mine.id],
    }
    owner.post("/staff", body)
    cashier = Caller(name, "long enough to pass")
    foreign, own = other.take("1", "10.00"), mine.take("1", "10.00")
    cashier.refused("GET", f"/orders/{foreign['id']}", 404)
    assert cashier.get(f"/orders/{own['id']}")["id"] == own["id"]
    assert {row["store_id"] for row in cashier.get("/orders")["items"]} == {mine.id}
