"""The two statuses as functions of facts, and what people may do; no database."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from chassis.ids import uuid7
from contracts.inventory import HoldGoods
from contracts.money import ZERO
from orders.catalogue.domain import Item
from orders.order_settings.domain import OrderSettings
from orders.orders import actions, process, refusals
from orders.orders.domain import Order, What, financial_status
from orders.orders.facts import (
    AccountTold,
    HeldLine,
    HoldsTold,
    PartShipped,
    ShipmentTold,
    hear,
)
from orders.orders.placing import (
    Known,
    KnownStore,
    KnownWarehouse,
    Wish,
    WishedLine,
    take_order,
)

D = Decimal
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
STORE, MAIN, OTHER, OTHER_MAIN = (uuid7() for _ in range(4))
TEA = Item("TEA", "Tea", "piece", "listed", (), ZERO, Decimal("200"), "EUR")
RICE = Item("RICE", "Rice", "kg", "listed", (), ZERO, Decimal("1.2345"), "EUR")
KNOWN = Known(
    items={"TEA": TEA, "RICE": RICE},
    stores={STORE: KnownStore("nominal", 3)},
    warehouses={MAIN: KnownWarehouse("main", STORE), OTHER_MAIN: KnownWarehouse("main", OTHER)},
    customer_names={},
    settings=OrderSettings(Decimal(50), {"counter": "agreed"}),
    currency="EUR",
    requests={},
)


def wish(*lines: WishedLine, **changes: Any) -> Wish:
    values: dict[str, Any] = {
        "id": uuid7(),
        "request": b"",
        "store_id": STORE,
        "channel": "counter",
        "customer_id": None,
        "customer_name": None,
        "currency": None,
        "lines": lines or (line("5"),),
        "method": None,
        "warehouse_id": MAIN,
        "until": None,
        "prepayment": None,
        "terms": (),
        "notify": True,
        "draft": False,
        "reach": frozenset({STORE}),
        "by": "clerk",
        "now": NOW,
    }
    return Wish(**{**values, **changes})


def line(quantity: str, sku: str = "TEA", price: str | None = None) -> WishedLine:
    return WishedLine(sku, None, Decimal(quantity), None if price is None else Decimal(price))


def taken(*lines: WishedLine, **changes: Any) -> Order:
    return take_order(wish(*lines, **changes), KNOWN, "1001", uuid7).order


def held(order: Order, *quantities: str, went: str = "0", **changes: Any) -> HoldsTold:
    lines = [
        HeldLine(n.id, Decimal(q), Decimal(went))
        for n, q in zip(order.lines, quantities, strict=True)
    ]
    values = {"revision": order.revision, "released": False, "until": None, **changes}
    return HoldsTold(what=What.HOLDS_DECIDED, lines=lines, at=NOW, **values)


def money(paid: str, refunded: str = "0", what: What = What.PAYMENT_POSTED) -> AccountTold:
    return AccountTold(what, Decimal(paid), Decimal(refunded), "", "cashier", NOW)


def goods(order: Order, quantity: str, amount: str, id: UUID | None = None) -> ShipmentTold:
    part = PartShipped(order.lines[0].id, Decimal(quantity), Decimal(amount))
    return ShipmentTold(id or uuid7(), [part], "cashier", NOW)


def test_goods_and_money_make_an_order_ready_shipped_and_closed() -> None:
    """Agreed, then held is ready, then handed over is shipped, then paid is closed."""
    order = taken()
    assert order.status == "agreed"
    hear(order, held(order, "5"))
    assert order.status == "ready"
    hear(order, goods(order, "5", "1000"))
    assert (order.status, order.shipped_unpaid) == ("shipped", True)
    hear(order, money("1000"))
    assert (order.status, order.financial_status) == ("closed", "paid")


def test_a_shortage_is_in_progress() -> None:
    """Needed 5, held 3: two are awaited, and the order is in progress until they come."""
    order = taken()
    hear(order, held(order, "3"))
    assert (order.status, order.awaiting(order.lines[0])) == ("in_progress", Decimal(2))
    hear(order, held(order, "5"))
    assert order.status == "ready"


def test_paid_before_shipping_and_shipped_before_paying_are_both_normal() -> None:
    """Paid 1,000 and nothing shipped is paid and not fulfilled; the reverse is valid too."""
    paid_first = taken()
    hear(paid_first, held(paid_first, "5"))
    hear(paid_first, money("1000"))
    assert (paid_first.status, paid_first.financial_status) == ("ready", "paid")
    assert (paid_first.paid_unshipped, paid_first.shipped_unpaid) == (True, False)
    shipped_first = taken()
    hear(shipped_first, goods(shipped_first, "5", "1000"))
    assert (shipped_first.status, shipped_first.financial_status) == ("shipped", "unpaid")
    assert (shipped_first.paid_unshipped, shipped_first.shipped_unpaid) == (False, True)


def test_cancelling_a_payment_opens_a_closed_order() -> None:
    """Done with goods and money is closed; the money taken back opens it again."""
    order = taken()
    hear(order, goods(order, "5", "1000"))
    hear(order, money("1000"))
    assert order.status == "closed"
    hear(order, money("0", what=What.PAYMENT_CANCELLED))
    assert (order.status, order.financial_status) == ("shipped", "unpaid")


def test_a_cancelled_order_with_money_is_overpaid_until_refunded() -> None:
    """What was paid stays the customer's: overpaid, and refunded after the refund."""
    order = taken()
    hear(order, money("300"))
    actions.cancel(order, "clerk", NOW, "changed their mind")
    assert (order.status, order.financial_status, order.total) == ("cancelled", "overpaid", D(0))
    hear(order, money("0", "300", What.REFUND_POSTED))
    assert order.financial_status == "refunded"


