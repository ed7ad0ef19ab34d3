"""Managing accounts, and the own one."""

from typing import Any
from uuid import UUID

import httpx
import sqlalchemy as sa
from chassis.ids import uuid7
from chassis.testing import Bench
from contracts.identity import AccountState, Role
from contracts.inventory import StoreState
from contracts.orders import CustomerErased, CustomerState

from .conftest import bearer, refresh, sign_in

PASSWORD = "a long enough password"


def store_state(store_id: UUID) -> StoreState:
    return StoreState(
        store_id=store_id,
        code="S1",
        name="Store",
        hold_method="nominal",
        held_goods_sale="warn",
        hold_days=3,
        warehouses=(),
    )


def card(customer_id: UUID) -> CustomerState:
    return CustomerState(
        customer_key=str(customer_id),
        customer_id=customer_id,
        name="Canary Name",
        phone=None,
        email=None,
        language="en",
    )


async def add(identity: Bench, **body: Any) -> httpx.Response:
    async with identity.client(Role.OWNER) as owner:
        values = {"username": "anna@shop.example", "password": PASSWORD, "role": "cashier"}
        return await owner.post("/staff", json={**values, **body})


async def test_a_new_cashier_signs_in_with_the_stores_given(
    identity: Bench, nobody: httpx.AsyncClient
) -> None:
    """The account is made, said to everyone by ids alone, and its token has its stores."""
    store = uuid7()
    await identity.deliver(store_state(store))
    made = await add(identity, store_ids=[str(store)], language="fi")
    assert made.status_code == 201, made.text
    assert made.headers["ETag"] == '"1"'
    token = (await sign_in(nobody, "Anna@Shop.Example", PASSWORD)).json()["access_token"]
    me = (await nobody.get("/staff/me", headers=bearer(token))).json()
    assert (me["role"], me["store_ids"], me["language"]) == ("cashier", [str(store)], "fi")
    said = (await identity.said(AccountState))[-1]
    assert (str(said.account_id), said.store_ids) == (made.json()["id"], (store,))
    async with identity.db.reading() as tx:
        payloads = await tx.execute(sa.text("SELECT convert_from(payload, 'UTF8') FROM outbox"))
        assert not any("anna" in text or "demo.example" in text for text in payloads.scalars())


async def test_the_same_request_again_makes_one_account(identity: Bench) -> None:
    """A repeated key gives the same account; another body under it is refused."""
    async with identity.client(Role.OWNER) as owner:
        body = {"username": "anna", "password": PASSWORD, "role": "manager"}
        key = {"Idempotency-Key": "one"}
        first = await owner.post("/staff", json=body, headers=key)
        again = await owner.post("/staff", json=body, headers=key)
        other = await owner.post("/staff", json={**body, "language": "ru"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (other.status_code, other.json()["title"]) == (
        422,
        "Idempotency-Key was used for another request",
    )


NOWHERE = "01900000-0000-4000-8000-000000000009"
WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"password": "short"}, 422, "/password"),
    ({"username": "Manager@Demo.Example"}, 409, "/username"),
    ({"role": "customer"}, 422, "/customer_id"),
    ({"customer_id": NOWHERE}, 422, "/customer_id"),
    ({"role": "emperor"}, 422, "/role"),
    ({"store_ids": []}, 422, "/store_ids"),
    ({"store_ids": [NOWHERE]}, 422, "/store_ids/0"),
    (
        {"role": "customer", "customer_id": NOWHERE},
        422,
        "/customer_id",
    ),
    ({"username": "a\u0000b"}, 422, "/username"),
    ({"language": "tlh"}, 422, "/language"),
]


async def test_a_wrong_account_is_refused_with_a_pointer(identity: Bench) -> None:
    """Each mistake is named where it lies, and no account appears."""
    async with identity.client(Role.OWNER) as owner:
        before = len((await owner.get("/staff")).json()["items"])
        for body, status, pointer in WRONG:
            answer = await add(identity, **body)
            assert answer.status_code == status, answer.text
            assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert len((await owner.get("/staff")).json()["items"]) == before


async def test_accounts_are_listed_in_pages(identity: Bench) -> None:
    """The demo's four accounts come in pages, each once, and can be filtered by role."""
    async with identity.client(Role.OWNER) as owner:
        first = (await owner.get("/staff?limit=3")).json()
        rest = (await owner.get("/staff", params={"cursor": first["next_cursor"]})).json()
        names = [row["username"].split("@")[0] for row in first["items"] + rest["items"]]
        assert sorted(names) == ["cashier", "customer", "manager", "owner"]
        [cashier] = (await owner.get("/staff?role=cashier")).json()["items"]
        assert cashier["username"] == "cashier@demo.example"
        assert "password" not in str(cashier)
        for made_up in ("abc", "WyJ4Il0="):
            assert (await owner.get("/staff", params={"cursor": made_up})).status_code == 422


