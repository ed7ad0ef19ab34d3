"""Proformas and invoices through the service: what is paid of each, and how it comes back."""

import asyncio
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from billing.accounts.domain import IdTaken
from billing.documents.handlers import IssueDocument, issue_documents
from chassis.http.idempotency import Call
from chassis.ids import uuid7
from contracts.billing import DocumentIssued, DocumentPaidChanged
from contracts.orders import OrderCancelled, OrderProgressed

from .conftest import NOW, Shop


def standing(document: dict[str, Any]) -> tuple[str, str, str, str]:
    """What the document says is paid in advance, paid, due, and its state."""
    return document["advances"], document["paid"], document["due"], document["state"]


async def terms_of(shop: Shop, order_id: UUID) -> list[str]:
    async with shop.bench.db.reading() as tx:
        found = await tx.execute(
            sa.text("SELECT terms FROM order_copy WHERE order_id = :id"), {"id": order_id}
        )
        return [term["term_id"] for term in found.scalar_one()]


async def test_payment_moves_proforma_term_and_order(shop: Shop) -> None:
    """Scenario 18: 400 named to the proforma of 600 pays it, the first term and the order."""
    order = await shop.order("1000", terms=(("2026-12-01", "600"), ("2027-01-01", "400")))
    first_term, _ = await terms_of(shop, order)
    proforma = await shop.document(order, "proforma", amount="600")
    payment = await shop.pay(order, "400", proforma["id"])
    assert payment["allocations"] == [
        {"document_id": proforma["id"], "term_id": first_term, "amount": "400.00"}
    ]
    assert standing(await shop.read_document(proforma)) == (
        "0.00",
        "400.00",
        "200.00",
        "partly_paid",
    )
    assert (await shop.figures(order))["paid"] == Decimal(400)


async def test_payments_of_proforma_and_invoice(shop: Shop) -> None:
    """Scenario 19: 200 more pay the proforma and term one, 100 pay the invoice of 400."""
    order = await shop.order("1000", terms=(("2026-12-01", "600"), ("2027-01-01", "400")))
    first_term, second_term = await terms_of(shop, order)
    proforma = await shop.document(order, "proforma", term_id=first_term)
    assert proforma["total"] == "600.00"
    await shop.pay(order, "400", proforma["id"])
    invoice = await shop.document(order, "invoice", amount="400")
    second = await shop.pay(order, "200", proforma["id"])
    third = await shop.pay(order, "100", invoice["id"])
    assert second["allocations"] == [
        {"document_id": proforma["id"], "term_id": first_term, "amount": "200.00"}
    ]
    assert third["allocations"] == [
        {"document_id": invoice["id"], "term_id": second_term, "amount": "100.00"}
    ]
    assert (await shop.read_document(proforma))["state"] == "paid"
    assert standing(await shop.read_document(invoice)) == (
        "0.00",
        "100.00",
        "300.00",
        "partly_paid",
    )
    assert (await shop.figures(order))["paid"] == Decimal(700)


async def test_unnamed_payment_pays_no_document(shop: Shop) -> None:
    """Scenario 20: a payment that names no document counts for the order alone."""
    order = await shop.order("1000")
    proforma = await shop.document(order, "proforma")
    payment = await shop.pay(order, "100")
    assert payment["allocations"] == [{"document_id": None, "term_id": None, "amount": "100.00"}]
    assert standing(await shop.read_document(proforma)) == ("0.00", "0.00", "1000.00", "open")
    assert (await shop.figures(order))["paid"] == Decimal(100)


async def test_cancelled_payment_brings_every_status_back(shop: Shop) -> None:
    """Scenario 21: the invoice after a paid proforma asks 400; cancelled, it asks 1,000."""
    order = await shop.order("1000")
    proforma = await shop.document(order, "proforma", amount="600")
    payment = await shop.pay(order, "600", proforma["id"])
    invoice = await shop.document(order, "invoice")
    assert standing(invoice) == ("600.00", "0.00", "400.00", "partly_paid")
    assert (await shop.cancel(payment)).status_code == 200
    assert standing(await shop.read_document(invoice)) == ("0.00", "0.00", "1000.00", "open")
    assert standing(await shop.read_document(proforma)) == ("0.00", "0.00", "600.00", "open")
    assert (await shop.figures(order))["paid"] == Decimal(0)
    states = [(one.number[0], one.state) for one in await shop.bench.said(DocumentPaidChanged)]
    assert states == [("P", "paid"), ("P", "open"), ("I", "open")]


async def test_deposit_that_covered_goods_is_an_advance(shop: Shop) -> None:
    """The counter's way: deposit, goods, invoice for the rest, paid, everything settled."""
    order = await shop.order("1000")
    await shop.pay(order, "500")
    await shop.hand_over(order, "1000", "1000")
    invoice = await shop.document(order, "invoice")
    assert standing(invoice) == ("500.00", "0.00", "500.00", "partly_paid")
    await shop.pay(order, "500", invoice["id"])
    assert standing(await shop.read_document(invoice)) == ("500.00", "500.00", "0.00", "paid")


