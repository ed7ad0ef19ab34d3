"""The HTTP edge: who may do what, what is refused and where, what a repeated request gets."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from chassis.ids import uuid7
from chassis.testing import Bench
from contracts.billing import PaymentPosted
from contracts.identity import Role

from .conftest import Shop, open_shop


def payment_body(shop: Shop, order: UUID, **own: Any) -> dict[str, Any]:
    return {
        "order_id": str(order),
        "amount": "10.00",
        "method": "cash",
        "store_id": str(shop.store_id),
        **own,
    }


@pytest.mark.parametrize(
    ("own", "pointer"),
    [
        ({"amount": "-1"}, "/amount"),
        ({"amount": "0"}, "/amount"),
        ({"amount": "1.005"}, "/amount"),
        ({"amount": 10.5}, "/amount"),
        ({"amount": "1000000001"}, "/amount"),
        ({"amount": "NaN"}, "/amount"),
        ({"method": "cheque"}, "/method"),
        ({"document_id": "01900000-0000-7000-8000-0000000000bb"}, "/document_id"),
        ({"store_id": "01900000-0000-7000-8000-0000000000cc"}, "/store_id"),
        ({"order_id": "01900000-0000-7000-8000-0000000000dd"}, "/order_id"),
        ({"state": "paid"}, "/state"),
    ],
)
async def test_bad_payment_is_refused_where_it_is_wrong(
    shop: Shop, own: dict[str, Any], pointer: str
) -> None:
    """Each wrong field is pointed at, and nothing is posted."""
    order = await shop.order()
    answer = await shop.bench.http.post("/payments", json=payment_body(shop, order, **own))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert await shop.bench.said(PaymentPosted) == []


async def test_yen_have_no_decimals(shop: Shop) -> None:
    """The currency of the order says how precise a payment may be."""
    order = await shop.order("1000", currency="JPY")
    assert (await shop.post_payment(order, "10.5")).status_code == 422
    assert (await shop.pay(order, "10"))["amount"] == "10"


async def test_repeated_payment_is_taken_once(shop: Shop) -> None:
    """The same key and body give the same payment; another body is refused."""
    order = await shop.order()
    key = {"Idempotency-Key": "till 4, receipt 17"}
    body = payment_body(shop, order)
    first = await shop.bench.http.post("/payments", json=body, headers=key)
    again = await shop.bench.http.post("/payments", json=body, headers=key)
    other = await shop.bench.http.post(
        "/payments", json=payment_body(shop, order, amount="11"), headers=key
    )
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()
    assert len(await shop.bench.said(PaymentPosted)) == 1


async def test_refusal_is_not_kept_under_the_key(shop: Shop) -> None:
    """A refused refund may be sent again with its key once there is money."""
    order = await shop.order()
    key = {"Idempotency-Key": "refund of the deposit"}
    body = payment_body(shop, order)
    refused = await shop.bench.http.post("/refunds", json=body, headers=key)
    await shop.pay(order, "10")
    given = await shop.bench.http.post("/refunds", json=body, headers=key)
    again = await shop.bench.http.post("/refunds", json=body, headers=key)
    assert (refused.status_code, given.status_code, again.status_code) == (422, 201, 201)
    assert given.json() == again.json()


async def test_same_id_under_another_key(shop: Shop) -> None:
    """The client's own id is one payment: the same again is shown, another one is refused."""
    order = await shop.order()
    body = payment_body(shop, order, id=str(uuid7()))
    first = await shop.bench.http.post("/payments", json=body)
    same = await shop.bench.http.post("/payments", json=body)
    other = await shop.bench.http.post("/payments", json=body | {"amount": "11"})
    assert same.json() == first.json()
    assert (other.status_code, other.json()["type"]) == (409, "id-taken")
    assert len(await shop.bench.said(PaymentPosted)) == 1


async def test_same_id_twice_in_one_group(shop: Shop) -> None:
    """Two payments under one id are not one: the other is refused, and its key may try again."""
    order, one_id = await shop.order(), str(uuid7())
    amounts = {"a": "10", "b": "11", "c": "10.00"}
    members = [
        {"key": key, "payment": payment_body(shop, order, id=one_id, amount=amount)}
        for key, amount in amounts.items()
    ]
    answer = await shop.bench.http.post("/payments/batch", json={"payments": members})
    first, other, same = answer.json()["items"]
    assert [one["status"] for one in (first, other, same)] == [201, 409, 201]
    assert other["problem"]["type"] == "id-taken"
    assert same["payment"] == first["payment"]
    anew = {"key": "b", "payment": payment_body(shop, order, id=str(uuid7()), amount="11")}
    again = await shop.bench.http.post("/payments/batch", json={"payments": [anew]})
    assert again.json()["items"][0]["status"] == 201
    assert [one.amount for one in await shop.bench.said(PaymentPosted)] == [10, 11]


