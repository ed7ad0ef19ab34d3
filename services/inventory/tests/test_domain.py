"""The rules of holding, without I/O: whatever comes, in whatever order, nothing is lost."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from uuid import UUID

import pytest
from contracts.money import ZERO
from hypothesis import given
from hypothesis import strategies as st
from inventory.holds.domain import rules
from inventory.holds.domain.book import Book
from inventory.holds.domain.orders import (
    BLOCK,
    NOMINAL,
    SEPARATE,
    WARN,
    Changed,
    Decided,
    ExtendWish,
    HoldEndsInThePast,
    HoldTooLong,
    HoldWish,
    Place,
    Quantity,
    Refused,
    ReleaseWish,
    Shortage,
    Taken,
    TakeOutWish,
    Wish,
    check_extension,
    next_reminder,
)
from inventory.stock import domain as stock
from inventory.stock.domain import Shelf, plain

NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)
MAIN, BELOW, STORE = UUID(int=1), UUID(int=2), UUID(int=3)
SKUS = ("TEA", "CUP")


def some_id(kind: int, number: int) -> UUID:
    return UUID(int=(kind << 64) + number)


def new_book(sale: str = WARN, on_hand: int = 0) -> Book:
    numbers = iter(range(1, 1_000_000))
    places = {MAIN: Place(MAIN, STORE, "main", BELOW, NOMINAL, sale)}
    shelves = [Shelf(place, sku) for place in (MAIN, BELOW) for sku in SKUS]
    book = Book(NOW, lambda: some_id(9, next(numbers)), places, shelves)
    if on_hand:
        rules.receive(book, MAIN, some_id(8, 0), {"TEA": Decimal(on_hand)})
    return book


def wish(order: int, revision: int, quantities: Sequence[int], method: str = NOMINAL) -> HoldWish:
    """Each line of an order has an item of its own or the next line's, by turns."""
    return HoldWish(
        some_id(5, order),
        revision,
        STORE,
        MAIN,
        method,
        NOW + timedelta(days=3),
        NOW + timedelta(minutes=order),
        tuple(
            Quantity(some_id(6, order * 10 + n), "TEA", Decimal(quantity))
            for n, quantity in enumerate(quantities)
        ),
    )


def handed(order: int, shipment: int, *quantities: int, override: bool = False) -> TakeOutWish:
    lines = tuple(
        Quantity(some_id(6, order * 10 + n), "TEA", Decimal(quantity))
        for n, quantity in enumerate(quantities)
        if quantity
    )
    return TakeOutWish(some_id(7, shipment), some_id(5, order), STORE, MAIN, lines, override)


def held_of(book: Book, order: int) -> list[int]:
    lines = book.orders[some_id(5, order)].lines.values()
    return [int(line.held) for line in sorted(lines, key=lambda line: line.position)]


def check(book: Book) -> None:
    """What must hold after every step."""
    moved: dict[tuple[UUID, str], Decimal] = defaultdict(Decimal)
    for movement in book.movements:
        moved[movement.warehouse_id, movement.sku] += movement.quantity
    held: dict[tuple[UUID, str], Decimal] = defaultdict(Decimal)
    lying: dict[tuple[UUID, str], Decimal] = defaultdict(Decimal)
    waits: dict[tuple[UUID, str], Decimal] = defaultdict(Decimal)
    for order in book.orders.values():
        for line in order.lines.values():
            assert ZERO <= line.held <= line.needed
            assert line.taken >= 0
            held[BELOW if order.method == SEPARATE else MAIN, line.sku] += line.held
            lying[BELOW, line.sku] += line.to_put_back
            waits[MAIN, line.sku] += order.awaiting(line)
    for spot, shelf in book.shelves.items():
        assert shelf.on_hand >= 0
        assert shelf.on_hand == moved[spot], "the ledger explains every unit"
        assert shelf.held == held[spot], "held is the sum of open holds"
        assert shelf.available == max(ZERO, shelf.on_hand - shelf.held)
        if shelf.warehouse_id == BELOW:
            assert shelf.free == lying[spot], "free goods there are to be put back"
        assert not (shelf.free > 0 and waits[spot] > 0), "free goods serve those who wait"
    for order_id, order in book.orders.items():
        versions = [told.version for told in book.told if told.order_id == order_id]
        assert versions == list(range(1, len(versions) + 1)), "no version is left out"
        assert order.version == len(versions)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("receive"), st.integers(1, 9)),
        st.tuples(
            st.just("hold"),
            st.integers(0, 4),
            st.integers(1, 4),
            st.lists(st.integers(0, 6), min_size=1, max_size=3),
        ),
        st.tuples(st.just("release"), st.integers(0, 4), st.integers(1, 4)),
        st.tuples(
            st.just("take"),
            st.integers(0, 4),
            st.integers(0, 30),
            st.lists(st.integers(0, 4), min_size=1, max_size=3),
            st.booleans(),
        ),
        st.tuples(st.just("put_back"), st.integers(0, 4)),
    ),
    max_size=40,
)