async def test_a_switched_off_account_is_out(identity: Bench, nobody: httpx.AsyncClient) -> None:
    """Switching an account off ends its sessions; signing in says what a wrong password says."""
    token = (await sign_in(nobody, "cashier")).json()["refresh_token"]
    async with identity.client(Role.OWNER) as owner:
        [row] = (await owner.get("/staff?role=cashier")).json()["items"]
        path = f"/staff/{row['id']}"
        assert (await owner.patch(path, json={"active": False})).status_code == 428
        stale = await owner.patch(path, json={"active": False}, headers={"If-Match": '"7"'})
        assert stale.status_code == 412
        off = await owner.patch(path, json={"active": False}, headers={"If-Match": '"1"'})
        assert (off.status_code, off.headers["ETag"]) == (200, '"2"')
    assert (await refresh(nobody, token)).status_code == 401
    assert (await sign_in(nobody, "cashier")).json()["type"] == "wrong-credentials"
    assert (await identity.said(AccountState))[-1].active is False


async def test_a_change_of_an_account_sent_again_is_done_once(identity: Bench) -> None:
    """The answer was lost: the same key gives it again, for others' accounts and one's own."""
    headers = {"If-Match": '"1"', "Idempotency-Key": "once"}
    async with identity.client(Role.OWNER) as owner:
        [row] = (await owner.get("/staff?role=cashier")).json()["items"]
    async with identity.client(Role.OWNER, account_id=UUID(row["id"])) as themselves:
        path, body = f"/staff/{row['id']}", {"language": "fi"}
        answers = [await themselves.patch(path, json=body, headers=headers) for _ in "12"]
        assert [answer.status_code for answer in answers] == [200, 200], answers[1].text
        assert answers[0].json() == answers[1].json()
        own = {"If-Match": '"2"', "Idempotency-Key": "own"}
        answers = [
            await themselves.patch("/staff/me", json={"language": "kk"}, headers=own) for _ in "12"
        ]
        assert [answer.status_code for answer in answers] == [200, 200], answers[1].text


async def test_a_new_scope_is_in_the_next_token(identity: Bench, nobody: httpx.AsyncClient) -> None:
    """A narrower scope keeps the session, and its next access token has it."""
    store = uuid7()
    await identity.deliver(store_state(store))
    token = (await sign_in(nobody, "cashier")).json()["refresh_token"]
    async with identity.client(Role.OWNER) as owner:
        [row] = (await owner.get("/staff?role=cashier")).json()["items"]
        answer = await owner.patch(
            f"/staff/{row['id']}", json={"store_ids": [str(store)]}, headers={"If-Match": "*"}
        )
        assert answer.status_code == 200, answer.text
    access = (await refresh(nobody, token)).json()["access_token"]
    me = (await nobody.get("/staff/me", headers=bearer(access))).json()
    assert me["store_ids"] == [str(store)]


async def test_the_last_owner_stays(identity: Bench) -> None:
    """A chain without an owner could never get one again: refused until there is another."""
    async with identity.client(Role.OWNER) as owner:
        [row] = (await owner.get("/staff?role=owner")).json()["items"]
        path, change, any_version = f"/staff/{row['id']}", {"role": "manager"}, {"If-Match": "*"}
        refused = await owner.patch(path, json=change, headers=any_version)
        assert (refused.status_code, refused.json()["type"]) == (409, "last-owner")
        assert (await add(identity, role="owner")).status_code == 201
        given = await owner.patch(path, json=change, headers=any_version)
        assert given.status_code == 200


async def test_the_own_password_and_language_change(
    identity: Bench, nobody: httpx.AsyncClient
) -> None:
    """A cashier chooses a language and a new password, and has to sign in again with it."""
    tokens = (await sign_in(nobody, "cashier")).json()
    who = bearer(tokens["access_token"])
    spoken = await nobody.patch(
        "/staff/me", json={"language": "kk"}, headers={**who, "If-Match": "*"}
    )
    assert spoken.json()["language"] == "kk"
    body = {"current_password": "wrong", "new_password": PASSWORD}
    wrong = await nobody.post("/staff/me/password", json=body, headers=who)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/current_password")
    body["current_password"] = "demo"
    assert (await nobody.post("/staff/me/password", json=body, headers=who)).status_code == 204
    assert (await refresh(nobody, tokens["refresh_token"])).status_code == 401
    assert (await sign_in(nobody, "cashier")).status_code == 401
    assert (await sign_in(nobody, "cashier", PASSWORD)).status_code == 200


