"""Signing in, staying signed in, and forms that only our own pages may send."""

import asyncio
import base64

import httpx
from fastapi import FastAPI
from web.session import Seal, Session

from .conftest import SECRET, SignIn, form_token
from .fake_api import Chain, token


async def test_a_wrong_password_is_refused_and_the_login_stays(anyone: httpx.AsyncClient) -> None:
    """Whoever mistypes the password reads why and finds the login still there."""
    csrf = form_token((await anyone.get("/sign-in")).text)
    data = {"csrf": csrf, "username": "cashier@demo.example", "password": "wrong"}
    answer = await anyone.post("/sign-in", data=data)
    assert answer.status_code == 422
    assert "The login or the password is wrong" in answer.text
    assert 'value="cashier@demo.example"' in answer.text


async def test_identity_is_told_whose_sign_in_it_is(
    chain: Chain, anyone: httpx.AsyncClient
) -> None:
    """Failures are counted for the visitor's address: one who guesses locks nobody else out."""
    csrf = form_token((await anyone.get("/sign-in")).text)
    data = {"csrf": csrf, "username": "cashier@demo.example", "password": "wrong"}
    await anyone.post("/sign-in", data=data, headers={"X-Forwarded-For": "203.0.113.9"})
    asked = [headers for _, path, _, headers in chain.asked if path.endswith("/tokens")]
    assert [headers["x-forwarded-for"] for headers in asked] == ["203.0.113.9"]


async def test_each_role_starts_where_its_work_begins(sign_in: SignIn) -> None:
    """A cashier starts at the till, a customer at the own orders."""
    for who, home in [("cashier", "/take-order"), ("customer", "/my/orders")]:
        answer = await (await sign_in(who)).get("/")
        assert answer.headers["location"] == home


async def test_the_tokens_are_unreadable_in_the_cookie(sign_in: SignIn) -> None:
    """The browser holds one cookie that scripts cannot read and that shows no token."""
    client = await sign_in("cashier")
    cookie = client.cookies["holdfast_session"]
    assert b"cashier" not in base64.urlsafe_b64decode(cookie)
    answer = await client.post(
        "/sign-out", data={"csrf": form_token((await client.get("/orders")).text)}
    )
    set_again = answer.headers["set-cookie"]
    assert "HttpOnly" in set_again
    assert "SameSite" in set_again


async def test_signing_out_ends_the_session_at_identity(chain: Chain, sign_in: SignIn) -> None:
    """A cookie that somebody copied is good for nothing once its owner signed out."""
    client = await sign_in("cashier")
    await client.post("/sign-out", data={"csrf": form_token((await client.get("/orders")).text)})
    ended = [body for method, path, body, _ in chain.asked if path.endswith("/tokens/revoke")]
    assert len(ended) == 1


def test_an_altered_cookie_is_no_session() -> None:
    """A cookie that somebody changed, or that another key sealed, signs nobody in."""
    session = Session(token("cashier@demo.example", 300), "refresh", "cashier")
    seal = Seal(SECRET)
    value = seal.close(session)
    assert seal.open(value) == session
    middle = len(value) // 2
    assert (
        seal.open(value[:middle] + ("A" if value[middle] != "A" else "B") + value[middle + 1 :])
        is None
    )
    assert Seal(SECRET[::-1]).open(value) is None
    assert seal.open("nonsense") is None


async def test_pages_that_come_together_refresh_once(
    app: FastAPI, chain: Chain, sign_in: SignIn
) -> None:
    """An ended access token is refreshed once, although five requests arrive with it."""
    chain.token_life_seconds = 10  # Less than the margin: every request wants a fresh one.
    client = await sign_in("manager")
    cookie = {"cookie": f"holdfast_session={client.cookies['holdfast_session']}"}
    chain.asked.clear()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://web") as old:
        answers = await asyncio.gather(*(old.get("/orders", headers=cookie) for _ in range(5)))
        late = await old.get("/stock", headers=cookie)
    assert [answer.status_code for answer in (*answers, late)] == [200] * 6
    assert sum(path == "/tokens/refresh" for _, path, _, _ in chain.asked) == 1


async def test_a_session_that_identity_ended_leads_to_sign_in(
    chain: Chain, sign_in: SignIn
) -> None:
    """When the refresh token is refused, the page asks to sign in and comes back after it."""
    chain.token_life_seconds = 10
    client = await sign_in("manager")
    chain.refreshed["manager@demo.example"] = 7
    answer = await client.get("/orders?status=ready")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/orders%3Fstatus%3Dready"


async def test_a_form_from_elsewhere_changes_nothing(chain: Chain, sign_in: SignIn) -> None:
    """A form without our token, or sent by another site, is refused before the API is asked."""
    client = await sign_in("manager")
    order = next(iter(chain.orders))
    csrf = form_token((await client.get(f"/orders/{order}")).text)
    chain.asked.clear()
    data = {"reason": "mistake", "key": "0190a000-0000-7000-8000-000000000001"}
    without = await client.post(f"/orders/{order}/cancel", data=data)
    foreign = await client.post(
        f"/orders/{order}/cancel",
        data=data | {"csrf": csrf},
        headers={"sec-fetch-site": "cross-site"},
    )
    assert (without.status_code, foreign.status_code) == (403, 403)
    assert not any(method == "POST" for method, *_ in chain.asked)


async def test_a_form_of_another_session_is_refused(chain: Chain, sign_in: SignIn) -> None:
    """The token of one person's page does not open another person's forms."""
    mine, theirs = await sign_in("manager"), await sign_in("owner")
    order = next(iter(chain.orders))
    csrf = form_token((await theirs.get("/orders")).text)
    answer = await mine.post(f"/orders/{order}/close", data={"csrf": csrf, "key": "k"})
    assert answer.status_code == 403


async def test_nobody_is_sent_to_another_site_after_signing_in(anyone: httpx.AsyncClient) -> None:
    """An address of another site in the sign-in link is ignored."""
    for bad in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        csrf = form_token((await anyone.get("/sign-in", params={"next": bad})).text)
        data = {"csrf": csrf, "username": "cashier@demo.example", "password": "demo", "next": bad}
        answer = await anyone.post("/sign-in", data=data)
        assert answer.headers["location"] == "/"
        anyone.cookies.clear()


async def test_a_role_sees_only_its_pages(sign_in: SignIn) -> None:
    """A cashier opens no settings and a customer no journal, and neither is shown a way there."""
    cashier, customer = await sign_in("cashier"), await sign_in("customer")
    assert (await cashier.get("/settings")).status_code == 403
    assert (await cashier.get("/system")).status_code == 403
    assert (await customer.get("/orders")).status_code == 403
    assert (await customer.get("/take-order")).status_code == 403
    assert 'href="/settings"' not in (await cashier.get("/orders")).text
