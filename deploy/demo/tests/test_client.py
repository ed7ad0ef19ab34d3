"""A careful caller: the same key until the system has answered."""

from collections.abc import Callable

import httpx
import pytest
from demo.client import Api, NeverCame, NotNow, Refused

TOKENS = {"access_token": "first", "refresh_token": "again"}
Answer = Callable[[httpx.Request, int], httpx.Response]


def caller(answer: Answer, patience_seconds: float = 20.0) -> tuple[Api, list[httpx.Request]]:
    """A caller and the requests that it makes besides logging in."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/api/v1/tokens"):
            return httpx.Response(200, json=TOKENS)
        seen.append(request)
        return answer(request, len(seen))

    transport = httpx.MockTransport(handle)
    api = Api("http://shop", "m", "p", transport=transport, patience_seconds=patience_seconds)
    return api, seen


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(503),
        httpx.Response(404, text="404 page not found"),
        httpx.Response(429, headers={"Retry-After": "0"}),
        httpx.Response(409, json={"type": "in-flight"}),
        httpx.Response(409, json={"type": "not-known-yet"}, headers={"Retry-After": "0"}),
    ],
)
async def test_a_post_that_may_succeed_later_is_sent_again_under_its_key(
    refusal: httpx.Response,
) -> None:
    """A system that restarts, is busy, or has not heard yet gets the same key and body again."""
    api, seen = caller(lambda _, n: refusal if n < 3 else httpx.Response(201, json={"id": "7"}))
    assert await api.post("/payments", {"amount": "1.00"}, "key-1") == {"id": "7"}
    assert [request.headers["Idempotency-Key"] for request in seen] == ["key-1"] * 3
    assert {request.content for request in seen} == {b'{"amount":"1.00"}'}
    assert seen[0].headers["Prefer"] == "wait=5"


async def test_a_broken_connection_is_tried_again() -> None:
    """An answer lost on its way is asked for again under the same key."""

    def answer(_: httpx.Request, n: int) -> httpx.Response:
        if n == 1:
            raise httpx.ReadError("cut")
        return httpx.Response(200, json={"id": "7"})

    api, seen = caller(answer)
    await api.post("/orders", {}, "key-1")
    assert [request.headers["Idempotency-Key"] for request in seen] == ["key-1", "key-1"]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
async def test_a_refusal_is_not_repeated(status: int) -> None:
    """What the system will not do is said at once, with its sentence."""
    problem = {"detail": "More than is left.", "errors": [{"pointer": "/lines/0", "detail": "2"}]}
    api, seen = caller(lambda *_: httpx.Response(status, json=problem))
    with pytest.raises(Refused, match=r"More than is left\. /lines/0 2") as refused:
        await api.post("/shipments", {}, "key-1")
    assert refused.value.status == status
    assert len(seen) == 1


async def test_what_another_service_has_not_heard_yet_is_asked_again() -> None:
    """A conflict or an unknown reference passes when the caller knows that the fact is coming."""
    unheard = [
        httpx.Response(409, json={"type": "order-not-agreed"}),
        httpx.Response(422, json={"type": "unknown-item"}),
    ]
    api, seen = caller(lambda _, n: unheard[n - 1] if n < 3 else httpx.Response(200, json={}))
    await api.post("/shipments", {}, "key-1", unheard=True)
    assert len(seen) == 3


async def test_patience_ends() -> None:
    """A system that never answers is given up after the bound."""
    api, _ = caller(lambda *_: httpx.Response(503), patience_seconds=0.5)
    with pytest.raises(NotNow):
        await api.get("/stores")


@pytest.mark.parametrize(
    ("refresh_status", "asked"),
    [(200, ["/tokens", "/tokens/refresh"]), (401, ["/tokens", "/tokens/refresh", "/tokens"])],
)
async def test_a_token_is_renewed_before_it_ends(refresh_status: int, asked: list[str]) -> None:
    """By its refresh token, or by logging in again when that one is not taken any more."""
    paths: list[str] = []
    used: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if not path.startswith("/tokens"):
            used.append(request.headers["Authorization"])
            return httpx.Response(200, json={})
        paths.append(path)
        status = refresh_status if path == "/tokens/refresh" else 200
        return httpx.Response(status, json={"access_token": str(len(paths)), "refresh_token": "r"})

    transport = httpx.MockTransport(handle)
    api = Api("http://shop", "m", "p", transport=transport, renew_after_seconds=0.0)
    await api.get("/stores")
    await api.get("/stores")
    assert paths == asked
    assert used == ["Bearer 1", f"Bearer {len(asked)}"]


async def test_a_token_refused_when_it_is_new_is_a_refusal() -> None:
    """A right that is missing is not asked for again and again."""
    api, seen = caller(lambda *_: httpx.Response(401))
    with pytest.raises(Refused):
        await api.get("/stores")
    assert len(seen) == 1


async def test_a_list_is_read_to_its_end() -> None:
    """Pages are followed by their cursor, with the filter on each."""

    def answer(request: httpx.Request, n: int) -> httpx.Response:
        assert request.url.params["order_id"] == "o"
        assert request.url.params.get("cursor") == (None if n == 1 else "next")
        more = "next" if n == 1 else None
        return httpx.Response(200, json={"items": [{"n": n}], "next_cursor": more})

    api, _ = caller(answer)
    assert [item["n"] async for item in api.items("/messages", order_id="o")] == [1, 2]


async def test_a_state_that_never_shows_is_named() -> None:
    """Waiting for a condition is bounded, and says what did not come."""
    api, _ = caller(lambda *_: httpx.Response(200, json={"status": "agreed"}))
    with pytest.raises(NeverCame, match="holds decided"):
        await api.until(
            lambda: api.get("/orders/1"), lambda seen: False, "holds decided", within_seconds=0.1
        )