def test_an_order_worth_nothing_lives_as_any_other() -> None:
    """An order worth 0 divides nothing by zero: it is paid, and closed once it is handed over."""
    order = taken(line("2", price="0"))
    assert (order.total, order.prepayment_proposed, order.financial_status) == (D(0), D(0), "paid")
    assert not order.paid_unshipped
    hear(order, goods(order, "2", "0"))
    assert order.status == "closed"


@pytest.mark.parametrize(
    ("paid", "total", "refunded", "cancelled", "expected"),
    [
        ("0", "100", "0", False, "unpaid"),
        ("40", "100", "0", False, "partly_paid"),
        ("100", "100", "0", False, "paid"),
        ("101", "100", "0", False, "overpaid"),
        ("0", "100", "100", False, "refunded"),
        ("0", "0", "0", True, "unpaid"),
        ("0", "0", "5", True, "refunded"),
        ("5", "0", "0", True, "overpaid"),
    ],
)
def test_financial_status(
    paid: str, total: str, refunded: str, cancelled: bool, expected: str
) -> None:
    """How far an order is paid follows from paid, total and refunded alone."""
    figures = Decimal(paid), Decimal(total), Decimal(refunded)
    assert financial_status(*figures, cancelled) == expected


def test_a_price_change_leaves_the_holds_untouched() -> None:
    """Another price asks inventory for nothing; another quantity asks for the line anew."""
    order = taken()
    price = actions.change_line(order, order.lines[0].id, None, Decimal("150"), "clerk", NOW)
    assert price is not None
    assert (order.total, order.revision) == (D(750), 1)
    assert process.commands(order, price) == []
    hear(order, held(order, "5"))
    more = actions.change_line(order, order.lines[0].id, Decimal(6), None, "clerk", NOW)
    assert more is not None
    assert more.changed == ("lines", "status")
    assert (order.total, order.revision, len(process.commands(order, more))) == (D(900), 2, 1)


def test_a_line_keeps_what_was_handed_over() -> None:
    """A line cannot become less than what left, nor can the price of what left change."""
    order = taken()
    hear(order, goods(order, "2", "400"))
    id = order.lines[0].id
    with pytest.raises(refusals.BelowHandedOver):
        actions.change_line(order, id, Decimal(1), None, "clerk", NOW)
    with pytest.raises(refusals.PriceIsSettled):
        actions.change_line(order, id, None, Decimal(1), "clerk", NOW)
    actions.change_line(order, id, Decimal(2), None, "clerk", NOW)
    assert (order.status, order.total) == ("shipped", D(400))