@given(steps, st.sampled_from([WARN, BLOCK]))
def test_no_unit_is_lost_doubled_or_promised_twice(steps: list[tuple], sale: str) -> None:  # type: ignore[type-arg]
    """After any commands in any order every unit is explained, and held is what holds promise."""
    book = new_book(sale)
    for n, (what, *with_) in enumerate(steps):
        match what:
            case "receive":
                rules.receive(book, MAIN, some_id(8, n), {"TEA": Decimal(with_[0])})
            case "hold":
                order, revision, quantities = with_
                method = SEPARATE if order % 2 else NOMINAL
                rules.obey(book, wish(order, revision, quantities, method))
            case "release":
                order, revision = with_
                rules.obey(book, ReleaseWish(some_id(5, order), revision, MAIN))
            case "take":
                order, shipment, quantities, override = with_
                rules.obey(book, handed(order, shipment, *quantities, override=override))
            case "put_back":
                known = book.orders.get(some_id(5, with_[0]))
                if known is not None:
                    rules.put_back(book, known, list(known.lines.values()))
                    assert not known.is_open, "it waits for nothing more"
        book.tell_served()
        check(book)


@pytest.mark.parametrize("method", [NOMINAL, SEPARATE])
@given(
    first=st.lists(st.integers(1, 5), min_size=2, max_size=2),
    second=st.lists(st.integers(3, 5), min_size=2, max_size=2),
    taken=st.lists(st.integers(0, 3), min_size=2, max_size=2),
)
def test_any_order_of_inputs_ends_alike(
    method: str, first: list[int], second: list[int], taken: list[int]
) -> None:
    """Two revisions and a hand-over end alike, whichever comes first."""
    wishes: list[Wish] = [wish(1, 1, first, method), wish(1, 2, second, method)]
    wishes.append(handed(1, 1, *taken))
    ends = set()
    for order in permutations(wishes):
        book = new_book(on_hand=50)
        for one in order:
            rules.obey(book, one)
        check(book)
        known = book.orders[some_id(5, 1)]
        on_hand = sum(shelf.on_hand for shelf in book.shelves.values())
        lines = [(line.wanted, line.held, line.taken) for line in known.lines.values()]
        ends.add((known.revision, known.method, on_hand, tuple(sorted(lines))))
    assert len(ends) == 1


def test_lines_of_one_order_never_promise_a_unit_twice() -> None:
    """Stock 10, one order with three lines of 5 of the same item: 5, 5, 0 held (49)."""
    book = new_book(on_hand=10)
    rules.obey(book, wish(1, 1, [5, 5, 5]))
    assert held_of(book, 1) == [5, 5, 0]


def test_goods_come_to_those_who_wait_longest() -> None:
    """A released hold serves the order that was placed first, though it asked last and for more."""
    book = new_book(on_hand=5)
    rules.obey(book, wish(9, 1, [5]))
    rules.obey(book, wish(1, 1, [1]))
    rules.obey(book, replace(wish(2, 1, [5]), placed_at=NOW))
    rules.obey(book, ReleaseWish(some_id(5, 9), 2, MAIN))
    assert (held_of(book, 2), held_of(book, 1)) == ([5], [0])


def test_a_lower_revision_frees_the_rest() -> None:
    """An order that wants less gives the rest to the next one."""
    book = new_book(on_hand=5)
    rules.obey(book, wish(1, 1, [5]))
    rules.obey(book, wish(2, 1, [3]))
    rules.obey(book, wish(1, 2, [3]))
    assert (held_of(book, 1), held_of(book, 2)) == ([3], [2])


