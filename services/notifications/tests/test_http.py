"""What staff and customers read, and who may not."""

import base64
from uuid import UUID

import pytest
from chassis.ids import uuid7
from chassis.testing import Bench
from contracts.identity import Role

from .conftest import Purchase, told


async def test_staff_read_an_orders_messages_page_by_page(desk: Bench) -> None:
    """Oldest first; the cursor leads on and ends."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed(), order.progressed(status="ready"))
    everything = await told(desk, order.order_id)
    assert len(everything) == 4
    found, cursor = [], None
    for _ in range(2):
        params = {"order_id": str(order.order_id), "limit": "2"}
        page = (
            await desk.http.get("/messages", params=params | ({"cursor": cursor} if cursor else {}))
        ).json()
        found += page["items"]
        cursor = page["next_cursor"]
    assert found == everything
    assert cursor is None


async def test_a_foreign_stores_messages_do_not_exist(desk: Bench) -> None:
    """Staff of another store get 404, staff of the order's store get the messages."""
    order = Purchase()
    await desk.deliver(order.card(), order.placed())
    params = {"order_id": str(order.order_id)}
    async with (
        desk.client(Role.CASHIER, store_ids=[uuid7()]) as foreign,
        desk.client(Role.CASHIER, store_ids=[order.store_id]) as own,
    ):
        assert (await foreign.get("/messages", params=params)).status_code == 404
        assert len((await own.get("/messages", params=params)).json()["items"]) == 2


async def test_rights(desk: Bench) -> None:
    """Customers do not read staff's list, staff have no account of their own."""
    async with desk.client(Role.CUSTOMER, customer_id=uuid7()) as customer:
        answer = await customer.get("/messages", params={"order_id": str(uuid7())})
        assert answer.status_code == 403
    assert (await desk.http.get("/me/messages")).status_code == 403


async def test_customers_read_their_own_account_newest_first(desk: Bench) -> None:
    """Account messages of the own card only, never another's, never the e-mails."""
    mine, other = Purchase("10045"), Purchase("10046")
    await desk.deliver(mine.card(), other.card(), mine.placed(), other.placed())
    await desk.deliver(mine.progressed(status="ready"))
    async with desk.client(Role.CUSTOMER, customer_id=mine.customer_id) as customer:
        items = (await customer.get("/me/messages")).json()["items"]
        assert [one["subject"] for one in items] == [
            "Order 10045 is ready for pick-up",
            "Order 10045 has been accepted",
        ]
        assert {one["channel"] for one in items} == {"account"}
        params = {"order_id": str(other.order_id)}
        assert (await customer.get("/me/messages", params=params)).json()["items"] == []


async def test_a_customer_notes_a_message_as_read_once(desk: Bench) -> None:
    """The first reading counts; another's message does not exist."""
    mine, other = Purchase("10045"), Purchase("10046")
    await desk.deliver(mine.card(), other.card(), mine.placed(), other.placed())
    async with desk.client(Role.CUSTOMER, customer_id=mine.customer_id) as customer:
        [message] = (await customer.get("/me/messages")).json()["items"]
        assert message["read_at"] is None
        first = await customer.post(f"/me/messages/{message['id']}/read")
        assert first.status_code == 200
        assert first.json()["read_at"] is not None
        again = await customer.post(f"/me/messages/{message['id']}/read")
        assert again.json() == first.json()
        for foreign in await told(desk, other.order_id):
            answer = await customer.post(f"/me/messages/{foreign['id']}/read")
            assert answer.status_code == 404
            assert answer.json()["title"] == "Message not found"


async def test_a_login_without_a_card_has_no_messages(desk: Bench) -> None:
    """A customer's login that is tied to no card sees an empty account."""
    async with desk.client(Role.CUSTOMER) as customer:
        assert (await customer.get("/me/messages")).json()["items"] == []
        assert (await customer.post(f"/me/messages/{uuid7()}/read")).status_code == 404


@pytest.mark.parametrize("values", ['["x"]', '["-1"]', '["99999999999999999999"]', '["²"]', "[]"])
async def test_a_made_up_cursor_is_refused(desk: Bench, values: str) -> None:
    """A cursor that is not ours is 422, not an error of ours."""
    cursor = base64.urlsafe_b64encode(values.encode()).decode()
    params = {"order_id": str(UUID(int=1)), "cursor": cursor}
    assert (await desk.http.get("/messages", params=params)).status_code == 422