async def test_only_money_before_the_issue_is_an_advance(shop: Shop) -> None:
    """Money that covered goods after the invoice and names none leaves the invoice as it is."""
    order = await shop.order("1000")
    await shop.pay(order, "500")
    await shop.hand_over(order, "400", "1000")
    invoice = await shop.document(order, "invoice")
    assert standing(invoice) == ("200.00", "0.00", "800.00", "partly_paid")
    await shop.pay(order, "200")
    await shop.hand_over(order, "600", "600")
    assert standing(await shop.read_document(invoice)) == standing(invoice)


async def test_cancelled_deposit_is_no_advance_any_more(shop: Shop) -> None:
    """A deposit that covered goods and is cancelled makes the whole invoice due again."""
    order = await shop.order("1000")
    deposit = await shop.pay(order, "500")
    await shop.hand_over(order, "1000", "1000")
    invoice = await shop.document(order, "invoice")
    await shop.cancel(deposit)
    assert standing(await shop.read_document(invoice)) == ("0.00", "0.00", "1000.00", "open")
    assert (await shop.figures(order))["due_now"] == Decimal(1000)


async def test_refunded_document_is_not_paid(shop: Shop) -> None:
    """A customer who gets the money of a paid proforma back has not paid it."""
    order = await shop.order("1000")
    proforma = await shop.document(order, "proforma")
    await shop.pay(order, "1000", proforma["id"])
    await shop.refund(order, "400")
    assert standing(await shop.read_document(proforma)) == (
        "0.00",
        "600.00",
        "400.00",
        "partly_paid",
    )


async def test_two_clerks_pay_one_invoice_at_once(shop: Shop) -> None:
    """Scenario 48: the invoice of 100 is paid 100, the order 200, and nothing is lost."""
    order = await shop.order("100")
    invoice = await shop.document(order, "invoice")
    first, second = await asyncio.gather(
        shop.pay(order, "100", invoice["id"]), shop.pay(order, "100", invoice["id"])
    )
    assert standing(await shop.read_document(invoice)) == ("0.00", "100.00", "0.00", "paid")
    assert await shop.figures(order) == {
        "paid": Decimal(200),
        "deposit_left": Decimal(200),
        "due_now": Decimal(0),
        "refunded": Decimal(0),
    }
    named = [part for one in (first, second) for part in one["allocations"] if part["document_id"]]
    assert [part["amount"] for part in named] == ["100.00"]


async def test_more_than_the_document_counts_for_the_order(shop: Shop) -> None:
    """What exceeds the document's due pays the order, and the answer says so."""
    order = await shop.order("1000")
    proforma = await shop.document(order, "proforma", amount="300")
    payment = await shop.pay(order, "500", proforma["id"])
    assert [(part["document_id"], part["amount"]) for part in payment["allocations"]] == [
        (proforma["id"], "300.00"),
        (None, "200.00"),
    ]


async def test_second_open_invoice(shop: Shop) -> None:
    """An order has one open invoice; when it is paid, what is left may be invoiced."""
    order = await shop.order("1000")
    first = await shop.document(order, "invoice", amount="400")
    refused = await shop.post_document(order, "invoice")
    assert refused.status_code == 409
    assert refused.json()["type"] == "already-invoiced"
    await shop.pay(order, "400", first["id"])
    second = await shop.document(order, "invoice")
    assert second["total"] == "600.00"
    await shop.pay(order, "600", second["id"])
    assert (await shop.post_document(order, "invoice")).json()["type"] == "nothing-left-to-invoice"