async def test_guesses_at_the_current_password_count_as_failed_sign_ins(
    identity: Bench, nobody: httpx.AsyncClient
) -> None:
    """At a till that was left open nobody tries passwords: after five, the right one waits too."""
    tokens = (await sign_in(nobody, "cashier")).json()
    who = bearer(tokens["access_token"])
    body = {"current_password": "wrong", "new_password": PASSWORD}
    for _ in range(5):
        wrong = await nobody.post("/staff/me/password", json=body, headers=who)
        assert wrong.status_code == 422, wrong.text
    body["current_password"] = "demo"
    answers = [
        await nobody.post("/staff/me/password", json=body, headers=who),
        await sign_in(nobody, "cashier"),
    ]
    for answer in answers:
        assert answer.status_code == 429, answer.text
        assert answer.json()["title"] == "Too many sign-ins"
        assert 0 < int(answer.headers["Retry-After"]) <= 900
    assert (await refresh(nobody, tokens["refresh_token"])).status_code == 200
    assert (await sign_in(nobody, "manager")).status_code == 200


async def test_slips_before_the_right_current_password_are_forgotten(
    identity: Bench, nobody: httpx.AsyncClient
) -> None:
    """Four slips, the change, and its answer asked for again: nobody has to wait afterwards."""
    who = bearer((await sign_in(nobody, "cashier")).json()["access_token"])
    body = {"current_password": "wrong", "new_password": PASSWORD}
    for _ in range(4):
        await nobody.post("/staff/me/password", json=body, headers=who)
    body["current_password"] = "demo"
    for _ in range(2):
        answer = await nobody.post(
            "/staff/me/password", json=body, headers={**who, "Idempotency-Key": "once"}
        )
        assert answer.status_code == 204, answer.text
    for _ in range(4):
        assert (await sign_in(nobody, "cashier", "wrong")).status_code == 401
    assert (await sign_in(nobody, "cashier", PASSWORD)).status_code == 200


async def test_an_erased_card_takes_its_login_along(
    identity: Bench, nobody: httpx.AsyncClient
) -> None:
    """Erasing a customer switches the login off and forgets its name; no name was ever kept."""
    customer = uuid7()
    await identity.deliver(card(customer))
    made = await add(identity, role="customer", customer_id=str(customer))
    assert made.status_code == 201, made.text
    assert (await sign_in(nobody, "anna@shop.example", PASSWORD)).status_code == 200
    await identity.deliver(CustomerErased(customer_key=str(customer)))
    assert (await sign_in(nobody, "anna@shop.example", PASSWORD)).status_code == 401
    async with identity.db.reading() as tx:
        for table in ("accounts", "known_customers", "login_failures"):
            rows = (await tx.execute(sa.text(f"SELECT t::text FROM {table} t"))).scalars().all()
            assert not any("anna" in row or "Canary" in row for row in rows)


ROUTES = [
    ("POST", "/staff"),
    ("GET", "/staff"),
    ("GET", f"/staff/{UUID(int=1)}"),
    ("PATCH", f"/staff/{UUID(int=1)}"),
]


async def test_only_an_owner_manages_accounts(identity: Bench) -> None:
    """Every other role is refused on every account route, and a stranger has to sign in."""
    for role in (Role.MANAGER, Role.CASHIER, Role.CUSTOMER, Role.DEVICE):
        async with identity.client(role) as client:
            for method, path in ROUTES:
                assert (await client.request(method, path, json={})).status_code == 403, path
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(identity.app), base_url="http://service/api/v1"
    ) as stranger:
        for method, path in [*ROUTES, ("GET", "/staff/me"), ("PATCH", "/staff/me")]:
            assert (await stranger.request(method, path, json={})).status_code == 401, path


async def test_an_unknown_account_is_not_found(identity: Bench) -> None:
    """An id in the path that names no account is 404, also for a session of a lost account."""
    async with identity.client(Role.OWNER) as owner:
        assert (await owner.get(f"/staff/{uuid7()}")).status_code == 404
        assert (await owner.get("/staff/me")).status_code == 404
