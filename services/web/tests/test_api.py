"""The client of the API: what it asks again by itself, and what the person at the page is told."""

import httpx
import pytest
from web.api import TRIES_MAX, Api, ApiProblem

DONE = httpx.Response(201, json={"id": "one"})


def rush(after: str) -> httpx.Response:
    return httpx.Response(429, json={"title": "Busy"}, headers={"Retry-After": after})


def answering(*answers: httpx.Response) -> tuple[Api, list[httpx.Request]]:
    """The API that gives these answers one after the other, and what it was asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answers[min(len(asked), len(answers)) - 1]

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://gateway")
    return Api(http), asked


@pytest.mark.parametrize(
    "at_first", [rush("0"), httpx.Response(409, json={}, headers={"Retry-After": "1"})]
)
async def test_what_was_not_done_yet_is_asked_again_under_its_key(at_first: httpx.Response) -> None:
    """A rush that passes, or an order that is not known there yet, is no matter of the clerk's."""
    api, asked = answering(at_first, at_first, DONE)
    assert await api.post("/orders", {}, "key-1") == {"id": "one"}
    assert [request.headers["Idempotency-Key"] for request in asked] == ["key-1"] * 3


@pytest.mark.parametrize(
    ("refusal", "times"),
    [
        (rush("30"), 1),
        (rush("0"), TRIES_MAX),
        (httpx.Response(409, json={"title": "Taken"}), 1),
        (httpx.Response(503, json={}, headers={"Retry-After": "1"}), 1),
    ],
)
async def test_what_does_not_pass_is_told(refusal: httpx.Response, times: int) -> None:
    """Whoever signed in wrongly too often, or meets a rush that stays, is told so."""
    api, asked = answering(refusal)
    with pytest.raises(ApiProblem) as caught:
        await api.post("/tokens", {}, None)
    assert caught.value.status == refusal.status_code
    assert len(asked) == times
