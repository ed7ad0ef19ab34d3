"""The client of the API: what it asks again by itself, and what the person at the page is told."""

import time

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


async def test_what_was_not_done_yet_is_asked_again_under_its_key() -> None:
    """An order that is not known there yet, or a rush that passes, is no matter of the clerk's."""
    early = httpx.Response(409, json={}, headers={"Retry-After": "1"})
    api, asked = answering(early, rush("1"), DONE)
    begun = time.monotonic()
    assert await api.post("/orders", {}, "key-1") == {"id": "one"}
    assert time.monotonic() - begun >= 1  # As long as the rush asked for.
    assert [request.headers["Idempotency-Key"] for request in asked] == ["key-1"] * 3


async def test_a_paper_comes_when_the_rush_is_over() -> None:
    """A file is asked for again as anything else is."""
    api, asked = answering(rush("1"), httpx.Response(200, content=b"%PDF"))
    assert (await api.file("/documents/one.pdf")).content == b"%PDF"
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("refusal", "key", "times"),
    [
        (rush("30"), "key-1", 1),
        (rush("1"), None, 1),
        (httpx.Response(409, json={}, headers={"Retry-After": "1"}), "key-1", TRIES_MAX),
        (httpx.Response(409, json={"title": "Taken"}), "key-1", 1),
        (httpx.Response(503, json={}, headers={"Retry-After": "1"}), "key-1", 1),
    ],
)
async def test_what_does_not_pass_is_told(
    refusal: httpx.Response, key: str | None, times: int
) -> None:
    """A rush that stays, one at signing in, where a guess is not to be repeated, or a refusal."""
    api, asked = answering(refusal)
    with pytest.raises(ApiProblem) as caught:
        await api.post("/tokens", {}, key)
    assert caught.value.status == refusal.status_code
    assert len(asked) == times
