"""What may be handed over, and what each part is worth, without any input or output."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from contracts.money import line_amount
from contracts.shipping import ShipmentPosted
from hypothesis import given
from hypothesis import strategies as st
from shipping import domain, handlers
from shipping.domain import Order, OrderLine, Shipment, Wanted

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
D = Decimal


def order_of(*lines: tuple[str, str], unit: str = "piece", status: str = "agreed") -> Order:
    """An order with lines of (quantity, unit price)."""
    made = {}
    for n, (quantity, price) in enumerate(lines, 1):
        amount = line_amount(D(quantity), D(price), "EUR")
        made[UUID(int=n)] = OrderLine(UUID(int=n), f"SKU-{n}", unit, D(quantity), D(price), amount)
    store, warehouse = UUID(int=90), UUID(int=91)
    return Order(UUID(int=99), store, warehouse, store, "EUR", status, False, made)


def ship(order: Order, **quantities: str) -> Shipment:
    """Draft, post and hand over parts of the lines: ship(order, l1="2")."""
    wanted = [Wanted(UUID(int=int(name[1:])), D(q)) for name, q in quantities.items()]
    draft = domain.draft(order, UUID(int=50), order.store_id, "hand_over", wanted, "me", NOW)
    return domain.hand_over(domain.post(draft, order, False, "me", NOW), order, NOW)


def worths(*shipments: Shipment) -> list[tuple[Decimal | None, Decimal | None]]:
    return [(one.value, one.left_before) for one in shipments]


def test_scenario_12_two_of_five() -> None:
    """Ordered 5 at 200, handed over 2: worth 400, and 600 are left."""
    order = order_of(("5", "200"))
    assert worths(ship(order, l1="2")) == [(D("400.00"), D("1000.00"))]
    assert order.worth_left() == D("600.00")
    assert order.lines[UUID(int=1)].left == D(3)


def test_scenario_45_one_by_one() -> None:
    """Three at 100, one by one: worth 100 each, with 300, 200, 100 left before."""
    order = order_of(("3", "100"))
    shipments = [ship(order, l1="1") for _ in range(3)]
    assert worths(*shipments) == [(D(100), D(300)), (D(100), D(200)), (D(100), D(100))]


def test_parts_of_an_odd_amount_add_up() -> None:
    """Three for 100.00 are worth 33.33, 33.34 and 33.33."""
    order = order_of(("3", "33.3333"))
    assert order.lines[UUID(int=1)].amount == D("100.00")
    assert [ship(order, l1="1").value for _ in range(3)] == [D("33.33"), D("33.34"), D("33.33")]


@st.composite
def cut_lines(draw: st.DrawFn) -> tuple[Decimal, Decimal, list[Decimal]]:
    """A quantity in kg, a unit price, and the quantity cut into parts."""
    grams = draw(st.integers(1, 100_000))
    cuts = sorted(draw(st.sets(st.integers(1, grams), max_size=6)) | {grams})
    parts = [after - before for before, after in zip([0, *cuts], cuts, strict=False)]
    price = D(draw(st.integers(0, 10_000_000))).scaleb(-4)
    return D(grams).scaleb(-3), price, [D(part).scaleb(-3) for part in parts]


@given(cut_lines())
def test_parts_of_kg_add_up_to_the_line(cut: tuple[Decimal, Decimal, list[Decimal]]) -> None:
    """However a line is cut, its parts are worth the line in sum, and none less than nothing."""
    quantity, price, parts = cut
    order = order_of((str(quantity), str(price)), ("1", "10"), unit="kg")
    values = []
    for part in parts:
        shipment = ship(order, l1=str(part))
        assert shipment.value is not None
        assert shipment.left_before is not None
        assert 0 <= shipment.value < shipment.left_before, "the other line is still there"
        values.append(shipment.value)
    assert sum(values) == order.lines[UUID(int=1)].amount
    last = ship(order, l2="1")
    assert last.value == last.left_before == D("10.00"), "the last one takes all that is left"


@given(cut_lines(), st.integers(0, 10_000_000))
def test_a_new_price_is_made_up_for(
    cut: tuple[Decimal, Decimal, list[Decimal]], new_price: int
) -> None:
    """After a change of price the parts add up to the new amount, or to what was handed over."""
    quantity, price, parts = cut
    order = order_of((str(quantity), str(price)), unit="kg")
    first = ship(order, l1=str(parts[0])).value
    before = order.lines[UUID(int=1)]
    amount = line_amount(quantity, D(new_price).scaleb(-4), "EUR")
    order.lines[UUID(int=1)] = OrderLine(
        before.line_id,
        before.sku,
        before.unit,
        quantity,
        D(new_price).scaleb(-4),
        amount,
        before.posting,
        before.posted,
        before.posted_amount,
    )
    assert first is not None
    total = first
    for part in parts[1:]:
        shipment = ship(order, l1=str(part))
        assert shipment.value is not None
        assert shipment.left_before is not None
        assert 0 <= shipment.value <= shipment.left_before
        total += shipment.value
    if len(parts) > 1:
        assert total == max(first, amount)


def test_more_left_the_store_than_is_still_wanted() -> None:
    """Two of three were taken back while all three were on their way: all are paid for."""
    order = order_of(("3", "100"))
    wanted = [Wanted(UUID(int=1), D(3))]
    draft = domain.draft(order, UUID(int=5), order.store_id, "hand_over", wanted, "me", NOW)
    posting = domain.post(draft, order, False, "me", NOW)
    line = order.lines[UUID(int=1)]
    order.lines[UUID(int=1)] = OrderLine(
        line.line_id, line.sku, line.unit, D(1), D(100), D("100.00"), line.posting
    )
    assert worths(domain.hand_over(posting, order, NOW)) == [(D(300), D(300))]


def test_nothing_left_is_worth_nothing() -> None:
    """An order of gifts is handed over for 0, without a division by zero."""
    order = order_of(("2", "0"))
    assert worths(ship(order, l1="1"), ship(order, l1="1")) == [(D(0), D(0)), (D(0), D(0))]


def test_more_than_is_left_is_refused_with_a_pointer() -> None:
    """What is posted and what is on its way is not left any more."""
    order = order_of(("5", "200"), ("2", "50"))
    ship(order, l1="2")
    posting = domain.draft(
        order, UUID(int=7), order.store_id, "hand_over", [Wanted(UUID(int=1), D(2))], "me", NOW
    )
    domain.post(posting, order, False, "me", NOW)
    with pytest.raises(domain.MoreThanIsLeft) as refusal:
        ship(order, l2="1", l1="2")
    assert refusal.value.pointers == {
        "/lines/1/quantity": "Only 1 of this line is left to hand over: ask for no more."
    }


@pytest.mark.parametrize(
    ("wanted", "refusal", "pointer"),
    [
        ([(1, "1"), (1, "1")], domain.LineNamedTwice, "/lines/1/line_id"),
        ([(8, "1")], domain.UnknownLine, "/lines/0/line_id"),
        ([(1, "0.5")], domain.QuantityTooPrecise, "/lines/0/quantity"),
    ],
)
def test_a_wrong_line_is_named(
    wanted: list[tuple[int, str]], refusal: type[Exception], pointer: str
) -> None:
    """Each mistake in the lines is refused where it lies."""
    parts = [Wanted(UUID(int=id), D(quantity)) for id, quantity in wanted]
    order = order_of(("5", "200"))
    with pytest.raises(refusal) as raised:
        domain.draft(order, UUID(int=5), order.store_id, "hand_over", parts, "me", NOW)
    assert raised.value.pointer == pointer  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", ["draft", "pending_approval"])
def test_only_an_agreed_order_is_handed_over(status: str) -> None:
    """A draft may be written early, and posted once the order is agreed."""
    order = order_of(("5", "200"), status=status)
    with pytest.raises(domain.NotAgreed):
        ship(order, l1="1")


def test_a_cancelled_or_marked_order_is_not_shipped() -> None:
    """Neither a draft nor a hand-over of what nobody wants."""
    with pytest.raises(domain.OrderIsCancelled):
        ship(order_of(("5", "200"), status="cancelled"), l1="1")
    marked = order_of(("5", "200"))
    marked.marked = True
    with pytest.raises(domain.OrderIsMarked):
        ship(marked, l1="1")


@given(st.lists(st.sampled_from(["post", "hand_over", "refuse"]), max_size=5))
def test_a_shipment_goes_one_way(steps: list[str]) -> None:
    """Whatever is tried, a shipment goes draft, posting, then posted or refused, and stays."""
    order = order_of(("5", "200"))
    wanted = [Wanted(UUID(int=1), D(2))]
    shipment = domain.draft(order, UUID(int=5), order.store_id, "hand_over", wanted, "me", NOW)
    for step in steps:
        before = shipment
        try:
            if step == "post":
                shipment = domain.post(shipment, order, False, "me", NOW)
            elif step == "hand_over":
                shipment = domain.hand_over(shipment, order, NOW)
            else:
                shipment = domain.refuse(shipment, order, "goods_missing", (), NOW)
        except domain.IllegalTransition:
            assert (before.state, step) not in {
                ("draft", "post"),
                ("posting", "hand_over"),
                ("posting", "refuse"),
            }
        line = order.lines[UUID(int=1)]
        assert line.posting == (2 if shipment.state == "posting" else 0)
        assert line.posted == (2 if shipment.state == "posted" else 0)


def test_a_missing_worth_is_never_said_as_nothing() -> None:
    """Goods whose worth was lost are a fault of ours; billing is not told that they were free."""
    shipment = ship(order_of(("5", "200")), l1="2")
    fact = handlers.fact_of(shipment)
    assert isinstance(fact, ShipmentPosted)
    assert fact.lines[0].amount == D("400")
    lost = replace(shipment, lines=tuple(replace(one, amount=None) for one in shipment.lines))
    with pytest.raises(AssertionError):
        handlers.fact_of(lost)
