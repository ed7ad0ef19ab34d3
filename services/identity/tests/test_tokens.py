"""Signing in, going on, signing out."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from chassis.database import Database
from chassis.http.auth import Verifier
from chassis.http.problems import Unauthorized
from chassis.ids import uuid7
from chassis.testing import SIGNING_KEY, Bench, bench, client_of
from contracts.identity import DEMO_CUSTOMER_ID, RIGHTS, Role
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from identity import store
from identity.app import service
from identity.keys import Keys, KeyUnusable, SigningKey, read_key
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, OKPKey

from .conftest import age_sessions, bearer, refresh, sign_in


async def test_signing_in_gives_tokens_that_say_who_it_is(
    nobody: httpx.AsyncClient, identity: Bench
) -> None:
    """The customer's token names the card that the login is tied to."""
    answer = await sign_in(nobody, "Customer@Demo.Example")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    keys = KeySet.import_key_set((await nobody.get("/jwks.json")).json())
    who = await Verifier("", keys).verify(body["access_token"])
    assert (who.role, who.customer_id, who.store_ids) == (Role.CUSTOMER, DEMO_CUSTOMER_ID, None)
    me = (await nobody.get("/staff/me", headers=bearer(body["access_token"]))).json()
    assert (me["role"], me["language"], me["store_ids"]) == ("customer", "en", None)
    assert set(me["rights"]) == RIGHTS[Role.CUSTOMER]


async def test_unknown_user_and_wrong_password_look_alike(nobody: httpx.AsyncClient) -> None:
    """Nobody learns which usernames exist, neither from the answer nor from its time."""
    answers, times = [], []
    for who in ("manager", "stranger"):
        began = time.perf_counter()
        answers.append(await sign_in(nobody, who, "wrong"))
        times.append(time.perf_counter() - began)
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    # Without the check against a stand-in the stranger's answer would take a fiftieth.
    assert times[1] > times[0] / 10


async def test_failed_sign_ins_are_limited(nobody: httpx.AsyncClient) -> None:
    """After five wrong passwords even the right one has to wait; others sign in as before."""
    for _ in range(5):
        assert (await sign_in(nobody, "cashier", "wrong")).status_code == 401
    refused = await sign_in(nobody, "cashier")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert (await sign_in(nobody, "manager")).status_code == 200


async def test_failures_behind_the_gateway_lock_their_own_address_only(
    nobody: httpx.AsyncClient,
) -> None:
    """Somebody who guesses the owner's password keeps nobody else out, nor the owner elsewhere."""
    guesser, shop = (
        {"X-Forwarded-For": f"{who}, 172.18.0.9"} for who in ("203.0.113.9", "10.1.1.4")
    )
    for _ in range(5):
        assert (await sign_in(nobody, "owner", "wrong", guesser)).status_code == 401
    assert (await sign_in(nobody, "owner", headers=guesser)).status_code == 429
    assert (await sign_in(nobody, "owner", headers=shop)).status_code == 200
    assert (await sign_in(nobody, "cashier", headers=guesser)).status_code == 200


async def test_an_address_that_guesses_many_users_is_locked_alone(
    db: Database, key_file: Path
) -> None:
    """Too many failures of one visitor's address close the door to that visitor, not to all."""
    settings = {"signing_key_file": str(key_file), "login_failures_wide_max": 3}
    async with bench(service, db, **settings) as running, client_of(running.app, None) as nobody:
        guesser, shop = ({"X-Forwarded-For": who} for who in ("203.0.113.9", "203.0.113.10"))
        for who in ("one", "two", "three"):
            assert (await sign_in(nobody, who, "wrong", guesser)).status_code == 401
        assert (await sign_in(nobody, "cashier", headers=guesser)).status_code == 429
        assert (await sign_in(nobody, "cashier", headers=shop)).status_code == 200