def test_the_same_revision_is_answered_again_and_changes_nothing() -> None:
    """A repeated command gets its answer again; an older one gets none."""
    book = new_book(on_hand=5)
    rules.obey(book, wish(1, 2, [3]))
    rules.obey(book, wish(1, 2, [5]))
    rules.obey(book, wish(1, 1, [5]))
    assert held_of(book, 1) == [3]
    assert [type(told.what) for told in book.told] == [Decided, Decided]
    assert [told.version for told in book.told] == [1, 2]


def test_the_method_stays_as_the_order_was_taken() -> None:
    """An order taken nominal stays nominal when a later command says otherwise (5)."""
    book = new_book(on_hand=5)
    rules.obey(book, wish(1, 1, [2]))
    rules.obey(book, wish(1, 2, [3], SEPARATE))
    assert book.orders[some_id(5, 1)].method == NOMINAL
    assert book.shelf(BELOW, "TEA").on_hand == 0


def test_a_store_that_warns_breaks_a_hold_visibly() -> None:
    """Main 10, 3 held for another; 9 are handed over: broken 2 (4)."""
    book = new_book(WARN, on_hand=10)
    rules.obey(book, wish(1, 1, [3]))
    rules.obey(book, wish(2, 1, [9]))
    rules.obey(book, handed(2, 1, 9))
    shelf = book.shelf(MAIN, "TEA")
    assert isinstance(book.told[-1].what, Taken)
    assert [*map(int, (shelf.on_hand, shelf.held, shelf.broken, shelf.available))] == [1, 3, 2, 0]


@pytest.mark.parametrize("override", [False, True])
def test_a_store_that_blocks_asks_for_a_manager(override: bool) -> None:
    """Where it blocks, goods held for others go out with a manager's override only (4)."""
    book = new_book(BLOCK, on_hand=10)
    rules.obey(book, wish(1, 1, [3]))
    rules.obey(book, wish(2, 1, [9]))
    rules.obey(book, handed(2, 1, 9, override=override))
    answer = book.told[-1].what
    if override:
        assert isinstance(answer, Taken)
        return
    assert answer == Refused(
        some_id(7, 1),
        "held_for_others",
        (Shortage(some_id(6, 20), "TEA", Decimal(9), Decimal(7)),),
    )
    assert book.shelf(MAIN, "TEA").on_hand == 10


def test_all_lines_are_handed_out_or_none() -> None:
    """One line that is not there refuses the whole shipment, and nothing moves."""
    book = new_book(on_hand=4)
    rules.obey(book, wish(1, 1, [3, 3]))
    rules.obey(book, handed(1, 1, 3, 3))
    answer = book.told[-1].what
    assert isinstance(answer, Refused)
    assert answer.reason == "goods_missing"
    assert [one.available for one in answer.shortages] == [1]
    assert held_of(book, 1) == [3, 1]
    rules.obey(book, handed(1, 1, 3, 3))
    assert book.told[-1].what == answer, "asked again, the shipment gets its answer again"


def test_nothing_is_handed_out_for_a_released_order() -> None:
    """A cancelled order's goods stay; the hand-over is refused."""
    book = new_book(on_hand=4)
    rules.obey(book, wish(1, 1, [3]))
    rules.obey(book, ReleaseWish(some_id(5, 1), 2, MAIN))
    rules.obey(book, handed(1, 1, 3))
    assert book.told[-1].what == Refused(some_id(7, 1), "order_released", ())
    assert book.shelf(MAIN, "TEA").on_hand == 4


def test_a_restored_order_takes_what_still_lies_apart_for_it() -> None:
    """Goods of a released separate hold are held again where they lie, not carried twice."""
    book = new_book(on_hand=4)
    rules.obey(book, wish(1, 1, [3], SEPARATE))
    rules.obey(book, ReleaseWish(some_id(5, 1), 2, MAIN))
    rules.obey(book, wish(1, 3, [4], SEPARATE))
    below = book.shelf(BELOW, "TEA")
    assert [*map(int, (below.on_hand, below.held))] == [4, 4]
    assert book.shelf(MAIN, "TEA").on_hand == 0
    check(book)