def test_closing_takes_back_what_was_not_handed_over() -> None:
    """A manager's close keeps what left and releases the rest; a reason is required."""
    order = taken()
    hear(order, held(order, "5"))
    hear(order, goods(order, "2", "400"))
    with pytest.raises(refusals.ReasonMissing):
        actions.close(order, "manager", NOW, "")
    closed = actions.close(order, "manager", NOW, "the rest is sold out")
    assert (order.status, order.total, order.lines[0].quantity) == ("closed", D(400), D(2))
    assert [command.TYPE for command in process.commands(order, closed)] == ["release_goods.v1"]


def test_goods_that_left_before_the_release_void_a_cancel() -> None:
    """The cancel lost the race: the order goes on, and the rest is asked for again."""
    order = taken()
    hear(order, held(order, "5"))
    actions.cancel(order, "clerk", NOW, "")
    assert order.status == "cancelled"
    happened = hear(order, held(order, "3", went="2", revision=1))
    assert order.status == "agreed"
    assert [h.what for h in happened] == [What.HOLDS_DECIDED, What.CANCEL_VOIDED]
    [hold] = process.commands(order, happened[-1])
    assert (hold.TYPE, order.revision) == ("hold_goods.v1", 3)


def test_what_a_void_cancel_asks_for_again_is_held_from_then_on() -> None:
    """The cancel is void after the hold's end: the rest is held for three days from then."""
    order = taken()
    hear(order, held(order, "5"))
    actions.cancel(order, "clerk", NOW, "")
    late = replace(held(order, "3", went="2", revision=1), at=NOW + timedelta(days=5))
    hear(order, late)
    assert order.until == NOW + timedelta(days=8)


def test_a_larger_line_awaits_at_once_and_a_smaller_one_stays_ready() -> None:
    """From 2 to 5 with 2 held it is in progress in the same change; from 5 to 3 it stays ready."""
    order = taken(line("2"))
    hear(order, held(order, "2"))
    change = actions.change_line(order, order.lines[0].id, Decimal(5), None, "clerk", NOW)
    assert change is not None
    assert (order.status, change.changed) == ("in_progress", ("lines", "status"))
    assert order.awaiting(order.lines[0]) == 3
    [ready] = hear(order, held(order, "5"))
    assert (order.status, ready.changed) == ("ready", ("status",))
    change = actions.change_line(order, order.lines[0].id, Decimal(3), None, "clerk", NOW)
    assert change is not None
    assert (order.status, change.changed) == ("ready", ("lines",))
    assert [h.changed for h in hear(order, held(order, "3"))] == [()]
    assert order.status == "ready"


def test_goods_or_money_void_a_mark_for_removal() -> None:
    """A marked order whose goods had left, or that money comes for, is back in sight."""
    for cause, why in (("goods", "goods had left already"), ("money", "money came")):
        order = taken()
        hear(order, held(order, "5"))
        actions.mark(order, "manager", NOW, "")
        happened = hear(order, goods(order, "2", "400") if cause == "goods" else money("300"))
        assert (order.marked, order.status) == (False, "agreed")
        assert (happened[-1].what, happened[-1].detail) == (What.RESTORED, why)
        [hold] = process.commands(order, happened[-1])
        assert (hold.TYPE, order.revision) == ("hold_goods.v1", 3)
        assert hear(order, money("300"))[1:] == []  # It is said once.


def test_money_for_a_cancelled_order_shows_it_without_wanting_goods() -> None:
    """A cancelled order that was marked is in sight again with its money; nothing is held."""
    order = taken()
    actions.cancel(order, "clerk", NOW, "")
    actions.mark(order, "manager", NOW, "")
    happened = hear(order, money("300"))
    assert (order.marked, order.status, order.financial_status) == (False, "cancelled", "overpaid")
    assert process.commands(order, happened[-1]) == []


def test_nothing_is_cancelled_while_it_is_handed_over() -> None:
    """Until a shipment's outcome is known an order is not cancelled, made smaller or repriced."""
    order, id = taken(), uuid7()
    hear(order, ShipmentTold(id, None, "cashier", NOW))
    with pytest.raises(refusals.BeingHandedOver):
        actions.cancel(order, "clerk", NOW, "")
    with pytest.raises(refusals.BeingHandedOver):
        actions.change_line(order, order.lines[0].id, Decimal(1), None, "clerk", NOW)
    with pytest.raises(refusals.BeingHandedOver):
        actions.change_line(order, order.lines[0].id, None, Decimal(80), "clerk", NOW)
    hear(order, ShipmentTold(id, [], "cashier", NOW))
    assert actions.change_line(order, order.lines[0].id, None, Decimal(80), "clerk", NOW)
    assert actions.cancel(order, "clerk", NOW, "") is not None


