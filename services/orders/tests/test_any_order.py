"""However the topics of the other services interleave, an order ends alike; no database."""

from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from orders.orders import actions
from orders.orders.domain import Happening, settle
from orders.orders.facts import ShipmentTold, Told, hear

from .test_domain import NOW, goods, held, money, taken


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[list[int], str, str]:
    """An order of three topics' news, what people did before it, and what is paid."""
    turns = draw(st.permutations([0, 0, 0, 1, 1, 2, 2, 2]))
    acts = st.sampled_from(["", "cancel", "mark", "cancel and mark"])
    return turns, draw(acts), draw(st.sampled_from(["0", "400", "1000", "1200"]))


@given(interleaved())
@settings(max_examples=150, deadline=None)
def test_any_order_of_facts_ends_alike(case: tuple[list[int], str, str]) -> None:
    """However the topics of inventory, billing and shipping interleave, the end is the same."""
    turns, acts, paid = case
    ends = [_live(turns, acts, paid), _live(sorted(turns), acts, paid)]
    assert ends[0] == ends[1]


def _live(turns: list[int], acts: str, paid: str) -> tuple[Any, ...]:
    order, shipment = taken(), UUID(int=1)
    if "cancel" in acts:
        actions.cancel(order, "clerk", NOW, "")
    if "mark" in acts:
        actions.mark(order, "manager", NOW, "")
    topics: list[list[Told]] = [
        [
            held(order, "5", revision=1),
            held(order, "3", went="2", revision=1),
            held(order, "3", went="2", revision=3 if acts else 1),
        ],
        [money("400"), money(paid, refunded="400" if paid == "0" else "0")],
        [
            ShipmentTold(shipment, None, "cashier", NOW),
            goods(order, "1", "200", shipment),
            goods(order, "1", "200"),
        ],
    ]
    said: list[Happening] = []
    for turn in turns:
        said += hear(order, topics[turn].pop(0))
    again = order.status, order.financial_status
    settle(order)
    assert again == (order.status, order.financial_status)  # Nothing was left to work out.
    shown = [(n.held, order.awaiting(n), n.shipped, n.shipped_amount) for n in order.lines]
    assert not order.marked
    return again, order.total, order.paid, order.revision, order.posting, shown
