"""Orders that become smaller, and payments that are taken back: nobody is asked for too much."""

from decimal import Decimal
from typing import Any

from chassis.database import Database
from contracts.billing import DepositConsumed

from .conftest import Shop, order_placed, shipment_posted
from .test_accounts_handlers import ledger_agrees, money


def figures(document: dict[str, Any]) -> tuple[str, str, str]:
    return document["credited"], document["due"], document["state"]


async def test_the_deposit_covers_the_debt_when_the_rest_is_taken_back(
    shop: Shop, db: Database
) -> None:
    """Scenario 13, then nothing more is wanted: of 500 paid 400 are consumed, 100 stay."""
    order = await shop.order("1000")
    await shop.pay(order, "500")
    await shop.hand_over(order, "400", "1000")
    await shop.change(order, "400")
    assert await shop.figures(order) == money(
        paid="500", deposit_left="100", due_now="0", refunded="0"
    )
    [told] = await shop.bench.said(DepositConsumed)
    assert (told.consumed, told.due_now, told.deposit_left) == (200, 0, 100)
    assert (await shop.refund(order, "101")).status_code == 422
    assert (await shop.refund(order, "100")).status_code == 201
    await ledger_agrees(db)


async def test_the_order_shrank_before_its_last_goods_are_heard_of(shop: Shop) -> None:
    """Shipping still knew of 1,000 when it handed over 400; the order wants no more than these."""
    order = await shop.order("1000")
    await shop.pay(order, "500")
    await shop.change(order, "400")
    await shop.hand_over(order, "400", "1000")
    assert await shop.figures(order) == money(
        paid="500", deposit_left="100", due_now="0", refunded="0"
    )


async def test_goods_heard_of_before_an_order_that_shrank(shop: Shop) -> None:
    """The order is heard of last, and by then it wants no more than what was handed over."""
    placed = order_placed(shop.store_id, Decimal(400))
    await shop.bench.deliver(shipment_posted(placed.order_id, shop.store_id, "400", "1000"))
    await shop.bench.deliver(placed)
    await shop.pay(placed.order_id, "500")
    assert await shop.figures(placed.order_id) == money(
        paid="500", deposit_left="100", due_now="0", refunded="0"
    )


async def test_two_hand_overs_settled_the_other_way_round(shop: Shop, db: Database) -> None:
    """All is paid ahead; whichever of two hand-overs is heard of first, nothing is due after."""
    for facts in ((0, 1), (1, 0)):
        order = await shop.order("200")
        await shop.pay(order, "200")
        made = [
            shipment_posted(order, shop.store_id, "100", "200", handed_over_before="0"),
            shipment_posted(order, shop.store_id, "100", "100", handed_over_before="100"),
        ]
        await shop.bench.deliver(*(made[n] for n in facts))
        assert await shop.figures(order) == money(
            paid="200", deposit_left="0", due_now="0", refunded="0"
        )
    await ledger_agrees(db)


async def test_an_invoice_asks_for_no_more_than_the_order(shop: Shop) -> None:
    """An invoice of 1,000 asks for 400 once goods for 400 are wanted, and for 700 of 700."""
    order = await shop.order("1000")
    invoice = await shop.document(order, "invoice")
    await shop.pay(order, "400", invoice["id"])
    await shop.change(order, "400")
    assert figures(await shop.read_document(invoice)) == ("600.00", "0.00", "paid")
    await shop.change(order, "700")
    assert figures(await shop.read_document(invoice)) == ("300.00", "300.00", "partly_paid")


async def test_the_newest_invoice_gives_way_first(shop: Shop) -> None:
    """An order grew after its first invoice and shrank after its second: the first stays paid."""
    order = await shop.order("400")
    ahead = await shop.document(order, "proforma")
    await shop.pay(order, "400", ahead["id"])
    first = await shop.document(order, "invoice")
    await shop.change(order, "1000")
    second = await shop.document(order, "invoice")
    await shop.change(order, "500")
    assert figures(await shop.read_document(first)) == ("0.00", "0.00", "paid")
    assert figures(await shop.read_document(second)) == ("500.00", "100.00", "open")


async def test_a_cancel_that_turns_out_void_consumes_no_deposit(shop: Shop) -> None:
    """Goods had left as the order was cancelled: the deposit is shared as if it never was."""
    order = await shop.order("1000")
    await shop.pay(order, "500")
    await shop.cancel_order(order)
    await shop.hand_over(order, "400", "1000")
    await shop.change(order, "1000")
    assert await shop.figures(order) == money(
        paid="500", deposit_left="300", due_now="200", refunded="0"
    )


async def test_an_order_that_wants_nothing_asks_for_nothing(shop: Shop) -> None:
    """Its invoice has no force until something is wanted again."""
    order = await shop.order("1000")
    invoice = await shop.document(order, "invoice")
    await shop.change(order, "0")
    assert figures(await shop.read_document(invoice)) == ("1000.00", "0.00", "cancelled")
    await shop.change(order, "200")
    assert figures(await shop.read_document(invoice)) == ("800.00", "200.00", "open")


async def test_the_second_payment_of_an_invoice_outlives_the_first(shop: Shop) -> None:
    """Scenario 48, and the first of the two is cancelled: the second one pays the invoice."""
    order = await shop.order("100")
    invoice = await shop.document(order, "invoice")
    first = await shop.pay(order, "100", invoice["id"])
    await shop.pay(order, "100", invoice["id"])
    assert (await shop.cancel(first)).status_code == 200
    left = await shop.read_document(invoice)
    assert (left["paid"], left["due"], left["state"]) == ("100.00", "0.00", "paid")


async def test_an_invoice_is_paid_though_its_advance_bounces(shop: Shop) -> None:
    """600 ahead, then 1,000 on the invoice of 1,000, the 600 are taken back: nothing is due."""
    order = await shop.order("1000")
    proforma = await shop.document(order, "proforma", amount="600")
    ahead = await shop.pay(order, "600", proforma["id"])
    invoice = await shop.document(order, "invoice")
    assert invoice["due"] == "400.00"
    await shop.pay(order, "1000", invoice["id"])
    assert (await shop.cancel(ahead)).status_code == 200
    left = await shop.read_document(invoice)
    assert (left["advances"], left["paid"], left["due"]) == ("0.00", "1000.00", "0.00")
