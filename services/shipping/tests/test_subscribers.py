"""Facts of the other services, in any order, once or again."""

from decimal import Decimal

import sqlalchemy as sa
from chassis.database import Database
from chassis.ids import uuid7
from chassis.testing import Bench, difference_from_tables
from contracts.inventory import TakeOut
from contracts.shipping import ShipmentPosted, ShipmentPosting, ShipmentRefused
from shipping import store

from .conftest import (
    Placed,
    deliver_together,
    drafted,
    line,
    post,
    read,
    refused,
    settlement,
    taken,
    wish,
)


async def versions(db: Database) -> list[tuple[str, int]]:
    async with db.reading() as tx:
        rows = await tx.execute(
            sa.text("SELECT type, version FROM outbox WHERE version > 0 ORDER BY position")
        )
        return [(row.type, row.version) for row in rows]


async def posting(shipping: Bench, order: Placed, quantity: str = "2") -> TakeOut:
    await post(shipping, await drafted(shipping, order, quantity))
    wanted: list[TakeOut] = await shipping.said(TakeOut)
    return wanted[-1]


async def test_a_shipments_facts_are_numbered_without_holes(shipping: Bench) -> None:
    """Posting is the first, posted or refused the second; a draft says nothing."""
    order = Placed()
    await shipping.deliver(order.placed())
    await shipping.deliver(taken(await posting(shipping, order)))
    await shipping.deliver(refused(await posting(shipping, order)))
    assert await versions(shipping.db) == [
        (ShipmentPosting.TYPE, 1),
        (ShipmentPosted.TYPE, 2),
        (ShipmentPosting.TYPE, 1),
        (ShipmentRefused.TYPE, 2),
    ]


async def test_the_same_answer_again_hands_over_once(shipping: Bench) -> None:
    """Inventory says twice that the goods are out: they are handed over once."""
    order = Placed()
    await shipping.deliver(order.placed())
    answer = taken(await posting(shipping, order))
    await shipping.deliver(answer, answer)
    assert len(await shipping.said(ShipmentPosted)) == 1
    assert await shipping.parked() == []
    again = await drafted(shipping, order, "3")
    assert again["state"] == "draft", "three of five are left"


async def test_an_impossible_answer_waits_for_an_operator(shipping: Bench) -> None:
    """Goods that are out cannot be refused afterwards: the record is parked, nothing changes."""
    order = Placed()
    await shipping.deliver(order.placed())
    wanted = await posting(shipping, order)
    await shipping.deliver(taken(wanted))
    await shipping.deliver(refused(wanted))
    [parked] = await shipping.parked()
    assert "IllegalTransition" in parked.error
    assert await shipping.said(ShipmentRefused) == []


async def test_an_answer_to_a_shipment_that_never_was_is_parked(shipping: Bench) -> None:
    """Neither goods nor money are written to a shipment that nobody made."""
    order = Placed()
    await shipping.deliver(order.placed())
    wanted = await posting(shipping, order)
    await shipping.deliver(taken(wanted.model_copy(update={"shipment_id": uuid7()})))
    await shipping.deliver(settlement(uuid7(), uuid7(), "1.00", "0.00"))
    assert len(await shipping.parked()) == 2


async def test_a_batch_of_answers_is_decided_in_turn(shipping: Bench) -> None:
    """Answers of many orders in one batch: the parts of one order are worth what they are."""
    orders = [Placed(lines=[line("3", "33.3333")]) for _ in range(4)]
    await deliver_together(shipping, [order.placed() for order in orders])
    for order in orders:
        for _ in range(3):
            await posting(shipping, order, "1")
    wanted: list[TakeOut] = await shipping.said(TakeOut)
    await deliver_together(shipping, [taken(one) for one in wanted])
    for order in orders:
        facts = [f for f in await shipping.said(ShipmentPosted) if f.order_id == order.order_id]
        assert [fact.value for fact in facts] == [
            Decimal("33.33"),
            Decimal("33.34"),
            Decimal("33.33"),
        ]
        assert [fact.left_before for fact in facts] == [
            Decimal("100.00"),
            Decimal("66.67"),
            Decimal("33.33"),
        ]
    settled = [settlement(one.shipment_id, one.order_id, "0.00", "1") for one in wanted]
    await deliver_together(shipping, settled)
    shown = await read(shipping, {"id": str(wanted[5].shipment_id)})
    assert (shown["state"], shown["due_now"], shown["consumed"]) == ("posted", "0.00", "1")


async def test_a_changed_order_has_what_is_left_of_it(shipping: Bench) -> None:
    """A line grows, another goes; closing takes back the rest; what was handed over stays."""
    order = Placed(lines=[line("5", "200"), line("2", "50")])
    await shipping.deliver(order.placed())
    await shipping.deliver(taken(await posting(shipping, order, "2")))
    grown = line("6", "200", line_id=order.lines[0].line_id)
    await shipping.deliver(order.changed([grown]))
    shipment = await drafted(shipping, order, "4")
    await shipping.deliver(order.closed([line("2", "200", line_id=grown.line_id)]))
    nothing = await shipping.http.post(
        "/shipments", json=wish(order, "1"), headers={"Prefer": "wait=0"}
    )
    assert nothing.status_code == 422
    late = await post(shipping, shipment, wait=0)
    assert (late.status_code, late.json()["type"]) == (409, "left-meanwhile")


async def test_all_facts_of_an_order_in_one_batch(shipping: Bench) -> None:
    """Placed, changed, marked and restored arrive together: the copy is the newest."""
    order = Placed(status="pending_approval", lines=[line("5", "200")])
    placed = order.placed()
    changed = order.changed([line("7", "200", line_id=order.lines[0].line_id)])
    await deliver_together(
        shipping, [placed, changed, order.marked(), order.restored(), order.agreed()]
    )
    shipment = await drafted(shipping, order, "7")
    assert (await post(shipping, shipment)).status_code == 202


def test_the_migrations_make_the_tables(template: str) -> None:
    """What the migrations make is what the code reads."""
    assert difference_from_tables(template, store.metadata) == []
