"""A hand-over, as a till calls it."""

import asyncio
from decimal import Decimal

from chassis.testing import Bench
from contracts.inventory import TakeOut
from contracts.shipping import ShipmentPosted, ShipmentPosting, ShipmentRefused

from .conftest import (
    Placed,
    asked_for,
    drafted,
    line,
    post,
    refused,
    settlement,
    taken,
    until_somebody_waits,
    wish,
)


async def test_an_unposted_shipment_ships_nothing(shipping: Bench) -> None:
    """Scenario 27: saved it is a draft and nobody hears of it; posted it asks for the goods."""
    order = Placed()
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "2")
    assert (shipment["state"], shipment["due_now"], shipment["store_id"]) == (
        "draft",
        None,
        str(order.store_id),
    )
    assert await shipping.said() == []
    answer = await post(shipping, shipment)
    assert (answer.status_code, answer.json()["state"]) == (202, "posting")
    posting, wanted = await shipping.said()
    assert isinstance(posting, ShipmentPosting)
    assert isinstance(wanted, TakeOut)
    assert (wanted.warehouse_id, wanted.override) == (order.warehouse_id, False)
    assert [(one.sku, one.quantity) for one in wanted.lines] == [("SKU-1", Decimal(2))]


async def test_the_till_hears_what_is_due(shipping: Bench) -> None:
    """Scenario 14: with a wait the answer comes when billing has settled, and asks for 500."""
    order = Placed(lines=[line("5", "200")])
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "5")
    answering = asyncio.create_task(post(shipping, shipment, wait=5))
    wanted = await asked_for(shipping)
    await shipping.deliver(taken(wanted))
    await shipping.deliver(settlement(wanted.shipment_id, order.order_id, "500.00", "500.00"))
    answer = await answering
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["state"], body["due_now"], body["consumed"]) == ("posted", "500.00", "500.00")
    assert (body["value"], body["lines"][0]["amount"]) == ("1000.00", "1000.00")
    [posted] = await shipping.said(ShipmentPosted)
    assert (posted.value, posted.left_before) == (Decimal(1000), Decimal(1000))


async def test_a_refused_hand_over_says_why(shipping: Bench) -> None:
    """Goods that are not there: 200, refused, the shortage in words; then less is handed over."""
    order = Placed()
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "3")
    answering = asyncio.create_task(post(shipping, shipment, wait=5))
    await shipping.deliver(refused(await asked_for(shipping), available="1"))
    answer = await answering
    body = answer.json()
    assert (answer.status_code, body["state"], body["reason_code"]) == (
        200,
        "refused",
        "goods_missing",
    )
    assert "receive them" in body["reason"]
    assert body["shortages"][0]["detail"] == "3 of SKU-1 are wanted, 1 can be handed over."
    [said] = await shipping.said(ShipmentRefused)
    assert said.shortages[0].available == Decimal(1)
    again = await drafted(shipping, order, "5")
    assert (await post(shipping, again)).status_code == 202, "all five are left again"


async def test_scenario_12_settlement_in_parts(shipping: Bench) -> None:
    """Of 5 at 200 two are handed over, then three: 400 of 1,000, then 600 of 600."""
    order = Placed(lines=[line("5", "200")])
    await shipping.deliver(order.placed())
    for count, quantity in enumerate(("2", "3"), 1):
        await post(shipping, await drafted(shipping, order, quantity))
        await shipping.deliver(taken(await asked_for(shipping, count)))
    first, second = await shipping.said(ShipmentPosted)
    assert (first.value, first.left_before) == (Decimal(400), Decimal(1000))
    assert (second.value, second.left_before) == (Decimal(600), Decimal(600))
    nothing = await shipping.http.post(
        "/shipments", json=wish(order, "1"), headers={"Prefer": "wait=0"}
    )
    assert nothing.status_code == 422
    assert nothing.json()["errors"] == [
        {
            "pointer": "/lines/0/quantity",
            "detail": "Nothing of this line is left to hand over: leave it out.",
        }
    ]


async def test_the_last_piece_goes_once(shipping: Bench) -> None:
    """Two tills post the last piece at the same moment: one asks for it, the other is refused."""
    order = Placed(lines=[line("1", "100")])
    await shipping.deliver(order.placed())
    shipments = [await drafted(shipping, order, "1") for _ in range(6)]
    answers = await asyncio.gather(*(post(shipping, one, wait=0) for one in shipments))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409, 409]
    loser = next(answer.json() for answer in answers if answer.status_code == 409)
    assert loser["type"] == "left-meanwhile"
    assert loser["errors"][0]["pointer"] == "/lines/0/quantity"
    assert len(await shipping.said(TakeOut)) == 1


async def test_posting_twice_posts_once(shipping: Bench) -> None:
    """The same key, and another one: the answer is how the shipment stands."""
    order = Placed()
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "2")
    path, key = f"/shipments/{shipment['id']}/post", {"Idempotency-Key": "post"}
    answers = [await shipping.http.post(path, headers=key) for _ in range(2)]
    answers.append(await post(shipping, shipment))
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    wanted = await asked_for(shipping)
    assert len(await shipping.said(TakeOut)) == 1
    await shipping.deliver(taken(wanted))
    await shipping.deliver(settlement(wanted.shipment_id, order.order_id, "400.00", "0.00"))
    for headers in (key, {}):
        answer = await shipping.http.post(path, headers=headers)
        assert (answer.status_code, answer.json()["due_now"]) == (200, "400.00")
    assert len(await shipping.said(ShipmentPosting)) == 1


async def test_an_order_that_is_on_its_way_is_waited_for(shipping: Bench) -> None:
    """A draft of an order that was placed a moment ago waits until its fact arrives."""
    order = Placed()
    asking = asyncio.create_task(
        shipping.http.post("/shipments", json=wish(order, "2"), headers={"Prefer": "wait=5"})
    )
    await until_somebody_waits(shipping)
    await shipping.deliver(order.placed())
    assert (await asking).status_code == 201


async def test_an_agreement_that_is_on_its_way_is_waited_for(shipping: Bench) -> None:
    """Posting an order that was agreed a moment ago waits for that fact, and refuses without it."""
    order = Placed(status="pending_approval")
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "2")
    early = await post(shipping, shipment, wait=0)
    assert (early.status_code, early.json()["type"]) == (409, "not-agreed")
    asking = asyncio.create_task(post(shipping, shipment))
    await until_somebody_waits(shipping)
    await shipping.deliver(order.agreed())
    assert (await asking).status_code == 202


async def test_a_cancelled_order_is_not_shipped(shipping: Bench) -> None:
    """Neither a draft written before, nor a new one, and a marked order until it is restored."""
    order = Placed()
    await shipping.deliver(order.placed())
    shipment = await drafted(shipping, order, "2")
    await shipping.deliver(order.marked())
    marked = await post(shipping, shipment, wait=0)
    assert (marked.status_code, marked.json()["type"]) == (409, "order-is-marked")
    await shipping.deliver(order.restored())
    await shipping.deliver(order.cancelled())
    cancelled = await post(shipping, shipment)
    assert (cancelled.status_code, cancelled.json()["type"]) == (409, "order-is-cancelled")
    new = await shipping.http.post("/shipments", json=wish(order, "1"))
    assert new.status_code == 409
    assert await shipping.said() == []
