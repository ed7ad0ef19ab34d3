"""Stories of money: deposits, allocations, documents and debts that always add up."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from .chain import Caller, Json, Store, money, soon


@pytest.fixture
def prepayment_50(manager: Caller) -> None:
    manager.patch("/order-settings", {"prepayment_percent": "50"})


def test_08_what_the_clerk_types_stands(store: Store, prepayment_50: None) -> None:
    """Scenario 8: of 1,000 half is proposed, 300 typed: 300 stands and 700 remain."""
    order = store.take("10", "100.00", prepayment="300.00")
    assert money(order["prepayment_proposed"]) == 500
    assert money(order["prepayment"]) == 300
    store.pay(order, "300.00")
    assert money(store.when(order, paid=300)["due"]) == 700


def test_09_a_new_percentage_is_for_new_orders(
    store: Store, manager: Caller, prepayment_50: None
) -> None:
    """Scenario 9: after the setting falls to 30% the next 1,000 proposes 300, earlier ones 500."""
    early = store.take("10", "100.00")
    try:
        manager.patch("/order-settings", {"prepayment_percent": "30"})
        late = store.take("10", "100.00")
    finally:
        manager.patch("/order-settings", {"prepayment_percent": "50"})
    assert money(late["prepayment_proposed"]) == 300
    assert money(store.show(early)["prepayment_proposed"]) == 500


def test_13_a_part_consumes_its_share_of_the_deposit(store: Store) -> None:
    """Scenario 13: 500 of 1,000 prepaid, 400 handed over: 200 consumed, 200 due now."""
    order = store.take("10", "100.00")
    store.pay(order, "500.00")
    assert money(store.ship(order, "4")["due_now"]) == 200


def test_14_the_till_asks_for_the_rest(store: Store) -> None:
    """Scenario 14: a separate hold of 3, deposit 500 of 1,000: at hand-over the till asks 500."""
    sku = store.item("500.00", stock="10")
    order = store.order((sku, "2"), method="separate")
    store.pay(order, "500.00")
    before = store.stock(sku)
    assert money(store.ship(order, "2")["due_now"]) == 500
    [storage] = store.storage()
    assert store.stock(sku, storage["id"])["on_hand"] == 0
    assert store.stock(sku) == before


def test_16_only_what_is_not_consumed_is_refunded(store: Store) -> None:
    """Scenario 16: 500 prepaid, 300 consumed: 201 is refused, 200 is refunded."""
    order = store.take("10", "50.00")
    store.pay(order, "500.00")
    store.ship(order, "6")
    body = {"order_id": order["id"], "amount": "200.01", "method": "cash", "store_id": store.id}
    problem = store.by.send("POST", "/refunds", json=body)
    assert problem.status_code in (409, 422), problem.text
    store.refund(order, "200.00")
    store.when(order, paid=300)


def test_17_paid_and_shipped_are_independent(store: Store) -> None:
    """Scenario 17: paid in full and nothing shipped; and the reverse."""
    paid = store.take("10", "100.00")
    store.pay(paid, "1000.00")
    store.when(paid, financial_status="paid", status="ready")
    shipped = store.take("10", "100.00")
    store.ship(shipped, "10")
    store.when(shipped, financial_status="unpaid", status="shipped")


def terms() -> list[Json]:
    return [
        {"due_on": "2027-06-01", "amount": "600.00"},
        {"due_on": "2027-07-01", "amount": "400.00"},
    ]


def test_18_a_named_payment_moves_document_term_and_order(store: Store) -> None:
    """Scenario 18: proforma 600, 400 paid to it: proforma, first term and order partly paid."""
    order = store.take("10", "100.00", terms=terms())
    proforma = store.document(order, "proforma", amount="600.00")
    payment = store.pay(order, "400.00", proforma["id"])
    named = [a for a in payment["allocations"] if a.get("document_id") == proforma["id"]]
    assert sum(money(a["amount"]) for a in named) == 400
    shown = store.documents(order)["proforma"]
    assert (money(shown["paid"]), shown["state"]) == (400, "partly_paid")
    store.when(order, paid=400, financial_status="partly_paid")


def test_20_an_unnamed_payment_counts_for_the_order_only(store: Store) -> None:
    """Scenario 20: 100 that name no document are the order's, the documents do not count them."""
    order = store.take("10", "100.00")
    store.document(order, "proforma", amount="600.00")
    payment = store.pay(order, "100.00")
    assert all(a.get("document_id") is None for a in payment["allocations"])
    assert money(store.documents(order)["proforma"]["paid"]) == 0
    store.when(order, paid=100)