def test_goods_that_left_while_the_line_was_made_smaller_count() -> None:
    """Taken back to 1 while 2 went out: the line is 2 again, and is worth them."""
    order = taken()
    actions.change_line(order, order.lines[0].id, Decimal(1), None, "clerk", NOW)
    happened = hear(order, goods(order, "2", "400"))
    assert (order.lines[0].quantity, order.total, order.status) == (D(2), D(400), "shipped")
    assert What.LINES_CHANGED in [h.what for h in happened]


@pytest.mark.parametrize("price", ["160", "250"])
def test_goods_that_left_while_the_line_was_repriced_keep_their_price(price: str) -> None:
    """Priced anew while 2 of 5 went out at 200: the line is that once the last one went."""
    order = taken()
    actions.change_line(order, order.lines[0].id, None, Decimal(price), "clerk", NOW)
    total = order.total
    assert [h.what for h in hear(order, goods(order, "2", "400"))] == [What.GOODS_HANDED_OVER]
    assert order.total == total  # The rest may still go at the new price, and make up for it.
    happened = hear(order, goods(order, "3", "600"))
    assert [h.what for h in happened] == [What.GOODS_HANDED_OVER, What.LINES_CHANGED]
    assert (order.lines[0].amount, order.total, order.status) == (D(1000), D(1000), "shipped")


def test_goods_that_went_at_the_lines_price_change_no_line() -> None:
    """Two hand-overs that add up to the line's amount say nothing of its lines."""
    order = taken()
    hear(order, goods(order, "2", "400"))
    assert [h.what for h in hear(order, goods(order, "3", "600"))] == [What.GOODS_HANDED_OVER]


def test_a_cancelled_order_takes_no_more_actions() -> None:
    """Agree, close or change of a cancelled order is refused; a second cancel changes nothing."""
    order = taken()
    actions.cancel(order, "clerk", NOW, "")
    assert actions.cancel(order, "clerk", NOW, "") is None
    acts: list[Callable[[], object]] = [
        lambda: actions.agree(order, "clerk", NOW),
        lambda: actions.close(order, "clerk", NOW, "why"),
        lambda: actions.change_line(order, order.lines[0].id, Decimal(1), None, "clerk", NOW),
    ]
    for act in acts:
        with pytest.raises(refusals.OrderIsCancelled):
            act()


def test_a_draft_asks_for_goods_once_it_is_agreed() -> None:
    """A draft holds nothing and tells nobody; agreed, its goods are asked for."""
    result = take_order(wish(draft=True), KNOWN, "1001", uuid7)
    order = result.order
    assert (order.status, order.revision, result.happening.changed) == ("draft", 0, ())
    assert process.commands(order, result.happening) == []
    agreed = actions.agree(order, "clerk", NOW)
    assert (order.status, order.revision) == ("agreed", 1)
    assert len(process.commands(order, agreed)) == 1


@pytest.mark.parametrize(("day", "end"), [(2, 3), (3, 6), (5, 8)])
def test_goods_are_asked_for_with_an_end_that_is_to_come(day: int, end: int) -> None:
    """A draft of three days, agreed, or restored, after its end has three days from then."""
    now = NOW + timedelta(days=day)
    draft = take_order(wish(draft=True), KNOWN, "1001", uuid7).order
    marked = taken()
    actions.mark(marked, "clerk", NOW, "")
    for order, action in ((draft, actions.agree), (marked, actions.restore)):
        [asked] = process.commands(order, action(order, "clerk", now))
        assert isinstance(asked, HoldGoods)
        assert asked.until == order.until == NOW + timedelta(days=end)


def test_an_extended_hold_is_not_asked_for_beyond_ninety_days() -> None:
    """An order that was kept for half a year and restored is held for 90 days at most."""
    order, now = taken(), NOW + timedelta(days=200)
    order.until = NOW + timedelta(days=180)
    actions.mark(order, "clerk", NOW, "")
    actions.restore(order, "clerk", now)
    assert order.until == now + timedelta(days=90)