async def test_two_clerks_issue_the_invoice_at_once(shop: Shop) -> None:
    """Of two invoices asked for together one is issued, the other refused."""
    order = await shop.order("1000")
    answers = await asyncio.gather(*(shop.post_document(order, "invoice") for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert len(await shop.bench.said(DocumentIssued)) == 1


async def test_numbers_run_without_holes(shop: Shop) -> None:
    """Invoices of a store are numbered one after the other, refusals leave no hole."""
    orders = [await shop.order("100") for _ in range(5)]
    made = await asyncio.gather(*(shop.document(order, "invoice") for order in orders))
    await shop.post_document(orders[0], "invoice")
    last = await shop.document(await shop.order("100"), "invoice")
    year = last["issued_at"][:4]
    assert sorted(one["number"] for one in made) == [f"I-S1-{year}-{n:06d}" for n in range(1, 6)]
    assert last["number"] == f"I-S1-{year}-000006"


async def test_same_key_gives_the_same_invoice(shop: Shop) -> None:
    """A repeated request gets the invoice that it made, not a refusal."""
    order = await shop.order("1000")
    body = {"order_id": str(order), "kind": "invoice"}
    key = {"Idempotency-Key": "invoice of the order"}
    first = await shop.bench.http.post("/documents", json=body, headers=key)
    again = await shop.bench.http.post("/documents", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()


async def test_same_key_gives_the_same_proforma(shop: Shop) -> None:
    """A repeated proforma is not made twice, and takes no second number."""
    order = await shop.order("1000")
    body = {"order_id": str(order), "kind": "proforma"}
    key = {"Idempotency-Key": "proforma"}
    first = await shop.bench.http.post("/documents", json=body, headers=key)
    again = await shop.bench.http.post("/documents", json=body, headers=key)
    assert first.json() == again.json()
    assert (await shop.document(order, "proforma"))["number"].endswith("000002")


async def test_cancelled_order_cancels_its_documents(shop: Shop) -> None:
    """An order that is cancelled asks for no money: its unpaid documents lose force."""
    order = await shop.order("1000")
    invoice = await shop.document(order, "invoice")
    await shop.cancel_order(order)
    assert (await shop.read_document(invoice))["state"] == "cancelled"
    refused = await shop.post_payment(order, "10", invoice["id"])
    assert refused.status_code == 409
    assert refused.json()["errors"][0]["pointer"] == "/document_id"
    assert (await shop.post_document(order, "proforma")).json()["type"] == "order-is-cancelled"


async def test_voided_cancel_gives_documents_their_force_back(shop: Shop) -> None:
    """An order whose goods left before its cancel is not cancelled: its papers ask again."""
    order = await shop.order("1000")
    await shop.pay(order, "300")
    invoice = await shop.document(order, "invoice", amount="1000")
    await shop.pay(order, "100", invoice["id"])
    standing_before = standing(await shop.read_document(invoice))
    common = {
        "order_id": order,
        "store_id": shop.store_id,
        "number": "S1-000042",
        "financial_status": "partly_paid",
        "currency": "EUR",
        "total": Decimal(1000),
        "paid": Decimal(400),
        "changed": ("status",),
        "at": NOW,
        "by": "clerk",
    }
    cancelled = OrderCancelled(**common, status="cancelled", reason="changed mind")
    await shop.bench.deliver(cancelled)
    assert (await shop.read_document(invoice))["due"] == "0.00"
    voided = OrderProgressed(**common, status="in_progress", lines=())
    await shop.bench.deliver(voided, voided.model_copy(update={"changed": ()}))
    assert standing(await shop.read_document(invoice)) == standing_before
    assert [one.state for one in await shop.bench.said(DocumentPaidChanged)] == [
        "partly_paid",
        "cancelled",
        "partly_paid",
    ]
    await shop.pay(order, "900", invoice["id"])
    assert (await shop.read_document(invoice))["state"] == "paid"


async def test_same_id_twice_in_one_group(shop: Shop) -> None:
    """Of documents asked for under one id the same is issued once, a different one is refused."""
    order = await shop.order("1000")
    first, other, same = commands = [
        IssueDocument(
            document_id=UUID(int=1),
            order_id=order,
            kind="proforma",
            term_id=None,
            amount=Decimal(amount),
            stores=None,
            by="clerk",
            call=Call("clerk", key, key.encode()),
            at=NOW,
        )
        for key, amount in (("a", "400"), ("b", "500"), ("c", "400.00"))
    ]
    made = await shop.bench.db.run(lambda tx: issue_documents(tx, commands, UTC))
    assert isinstance(made[1], IdTaken)
    assert made[0] == made[2]
    issued = await shop.bench.said(DocumentIssued)
    assert [(one.document_id, one.total) for one in issued] == [(first.document_id, first.amount)]
    anew = [replace(other, document_id=UUID(int=2)), replace(same, call=first.call)]
    again = await shop.bench.db.run(lambda tx: issue_documents(tx, anew, UTC))
    assert [getattr(one, "total", one) for one in again] == [500, 400]


async def test_changed_order_is_invoiced_as_it_is_now(shop: Shop) -> None:
    """After a line changed the invoice has the new total."""
    order = await shop.order("1000")
    await shop.change(order, "800")
    assert (await shop.document(order, "invoice"))["total"] == "800.00"


async def test_amounts_that_no_document_can_have(shop: Shop) -> None:
    """Too much, too precise, and a term of another order are refused where they stand."""
    order = await shop.order("1000")
    for own, pointer in (
        ({"amount": "1000.01"}, "/amount"),
        ({"amount": "1.005"}, "/amount"),
        ({"amount": "0"}, "/amount"),
        ({"term_id": str(uuid7())}, "/term_id"),
    ):
        refused = await shop.post_document(order, "proforma", **own)
        assert refused.status_code == 422, own
        assert refused.json()["errors"][0]["pointer"] == pointer