def test_21_a_final_invoice_leaves_the_difference(store: Store) -> None:
    """Scenario 21: proforma 600 paid, invoice 1,000: debt 400; cancelled, all reverts to 1,000."""
    order = store.take("10", "100.00")
    proforma = store.document(order, "proforma", amount="600.00")
    payment = store.pay(order, "600.00", proforma["id"])
    invoice = store.document(order, "invoice")
    assert money(invoice["due"]) == 400
    store.by.post(f"/payments/{payment['id']}/cancel", {"reason": "the card was declined"})
    documents = store.documents(order)
    assert money(documents["invoice"]["due"]) == 1000
    assert documents["proforma"]["state"] == "open"
    store.when(order, paid=0, financial_status="unpaid")


def test_26_paid_is_never_typed(store: Store) -> None:
    """Scenario 26: a status in a body is refused; a cash or a bank receipt makes it paid."""
    for method in ("cash", "bank"):
        order = store.take("1", "100.00")
        for field in ("status", "financial_status", "paid"):
            body = {"quantity": "1", field: "paid"}
            path = f"/orders/{order['id']}/lines/{order['lines'][0]['id']}"
            store.by.refused("PATCH", path, 422, body)
        body = {"order_id": order["id"], "amount": "100.00", "method": method}
        store.by.post("/payments", {**body, "store_id": store.id})
        store.when(order, financial_status="paid")


def test_31_debts_and_unshipped_payments_are_listed_apart(store: Store) -> None:
    """Scenario 31: invoice 1,000 with 300 paid: debt 700; shipped unpaid, paid unshipped apart."""
    owing = store.take("10", "100.00")
    store.ship(owing, "10")
    invoice = store.document(owing, "invoice")
    store.pay(owing, "300.00", invoice["id"])
    assert money(store.documents(owing)["invoice"]["due"]) == 700
    waiting = store.take("1", "100.00")
    store.pay(waiting, "100.00")
    store.when(waiting, financial_status="paid")
    store.when(owing, status="shipped", paid=300)

    def listed(**filters: str) -> set[str]:
        return {row["id"] for row in store.by.get("/orders", store_id=store.id, **filters)["items"]}

    assert listed(shipped_unpaid="true") == {owing["id"]}
    assert listed(paid_unshipped="true") == {waiting["id"]}


def test_45_a_deposit_of_a_third_is_consumed_to_the_cent(store: Store) -> None:
    """Scenario 45: 3 at 100, deposit 100, one by one: 66.67, 66.66 and 66.67 are due."""
    order = store.take("3", "100.00")
    store.pay(order, "100.00")
    asked = []
    for _ in range(3):
        due = store.ship(order, "1")["due_now"]
        asked.append(due)
        store.pay(order, due)
    assert [money(due) for due in asked] == [Decimal("66.67"), Decimal("66.66"), Decimal("66.67")]
    store.when(order, status="closed", financial_status="paid", paid=300)


def test_46_money_ahead_is_shared_over_what_is_left(store: Store) -> None:
    """Scenario 46: 400 ahead with 8 left: 5 go for 250 due, the last 3 for 150 more."""
    order = store.take("10", "100.00")
    store.ship(order, "2")
    store.pay(order, "200.00")
    store.pay(order, "400.00")
    assert money(store.ship(order, "5")["due_now"]) == 250
    assert money(store.ship(order, "3")["due_now"]) == 400


