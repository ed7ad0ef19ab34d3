"""Live updates: who is told what, and what is never told."""

import asyncio
import contextlib
from decimal import Decimal
from uuid import UUID

import httpx
import pytest
from contracts.devices import PrintJobChanged, Scanned
from contracts.identity import Role
from contracts.inventory import StockState
from contracts.orders import OrderAgreed
from fastapi import FastAPI
from web.live import LISTENERS_MAX, Change, Live, change_of
from web.visitor import Visitor

from . import fake_data as data
from .conftest import SignIn
from .fake_api import token

STORE, OTHER = (UUID(store["id"]) for store in data.STORES)
ORDER = UUID(data.id_of("order S01-000412"))


def agreed(store: UUID) -> OrderAgreed:
    return OrderAgreed(
        order_id=ORDER,
        store_id=store,
        number="S01-1",
        status="agreed",
        financial_status="unpaid",
        currency="EUR",
        total=Decimal(10),
        paid=Decimal(0),
        changed=("status",),
        at=data.NOW,
        by="someone",
    )


def told(live: Live, visitor: Visitor, *messages: object) -> list[Change]:
    """What this visitor's page is told of these messages."""
    with live.listen(visitor) as listener:
        for message in messages:
            change = change_of(message)  # type: ignore[arg-type]
            assert change is not None
            live.tell(change)
        return [listener.changes.get_nowait() for _ in range(listener.changes.qsize())]


def test_a_cashier_is_told_of_the_own_store_only() -> None:
    """Another store's order, scan and stock stay there."""
    live = Live("nowhere", 0)
    cashier = Visitor("c", Role.CASHIER, frozenset({str(STORE)}), None)
    scan = Scanned(
        device_id=ORDER,
        scan_id=ORDER,
        store_id=OTHER,
        scanner="one",
        code="1",
        symbology=None,
        at=data.NOW,
    )
    stock = StockState(
        warehouse_id=ORDER,
        store_id=OTHER,
        sku="A",
        on_hand=Decimal(1),
        held=Decimal(0),
        available=Decimal(1),
        broken=Decimal(0),
        expected=Decimal(0),
    )
    heard = told(live, cashier, agreed(OTHER), scan, stock, agreed(STORE))
    assert [change.store_id for change in heard] == [str(STORE)]
    assert len(told(live, Visitor("m", Role.MANAGER, None, None), agreed(OTHER), scan)) == 2


def test_a_customer_is_told_of_the_own_orders_only() -> None:
    """Facts of an order reach its customer, and nobody else's do."""
    live = Live("nowhere", 0)
    mine = Visitor("a", Role.CUSTOMER, None, data.CUSTOMERS[0]["id"])
    assert told(live, mine, agreed(STORE)) == []
    live.remember_owner(str(ORDER), data.CUSTOMERS[0]["id"])
    assert [change.kind for change in told(live, mine, agreed(STORE))] == ["order"]
    theirs = Visitor("b", Role.CUSTOMER, None, data.CUSTOMERS[1]["id"])
    assert told(live, theirs, agreed(STORE)) == []
    nobody = Visitor("c", Role.CUSTOMER, None, None)
    assert told(live, nobody, agreed(STORE)) == []


def test_a_sealed_print_job_is_not_shown() -> None:
    """The job's content is for the agent's eyes; pages learn only its state."""
    job = PrintJobChanged(
        job_id=ORDER,
        order_id=ORDER,
        store_id=STORE,
        device_id=None,
        kind="deposit_receipt",
        state="queued",
        reason=None,
        copies=1,
        expires_at=data.NOW,
        sealed="secret",
        at=data.NOW,
    )
    change = change_of(job)
    assert change is not None
    assert "secret" not in str(change.data)
    assert change.data["state"] == "queued"


def test_a_page_that_reads_too_slowly_is_let_go() -> None:
    """It connects again and reads everything anew, instead of missing a change silently."""
    live = Live("nowhere", 0)
    with live.listen(Visitor("m", Role.MANAGER, None, None)) as listener:
        change = change_of(agreed(STORE))
        assert change is not None
        for _ in range(listener.changes.maxsize + 1):
            live.tell(change)
        assert listener.behind


@pytest.mark.asyncio(loop_scope="module")  # That of the server at `address`.
@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_the_stream_tells_changes_as_they_happen(
    app: FastAPI, address: str, sign_in: SignIn, by: str
) -> None:
    """Pages by their cookie and programs by their token hear of an order at once."""
    if by == "cookie":
        cookie = (await sign_in("manager")).cookies["holdfast_session"]
        headers = {"cookie": f"holdfast_session={cookie}"}
    else:
        headers = {"authorization": f"Bearer {token('manager@demo.example', 300)}"}
    live: Live = app.state.live
    async with (
        httpx.AsyncClient(base_url=address, timeout=10) as client,
        client.stream("GET", "/api/v1/live", headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        while "hello" not in await anext(lines):
            continue
        change = change_of(agreed(STORE))
        assert change is not None
        live.tell(change)
        async with asyncio.timeout(5):
            while await anext(lines) != "event: order":
                continue
            assert str(ORDER) in await anext(lines)


async def test_a_page_too_many_is_told_to_try_later(
    app: FastAPI, anyone: httpx.AsyncClient
) -> None:
    """A stream stays open for minutes, so a process serves only so many."""
    live: Live = app.state.live
    visitor = Visitor("c", Role.CASHIER, frozenset({str(STORE)}), None)
    with contextlib.ExitStack() as listening:
        for _ in range(LISTENERS_MAX):
            listening.enter_context(live.listen(visitor))
        answer = await anyone.get("/api/v1/live")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
    assert (await anyone.get("/api/v1/live")).status_code == 401


async def test_the_stream_is_not_for_strangers(anyone: httpx.AsyncClient) -> None:
    """Without a session or with a forged token there is a problem document and no stream."""
    assert (await anyone.get("/api/v1/live")).status_code == 401
    forged = token("manager@demo.example", 300)[:-6] + "AAAAAA"
    answer = await anyone.get("/api/v1/live", headers={"authorization": f"Bearer {forged}"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
