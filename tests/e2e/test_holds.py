"""Stories of holds: goods are promised once, moved visibly, and nothing moves by itself."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from .chain import Caller, Store, days_from_now, soon

OpenStore = Callable[..., Store]


def test_01_a_separate_hold_moves_the_goods(store: Store) -> None:
    """Scenario 1: 3 of 10 held separately lie in temporary storage, by a transfer."""
    sku = store.item(stock="10")
    order = store.order((sku, "3"), method="separate")
    assert order["status"] == "ready"
    assert store.stock(sku) == {"on_hand": 7, "held": 0, "available": 7, "broken": 0}
    [storage] = store.storage()
    assert store.stock(sku, storage["id"])["on_hand"] == 3
    [transfer] = store.by.get("/transfers", order_id=order["id"])["items"]
    assert [(line["sku"], Decimal(line["quantity"])) for line in transfer["lines"]] == [(sku, 3)]
    assert transfer["state"] == "posted"


def test_02_temporary_storage_is_made_once(store: Store) -> None:
    """Scenario 2: the first separate hold makes the warehouse, the second uses it again."""
    sku = store.item(stock="10")
    assert store.storage() == []
    store.order((sku, "1"), method="separate")
    [first] = store.storage()
    assert first["parent_id"] == store.warehouse_id
    store.order((sku, "1"), method="separate")
    assert store.storage() == [first]


def test_04_a_nominal_hold_counts_and_a_sale_may_break_it(open_store: OpenStore) -> None:
    """Scenario 4: `warn` lets 9 of 10 go although 3 are held and shows 2 missing."""
    store = open_store(held_goods_sale="warn")
    sku = store.item(stock="10")
    held = store.order((sku, "3"))
    assert store.stock(sku) == {"on_hand": 10, "held": 3, "available": 7, "broken": 0}
    assert store.by.get("/transfers", order_id=held["id"])["items"] == []
    sale = store.order((sku, "9"))
    assert store.ship(sale, "9")["state"] == "posted"
    assert store.stock(sku) == {"on_hand": 1, "held": 3, "available": 0, "broken": 2}


def test_04_block_needs_a_manager(open_store: OpenStore, cashier: Caller) -> None:
    """Scenario 4: `block` refuses to sell what is held for others, unless a manager decides it."""
    store = open_store(held_goods_sale="block")
    sku = store.item(stock="10")
    store.order((sku, "3"))
    sale = store.order((sku, "9"))
    refused = store.ship(sale, "9")
    assert refused["state"] == "refused"
    assert store.stock(sku)["on_hand"] == 10
    draft = store.ship(sale, "9", post=False)
    cashier.refused("POST", f"/shipments/{draft['id']}/post", 403, {"override": True})
    assert store.post_shipment(draft, override=True)["state"] == "posted"


def test_05_an_order_keeps_its_method(store: Store) -> None:
    """Scenario 5: the store's default becomes separate, the earlier order stays nominal."""
    sku = store.item(stock="5")
    early = store.order((sku, "1"), hold={"warehouse_id": store.warehouse_id})
    assert early["hold"]["method"] == "nominal"
    store.by.patch(f"/stores/{store.id}", {"hold_method": "separate"})

    def taken_separately() -> bool:
        late = store.order((sku, "1"), hold={"warehouse_id": store.warehouse_id})
        return bool(late["hold"]["method"] == "separate")

    soon(taken_separately, "the new default")
    assert store.show(early)["hold"]["method"] == "nominal"


def test_06_an_ended_hold_waits_for_an_employee(store: Store) -> None:
    """Scenario 6: nothing moves by itself; an employee extends it, or puts the goods back."""
    sku = store.item(stock="10")
    order = store.order((sku, "3"), method="separate")
    [hold] = store.by.get("/holds", order_id=order["id"])["items"]
    extended = store.by.post(f"/holds/{hold['id']}/extend", {"until": days_from_now(20)})
    assert extended["until"][:10] == days_from_now(20)[:10]
    store.by.refused("POST", f"/holds/{hold['id']}/extend", 422, {"until": days_from_now(91)})
    store.by.post(f"/holds/{hold['id']}/put-back")
    assert store.stock(sku) == {"on_hand": 10, "held": 0, "available": 10, "broken": 0}
    store.when(order, status="in_progress")


def test_15_a_shortage_holds_what_there_is(store: Store) -> None:
    """Scenario 15: 5 wanted, 3 there: 3 held, 2 awaiting; an arrival serves the rest."""
    sku = store.item(stock="3")
    order = store.order((sku, "5"))
    [line] = order["lines"]
    assert (Decimal(line["held"]), Decimal(line["awaiting"])) == (3, 2)
    assert order["status"] == "in_progress"
    store.receive(sku, "2")
    [line] = store.when(order, status="ready")["lines"]
    assert (Decimal(line["held"]), Decimal(line["awaiting"])) == (5, 0)


def test_30_shipping_a_hold_leaves_the_rest_available(store: Store) -> None:
    """Scenario 30: on hand 10, hold 4: available 6; ship 4: on hand 6, available 6, held 0."""
    sku = store.item(stock="10")
    order = store.order((sku, "4"))
    assert store.stock(sku)["available"] == 6
    store.ship(order, "4")
    assert store.stock(sku) == {"on_hand": 6, "held": 0, "available": 6, "broken": 0}


def test_30_two_buyers_of_the_last_unit(store: Store) -> None:
    """Scenario 30: of two who order the last one at the same moment, one gets it."""
    sku = store.item(stock="1")
    with ThreadPoolExecutor(2) as pool:
        orders = list(pool.map(lambda _: store.order((sku, "1")), range(2)))
    assert sorted(order["status"] for order in orders) == ["in_progress", "ready"]
    assert store.stock(sku) == {"on_hand": 1, "held": 1, "available": 0, "broken": 0}


def test_49_lines_of_one_order_never_promise_the_same_unit(store: Store) -> None:
    """Scenario 49: stock 10, three lines of 5 of the same item: 5, 5 and 0 are held."""
    sku = store.item(stock="10")
    order = store.order((sku, "5"), (sku, "5"), (sku, "5"))
    assert [Decimal(line["held"]) for line in order["lines"]] == [5, 5, 0]
    assert Decimal(order["lines"][2]["awaiting"]) == 5


def test_50_arrivals_go_to_who_came_first(store: Store) -> None:
    """Scenario 50: the earlier order of 25 takes all 25 before the later order of 1 gets any."""
    sku = store.item(stock="5")
    first = store.order((sku, "25"))
    second = store.order((sku, "1"))
    store.receive(sku, "20")
    [line] = store.when(first, status="ready")["lines"]
    assert Decimal(line["held"]) == 25
    [line] = store.show(second)["lines"]
    assert Decimal(line["awaiting"]) == 1


def test_a_cancelled_order_gives_its_goods_to_the_next(store: Store) -> None:
    """Releasing is a rise of what is available: who waits is served in the same moment."""
    sku = store.item(stock="1")
    first = store.order((sku, "1"))
    waiting = store.order((sku, "1"))
    assert store.by.post(f"/orders/{first['id']}/cancel")["status"] == "cancelled"
    store.when(waiting, status="ready")