async def test_guesses_sent_at_once_are_counted_too(nobody: httpx.AsyncClient) -> None:
    """Twenty guesses in parallel get no more tries than a few beyond the limit."""
    answers = await asyncio.gather(*(sign_in(nobody, "owner", "wrong") for _ in range(20)))
    tried = sum(answer.status_code == 401 for answer in answers)
    assert 5 <= tried <= 7


async def test_a_right_password_forgets_earlier_slips(nobody: httpx.AsyncClient) -> None:
    """Four slips, then the right one, then four slips: nobody has to wait."""
    for _ in range(2):
        for _ in range(4):
            await sign_in(nobody, "cashier", "wrong")
        assert (await sign_in(nobody, "cashier")).status_code == 200


async def test_refresh_tokens_rotate(nobody: httpx.AsyncClient) -> None:
    """Each answer brings the next refresh token, and the chain goes on."""
    token = (await sign_in(nobody)).json()["refresh_token"]
    seen = {token}
    for _ in range(3):
        answer = await refresh(nobody, token)
        assert answer.status_code == 200, answer.text
        token = answer.json()["refresh_token"]
        assert token not in seen
        seen.add(token)


async def test_a_replayed_refresh_token_ends_its_family(
    nobody: httpx.AsyncClient, db: Database
) -> None:
    """An old token that comes back later ends the session, for the thief and for the till."""
    first = (await sign_in(nobody)).json()["refresh_token"]
    second = (await refresh(nobody, first)).json()["refresh_token"]
    other = (await sign_in(nobody)).json()["refresh_token"]
    await age_sessions(db, 11)
    replayed = await refresh(nobody, first)
    assert replayed.status_code == 401
    assert replayed.json()["type"] == "session-ended"
    assert (await refresh(nobody, second)).status_code == 401
    assert (await refresh(nobody, other)).status_code == 200, "another session is not touched"


async def test_a_token_older_than_the_last_is_a_replay_at_once(nobody: httpx.AsyncClient) -> None:
    """The ten seconds are for the token just before the newest, for no other."""
    first = (await sign_in(nobody)).json()["refresh_token"]
    second = (await refresh(nobody, first)).json()["refresh_token"]
    third = (await refresh(nobody, second)).json()["refresh_token"]
    assert (await refresh(nobody, first)).status_code == 401
    assert (await refresh(nobody, third)).status_code == 401


async def test_a_lost_answer_does_not_sign_a_till_out(nobody: httpx.AsyncClient) -> None:
    """The same token again within ten seconds gives the same new one, which goes on."""
    first = (await sign_in(nobody)).json()["refresh_token"]
    answers = [(await refresh(nobody, first)).json()["refresh_token"] for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await refresh(nobody, answers[0])).status_code == 200


async def test_signing_out_ends_the_session(nobody: httpx.AsyncClient) -> None:
    """After signing out the refresh token opens nothing; signing out twice is no error."""
    token = (await sign_in(nobody)).json()["refresh_token"]
    for _ in range(2):
        answer = await nobody.post("/tokens/revoke", json={"refresh_token": token})
        assert answer.status_code == 204
    assert (await refresh(nobody, token)).status_code == 401


@pytest.mark.parametrize("token", ["x", "AAAA", "é", "A" * 70, " ", "A" * 69 + "="])
async def test_a_made_up_refresh_token_is_refused(nobody: httpx.AsyncClient, token: str) -> None:
    """Only identity can make a refresh token."""
    assert (await refresh(nobody, token)).status_code == 401


async def test_sign_in_says_what_is_missing(nobody: httpx.AsyncClient) -> None:
    """A missing password and an unknown field are named with a pointer; nothing is echoed."""
    answer = await nobody.post("/tokens", json={"username": "canary-name", "pass": "canary-word"})
    assert answer.status_code == 422
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"/password", "/pass"}
    assert "canary" not in answer.text
    for odd in ("a\u0000b", " ", "\n"):
        answer = await nobody.post("/tokens", json={"username": odd, "password": "x"})
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/username"]
    answer = await nobody.post("/tokens", json={"username": "a", "password": "\u0000\t"})
    assert answer.status_code == 401