async def test_two_refunds_under_one_id_at_once(shop: Shop) -> None:
    """Of two different refunds under one id one is given, the other refused, its key not kept."""
    order = await shop.order()
    await shop.pay(order, "100")
    one_id = str(uuid7())
    bodies = [payment_body(shop, order, id=one_id, amount=amount) for amount in ("10", "11")]

    async def refund(body: dict[str, Any], key: str) -> int:
        headers = {"Idempotency-Key": key}
        return (await shop.bench.http.post("/refunds", json=body, headers=headers)).status_code

    statuses = await asyncio.gather(*(refund(body, body["amount"]) for body in bodies))
    assert sorted(statuses) == [201, 409]
    refused = bodies[statuses.index(409)]
    assert await refund(refused | {"id": str(uuid7())}, refused["amount"]) == 201
    assert (await shop.figures(order))["refunded"] == 21


async def test_post_without_a_key(shop: Shop) -> None:
    """Every POST needs an Idempotency-Key."""
    answer = await shop.bench.http.post("/payments", json={}, headers={"Idempotency-Key": " "})
    assert answer.status_code == 400


async def test_batch_answers_each_member(shop: Shop) -> None:
    """Of a batch each payment has its own answer; repeated, it posts nothing anew."""
    order = await shop.order("100")
    old = "01900000-0000-7000-8000-0000000000dd"
    bodies = [
        payment_body(shop, order),
        payment_body(shop, order, amount="-1"),
        payment_body(shop, order, order_id=old),
        payment_body(shop, order, store_id=str(uuid7())),
        payment_body(shop, order, amount="20"),
        payment_body(shop, order, amount="20"),
    ]
    members = [{"key": key, "payment": one} for key, one in zip("abcdee", bodies, strict=True)]
    wait = {"Prefer": "wait=0"}
    answer = await shop.bench.http.post("/payments/batch", json={"payments": members}, headers=wait)
    assert answer.status_code == 200
    answers = answer.json()["items"]
    assert [one["status"] for one in answers] == [201, 422, 422, 409, 201, 409]
    assert answers[1]["problem"]["errors"][0]["pointer"] == "/amount"
    assert answers[2]["problem"]["type"] == "unknown-order"
    assert answers[3]["problem"]["type"] == "not-known-yet"
    again = await shop.bench.http.post("/payments/batch", json={"payments": members}, headers=wait)
    assert [one["status"] for one in again.json()["items"]] == [201, 422, 422, 409, 201, 201]
    assert again.json()["items"][0] == answers[0]
    assert (await shop.figures(order))["paid"] == 30


async def test_thousand_payments_at_once(shop: Shop) -> None:
    """A batch of 1,000 is one call; one more is refused."""
    order = await shop.order("100000")
    members = [{"key": f"row {n}", "payment": payment_body(shop, order)} for n in range(1000)]
    answer = await shop.bench.http.post("/payments/batch", json={"payments": members})
    assert {one["status"] for one in answer.json()["items"]} == {201}
    assert (await shop.figures(order))["paid"] == 10_000
    many = await shop.bench.http.post("/payments/batch", json={"payments": [*members, members[0]]})
    assert many.status_code == 422