def test_47_a_refund_leaves_less_to_consume(store: Store) -> None:
    """Scenario 47: after 40 are refunded the next hand-over consumes 10, and 90 are due."""
    order = store.take("2", "100.00")
    store.pay(order, "100.00")
    assert money(store.ship(order, "1")["due_now"]) == 50
    store.pay(order, "50.00")
    store.refund(order, "40.00")
    assert money(store.ship(order, "1")["due_now"]) == 90


def test_48_an_order_worth_nothing(store: Store) -> None:
    """Scenario 48: worth 0 is handed over and closed without a division by zero."""
    sku = store.item(stock="1")
    body = [{"sku": sku, "quantity": "1", "unit_price": "0"}]
    order = store.order(lines=body)
    assert money(store.ship(order, "1")["due_now"]) == 0
    store.when(order, status="closed")


def test_48_two_clerks_pay_one_invoice(store: Store) -> None:
    """Scenario 48: both payments of 100 are facts: invoice 100/100, order 200, overpaid."""
    order = store.take("1", "100.00")
    invoice = store.document(order, "invoice")
    with ThreadPoolExecutor(2) as pool:
        payments = list(pool.map(lambda _: store.pay(order, "100.00", invoice["id"]), range(2)))
    shown = store.documents(order)["invoice"]
    assert (money(shown["paid"]), money(shown["due"]), shown["state"]) == (100, 0, "paid")
    store.when(order, paid=200, financial_status="overpaid")
    for _ in range(2):
        store.by.post(f"/payments/{payments[0]['id']}/cancel", {"reason": "paid twice"})
    store.when(order, paid=100, financial_status="paid")
    shown = store.documents(order)["invoice"]
    assert (money(shown["paid"]), money(shown["due"]), shown["state"]) == (100, 0, "paid")


def test_13_then_the_rest_is_not_wanted(store: Store, manager: Caller) -> None:
    """Scenario 13, then closed: the invoice of 1,000 asks for 400, all paid; 100 can go back."""
    order = store.take("10", "100.00")
    invoice = store.document(order, "invoice")
    store.pay(order, "500.00", invoice["id"])
    assert money(store.ship(order, "4")["due_now"]) == 200
    store.after_hand_over(order, 4)
    manager.post(f"/orders/{order['id']}/close", {"reason": "no longer wanted"})
    store.when(order, total=400, financial_status="overpaid")

    def credited() -> Json | None:
        shown = store.documents(order)["invoice"]
        return shown if money(shown["credited"]) else None

    shown = soon(credited, "the invoice to follow the order")
    assert (money(shown["credited"]), money(shown["due"]), shown["state"]) == (600, 0, "paid")
    body = {"order_id": order["id"], "amount": "100.01", "method": "cash", "store_id": store.id}
    assert store.by.send("POST", "/refunds", json=body).status_code == 422
    store.refund(order, "100.00")
    store.when(order, paid=400, financial_status="paid")


def test_the_customers_account_adds_up(store: Store, manager: Caller) -> None:
    """Debt and deposits of a card are the sums over its orders."""
    card = manager.post("/customers", {"name": "Grace Hopper"})
    order = store.take("2", "100.00", customer_id=card["id"], customer_name=None)
    store.pay(order, "50.00")
    store.ship(order, "1")

    def account() -> Json | None:
        answer = manager.send("GET", f"/accounts/{card['id']}")
        return answer.json() if answer.status_code == 200 else None

    shown = soon(account, "the account")
    assert money(shown["debt"]) == 75
    assert money(shown["deposits"]) == 25


Opener = Callable[..., Store]


def test_a_deposit_of_one_store_is_settled_in_another(open_store: Opener) -> None:
    """A customer pays the deposit here, and the rest there, and the order is paid."""
    here, there = open_store(), open_store()
    order = here.take("2", "100.00")
    here.pay(order, "100.00")
    there.pay(order, "100.00")
    here.when(order, financial_status="paid")