def part(values: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def signed(claims: dict[str, Any], key: OKPKey = SIGNING_KEY, kid: str | None = None) -> str:
    header = {"alg": "Ed25519", "kid": kid or key.kid}
    return jwt.encode(header, claims, key, algorithms=["Ed25519"])


async def test_forged_tokens_are_refused(nobody: httpx.AsyncClient, identity: Bench) -> None:
    """No algorithm, another algorithm, issuer, audience, key, and too old: 401 each."""
    token = (await sign_in(nobody, "owner")).json()["access_token"]
    claims = claims_of(token)
    public = SIGNING_KEY.as_pem(private=False)
    swapped = jwt.encode(
        {"alg": "HS256", "kid": SIGNING_KEY.kid},
        claims,
        OctKey.import_key(public.replace(b"-----", b"")),
        algorithms=["HS256"],
    )
    stranger = OKPKey.generate_key("Ed25519", auto_kid=True)
    header, body, signature = token.split(".")
    forged = {
        "alg none": f"{part({'alg': 'none', 'kid': SIGNING_KEY.kid})}.{body}.",
        "algorithm swapped": swapped,
        "issuer": signed({**claims, "iss": "elsewhere"}),
        "audience": signed({**claims, "aud": "elsewhere"}),
        "expired": signed({**claims, "exp": int(time.time()) - 1}),
        "no end": signed({name: claims[name] for name in claims if name != "exp"}),
        "unknown key": signed(claims, stranger),
        "another's key under our kid": signed(claims, stranger, SIGNING_KEY.kid),
        "altered": f"{header}.{part({**claims, 'role': 'owner', 'sub': str(uuid7())})}.{signature}",
    }
    assert (await nobody.get("/staff", headers=bearer(token))).status_code == 200
    assert (await nobody.get("/staff", headers=bearer(signed(claims)))).status_code == 200
    for name, wrong in forged.items():
        answer = await nobody.get("/staff", headers=bearer(wrong))
        assert answer.status_code == 401, name


def signing_key() -> SigningKey:
    return SigningKey(Ed25519PrivateKey.generate())


def key_set(keys: Keys) -> KeySet:
    """The keys as a verifier reads them."""
    return KeySet.import_key_set(json.loads(json.dumps(keys.jwks())))


async def test_tokens_of_the_previous_key_stay_good(identity: Bench) -> None:
    """While a new key takes over, both are shown, and sessions of the old one go on."""
    old, new = signing_key(), signing_key()
    before, after, later = Keys(old), Keys(new, old), Keys(new)
    session = uuid7()
    token = before.refresh_token(session, 7)
    assert after.read_refresh_token(token) == (session, 7)
    assert later.read_refresh_token(token) is None
    shown = key_set(after)
    assert {key.kid for key in shown.keys} == {old.kid, new.kid}
    account = await _account(identity)
    access = before.access_token(account, uuid7(), datetime.now(UTC), 300)
    assert (await Verifier("", shown).verify(access)).account_id == account.id
    with pytest.raises(Unauthorized):
        await Verifier("", key_set(later)).verify(access)


async def _account(identity: Bench) -> Any:
    async with identity.db.reading() as tx:
        return await store.find_username(tx, "manager@demo.example")


def test_public_keys_show_nothing_private() -> None:
    """The JWKS has the public half only."""
    [shown] = Keys(signing_key()).jwks()["keys"]
    assert set(shown) == {"kty", "crv", "x", "kid", "use", "alg"}


def test_a_key_that_cannot_sign_is_named(tmp_path: Path) -> None:
    """A missing file, and one that is no key, are said in one sentence."""
    with pytest.raises(KeyUnusable, match="cannot be read"):
        read_key(tmp_path / "absent.pem")
    (tmp_path / "wrong.pem").write_text("no key")
    with pytest.raises(KeyUnusable, match="not an unencrypted PEM"):
        read_key(tmp_path / "wrong.pem")
    with pytest.raises(KeyUnusable, match="HOLDFAST_SIGNING_KEY_FILE"):
        Keys.read(None, None)