async def test_pages_of_a_stores_payments(shop: Shop) -> None:
    """A store's payments come in pages, oldest first, each once."""
    order = await shop.order()
    made = [(await shop.pay(order, str(n)))["id"] for n in range(1, 6)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await shop.bench.http.get(
            "/payments", params={"store_id": str(shop.store_id), "limit": 2, **cursor}
        )
        seen += [one["id"] for one in page.json()["items"]]
        if page.json()["next_cursor"] is None:
            break
        cursor = {"cursor": page.json()["next_cursor"]}
    assert seen == made
    bad = await shop.bench.http.get("/payments", params={"cursor": "bm9wZQ=="})
    assert bad.status_code == 422


async def test_lists_of_an_order(shop: Shop) -> None:
    """Payments and refunds of an order are listed, cancelled ones among them."""
    order = await shop.order()
    first = await shop.pay(order, "50")
    await shop.pay(order, "30", method="card")
    await shop.cancel(first)
    await shop.refund(order, "5", method="bank")
    payments = (await shop.bench.http.get("/payments", params={"order_id": str(order)})).json()
    refunds = (await shop.bench.http.get("/refunds", params={"order_id": str(order)})).json()
    assert [(one["amount"], one["state"]) for one in payments["items"]] == [
        ("50.00", "cancelled"),
        ("30.00", "posted"),
    ]
    assert [(one["amount"], one["method"]) for one in refunds["items"]] == [("5.00", "bank")]
    unknown = await shop.bench.http.get("/payments", params={"order_id": str(uuid7())})
    assert unknown.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("path", ["/payments", "/refunds", "/accounts/cash-report"])
async def test_time_that_does_not_exist_in_utc(shop: Shop, path: str) -> None:
    """A first or last hour of the calendar, with its offset, is refused where it is wrong."""
    asked = {"store_id": str(shop.store_id), "from": "2026-01-01T00:00:00Z"}
    asked |= {"to": "2100-01-01T00:00:00Z"}
    for name, time in (("from", "0001-01-01T00:00:00+14:00"), ("to", "9999-12-31T23:59:59-12:00")):
        answer = await shop.bench.http.get(path, params=asked | {name: time})
        assert answer.status_code == 422, answer.text
        assert [one["pointer"] for one in answer.json()["errors"]] == [f"query/{name}"]


async def test_rights(shop: Shop) -> None:
    """A cashier takes money and issues papers, but gives none back; a customer does neither."""
    order = await shop.order()
    payment = await shop.pay(order, "10")
    cashier, customer = shop.bench.client(Role.CASHIER), shop.bench.client(Role.CUSTOMER)
    async with cashier, customer:
        assert (await cashier.post("/payments", json=payment_body(shop, order))).status_code == 201
        refund = await cashier.post("/refunds", json=payment_body(shop, order))
        cancel = await cashier.post(f"/payments/{payment['id']}/cancel", json={"reason": "no"})
        assert (refund.status_code, cancel.status_code) == (403, 403)
        for path in ("/payments", "/refunds", "/accounts/debts", f"/documents?order_id={order}"):
            assert (await customer.get(path)).status_code == 403
        taken = await customer.post("/payments", json=payment_body(shop, order))
        assert taken.status_code == 403


async def test_other_stores_are_out_of_sight(shop: Shop) -> None:
    """Whoever works in another store sees neither the order's money nor its papers."""
    other = await open_shop(shop.bench, "S2", "Market Hall")
    order = await shop.order()
    payment = await shop.pay(order, "10")
    document = await shop.document(order, "proforma")
    calls: list[tuple[str, str, Any]] = [
        ("GET", f"/payments?order_id={order}", None),
        ("GET", f"/payments?store_id={shop.store_id}", None),
        ("GET", f"/payments/{payment['id']}", None),
        ("GET", f"/refunds?store_id={shop.store_id}", None),
        ("GET", f"/documents?order_id={order}", None),
        ("GET", f"/documents/{document['id']}", None),
        ("GET", f"/documents/{document['id']}.pdf", None),
        ("GET", f"/accounts/debts?store_id={shop.store_id}", None),
        ("POST", "/payments", payment_body(shop, order)),
        ("POST", "/refunds", payment_body(shop, order)),
        ("POST", "/documents", {"order_id": str(order), "kind": "invoice"}),
        ("POST", f"/payments/{payment['id']}/cancel", {"reason": "no"}),
    ]
    async with shop.bench.client(Role.MANAGER, store_ids=[other.store_id]) as manager:
        for method, path, body in calls:
            answer = await manager.request(method, path, json=body)
            assert answer.status_code == 404, f"{method} {path}: {answer.text}"
        # But an order of another store may be paid here, and what was paid here is seen here.
        paid = await manager.post("/payments", json=payment_body(other, order))
        listed = await manager.get("/payments", params={"order_id": str(order)})
    assert paid.status_code == 201
    assert [one["id"] for one in listed.json()["items"]] == [paid.json()["id"]]


async def test_only_the_tills_own_store_takes_a_payment_back(shop: Shop) -> None:
    """Who sees a payment by its order does not give it back out of another store's till."""
    other = await open_shop(shop.bench, "S2", "Market Hall")
    order = await shop.order()
    payment = await other.pay(order, "10")
    path, body = f"/payments/{payment['id']}", {"reason": "mistyped"}
    async with shop.bench.client(Role.MANAGER, store_ids=[shop.store_id]) as of_the_order:
        assert (await of_the_order.get(path)).status_code == 200
        assert (await of_the_order.post(f"{path}/cancel", json=body)).status_code == 404
    assert (await shop.figures(order))["paid"] == 10
    async with shop.bench.client(Role.MANAGER, store_ids=[other.store_id]) as of_the_till:
        assert (await of_the_till.post(f"{path}/cancel", json=body)).status_code == 200


async def test_ledger_is_checked_by_who_runs_the_chain(shop: Shop) -> None:
    """The check names orders of every store: it is not for who works in some of them."""
    async with shop.bench.client(Role.MANAGER, store_ids=[shop.store_id]) as of_one_store:
        assert (await of_one_store.get("/accounts/ledger-check")).status_code == 403
    async with shop.bench.client(Role.MANAGER) as of_the_chain:
        assert (await of_the_chain.get("/accounts/ledger-check")).status_code == 200


async def test_customers_own_documents(shop: Shop) -> None:
    """A customer sees and prints the own documents, and nobody else's."""
    me, other = uuid7(), uuid7()
    mine = await shop.document(await shop.order(customer_id=me), "invoice")
    theirs = await shop.document(await shop.order(customer_id=other), "invoice")
    async with shop.bench.client(Role.CUSTOMER, customer_id=me) as customer:
        listed = await customer.get("/me/documents")
        assert [one["id"] for one in listed.json()["items"]] == [mine["id"]]
        paper = await customer.get(f"/me/documents/{mine['id']}.pdf")
        assert paper.content.startswith(b"%PDF")
        assert (await customer.get(f"/me/documents/{theirs['id']}.pdf")).status_code == 404
        assert (await customer.get(f"/documents/{mine['id']}.pdf")).status_code == 403
    async with shop.bench.client(Role.CUSTOMER) as nobody:
        assert (await nobody.get("/me/documents")).json()["items"] == []


async def get(billing: Bench, path: str, **params: str) -> Any:
    answer: httpx.Response = await billing.http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_customers_account(shop: Shop) -> None:
    """Scenario 31's figures: debt is what is handed over and unpaid, deposits what is ahead."""
    customer = uuid7()
    owing, ahead = [await shop.order("1000", customer_id=customer) for _ in range(2)]
    await shop.pay(owing, "300")
    await shop.hand_over(owing, "1000", "1000")
    await shop.pay(ahead, "250")
    account = await get(shop.bench, f"/accounts/{customer}")
    assert (account["debt"], account["deposits"], account["currency"]) == (
        "700.00",
        "250.00",
        "EUR",
    )
    by_order = {one["order_id"]: one for one in account["by_order"]}
    assert by_order[str(owing)]["shipped_value"] == "1000.00"
    assert by_order[str(owing)]["due"] == "700.00"
    assert by_order[str(ahead)]["due_now"] == "0.00"
    stranger = await get(shop.bench, f"/accounts/{uuid7()}")
    assert (stranger["debt"], stranger["by_order"]) == ("0", [])


async def test_debts_apart(shop: Shop) -> None:
    """Scenario 31: shipped unpaid and paid unshipped orders are listed apart."""
    owing, ahead, done = [await shop.order("1000") for _ in range(3)]
    invoice = await shop.document(owing, "invoice")
    await shop.pay(owing, "300", invoice["id"])
    await shop.hand_over(owing, "1000", "1000")
    await shop.pay(ahead, "1000")
    await shop.pay(done, "1000")
    await shop.hand_over(done, "1000", "1000")
    assert (await shop.read_document(invoice))["due"] == "700.00"
    store = str(shop.store_id)
    unpaid = await get(shop.bench, "/accounts/debts", kind="shipped_unpaid", store_id=store)
    unshipped = await get(shop.bench, "/accounts/debts", kind="paid_unshipped", store_id=store)
    assert [(one["order_id"], one["amount"]) for one in unpaid["items"]] == [(str(owing), "700.00")]
    assert [(one["order_id"], one["amount"]) for one in unshipped["items"]] == [
        (str(ahead), "1000.00")
    ]
    old = await get(shop.bench, "/accounts/debts", older_than_days="1")
    assert old["items"] == []


async def test_cash_report(shop: Shop) -> None:
    """Scenario 40: each store's report has what its own till took and gave."""
    other = await open_shop(shop.bench, "S2", "Market Hall")
    order = await shop.order("100")
    await shop.pay(order, "80")
    await shop.cancel(await shop.pay(order, "5"))
    await shop.pay(order, "20", method="card")
    assert (await other.refund(order, "30")).status_code == 201
    reports = []
    for one in (shop, other):
        report = await get(
            shop.bench,
            "/accounts/cash-report",
            store_id=str(one.store_id),
            **{"from": "2026-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"},
        )
        reports.append(
            [(row["method"], row["kind"], row["taken"], row["given"]) for row in report["items"]]
        )
    assert reports == [
        [
            ("card", "payment", "20.00", "0.00"),
            ("cash", "cancellation", "0.00", "5.00"),
            ("cash", "payment", "85.00", "0.00"),
        ],
        [("cash", "refund", "0.00", "30.00")],
    ]
    assert await get(shop.bench, "/accounts/ledger-check") == {"differing_orders": []}