def test_goods_put_back_are_not_held_again_at_once() -> None:
    """An employee returns a hold: the goods serve the next one, not the same order again."""
    book = new_book(on_hand=3)
    rules.obey(book, wish(1, 1, [3], SEPARATE))
    rules.obey(book, wish(2, 1, [1]))
    order = book.orders[some_id(5, 1)]
    rules.put_back(book, order, list(order.lines.values()))
    assert (held_of(book, 1), held_of(book, 2)) == ([0], [1])
    rules.obey(book, wish(1, 2, [2], SEPARATE))
    assert held_of(book, 1) == [2], "a new command asks anew"
    check(book)


@pytest.mark.parametrize("method", [NOMINAL, SEPARATE])
def test_an_order_that_is_put_back_takes_nothing_of_it_again(method: str) -> None:
    """Of 5, 5 and 0 held all is put back: the line that waited gives up too, now and later (49)."""
    book = new_book(on_hand=10)
    rules.obey(book, wish(1, 1, [5, 5, 5], method))
    order = book.orders[some_id(5, 1)]
    rules.put_back(book, order, list(order.lines.values()))
    rules.receive(book, MAIN, some_id(8, 1), {"TEA": Decimal(5)})
    assert (held_of(book, 1), book.shelf(MAIN, "TEA").free) == ([0, 0, 0], 15)
    assert [told.what for told in book.told] == [Decided(), Changed("put_back")]
    rules.obey(book, wish(1, 2, [5, 5, 5], method))
    assert held_of(book, 1) == [5, 5, 5], "a new command asks anew"
    check(book)


def test_an_extension_is_not_lost_in_a_later_command() -> None:
    """A line change that was sent before the extension came does not shorten the hold."""
    book = new_book(on_hand=3)
    rules.obey(book, wish(1, 1, [1]))
    order, later = book.orders[some_id(5, 1)], NOW + timedelta(days=30)
    rules.extend(book, ExtendWish(order.order_id, MAIN, later))
    rules.obey(book, wish(1, 2, [2]))
    assert order.until == later


def test_a_reminder_comes_a_day_before_the_end_or_at_it() -> None:
    """A hold of three days is told after two; one of five hours only at its end."""
    assert next_reminder(NOW + timedelta(days=3), NOW) == NOW + timedelta(days=2)
    assert next_reminder(NOW + timedelta(hours=5), NOW) == NOW + timedelta(hours=5)
    assert next_reminder(NOW, NOW) is None


def test_a_hold_is_extended_into_the_future_for_ninety_days_at_most() -> None:
    """An end in the past or beyond 90 days is refused, with the field named."""
    check_extension(NOW + timedelta(days=90), NOW)
    with pytest.raises(HoldTooLong) as too_long:
        check_extension(NOW + timedelta(days=90, seconds=1), NOW)
    assert too_long.value.pointer == "/until"
    with pytest.raises(HoldEndsInThePast):
        check_extension(NOW, NOW)


def test_a_piece_has_no_decimals_and_a_kilogram_has_three() -> None:
    """Each quantity that is too precise is named by its line."""
    lines = [
        stock.ReceiptLine("TEA", Decimal("1.5"), None),
        stock.ReceiptLine("RICE", Decimal("1.125"), None),
    ]
    with pytest.raises(stock.TooPreciseForItsUnit) as refused:
        stock.check_lines(lines, {"TEA": "piece", "RICE": "kg"})
    assert list(refused.value.pointers) == ["/lines/0/quantity"]
    with pytest.raises(stock.UnknownItem) as unknown:
        stock.check_lines(lines, {"TEA": "piece"})
    assert unknown.value.reference == "RICE"


@given(st.decimals(0, 10**6, places=3))
def test_quantities_are_shown_without_zeros_at_their_end(quantity: Decimal) -> None:
    """3.000 is shown as 3 and 0.500 as 0.5, and the value stays."""
    shown = str(plain(quantity))
    assert Decimal(shown) == quantity
    assert "E" not in shown
    assert "." not in shown or not shown.endswith("0")


def test_nothing_is_expected_while_no_supply_orders_are_kept() -> None:
    """Whatever lies on the shelf, no goods are said to be on their way."""
    assert Shelf(MAIN, "TEA", on_hand=Decimal(5), held=Decimal(7)).expected == 0
