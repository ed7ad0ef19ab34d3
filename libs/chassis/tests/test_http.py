"""The HTTP edge: who may, once per key, and errors that say what to do."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from chassis.database import Database
from chassis.http import idempotency
from chassis.http.auth import Principal, Verifier, allow, open_to_all, undeclared_routes
from chassis.http.etags import IfMatch, require_version, set_etag
from chassis.http.fields import Amount, Body, Quantity, Text
from chassis.http.idempotency import Keyed
from chassis.http.pages import Cursor, Limit, Page, after, number, page_of
from chassis.http.problems import Unauthorized
from chassis.http.waiting import Wait, once_known
from chassis.ids import uuid7
from chassis.runtime import Here
from chassis.service import Service
from chassis.settings import DatabaseSettings
from chassis.testing import SIGNING_KEY, Bench, bench, client_of, token
from contracts.identity import AUDIENCE, ISSUER, Right, Role
from fastapi import APIRouter, Depends, FastAPI, Response, WebSocket
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from sqlalchemy.ext.asyncio import AsyncConnection

router = APIRouter()
Taker = Annotated[Principal, allow(Right.ORDERS_TAKE)]
COUNT = sa.text("SELECT count(*) FROM pings")


class UnknownPing(Exception):
    """No such ping is known."""

    pointer = "/other"

    def __init__(self, reference: UUID) -> None:
        super().__init__("No such ping: check its id.")
        self.reference = reference


class Ping(Body):
    name: Text
    quantity: Quantity
    amount: Amount | None = None
    other: UUID | None = None
    slow: bool = False


@router.post("/pings", status_code=201)
async def ping(body: Ping, who: Taker, here: Here, key: Keyed, wait: Wait) -> dict[str, str]:
    made = uuid7()

    async def work(tx: AsyncConnection) -> str:
        kept = await idempotency.claim(tx, key.of(who), 201, str(made))
        if kept is not None:
            return kept.subject
        if body.slow:
            await tx.execute(sa.text("SELECT pg_sleep(0.5)"))
        await tx.execute(sa.text("INSERT INTO pings(order_id) VALUES (:id)"), {"id": made})
        if body.other is not None:
            found = sa.text("SELECT 1 FROM pings WHERE order_id = :id")
            if (await tx.execute(found, {"id": body.other})).first() is None:
                raise UnknownPing(body.other)
        return str(made)

    return {"id": await once_known(here.db, lambda: here.db.run(work), UnknownPing, wait)}


@router.get("/pings/{n}")
async def one(n: int, who: Taker, response: Response) -> dict[str, int]:
    set_etag(response, n)
    return {"n": n}


@router.patch("/pings/{n}")
async def change(n: int, who: Taker, expected: IfMatch) -> dict[str, int]:
    require_version(expected, n)
    return {"n": n}


@router.get("/numbers")
async def numbers(who: Taker, limit: Limit = 50, cursor: Cursor = None) -> Page[int]:
    [start] = after(cursor, number) or (0,)
    rows = list(range(start + 1, 8))[: limit + 1]
    return page_of(rows, limit, lambda n: n, lambda n: (str(n),))


@router.get("/crash")
async def crash(who: Taker) -> None:
    raise RuntimeError("secret detail")


@router.websocket("/talk", dependencies=[Depends(open_to_all)])
async def talk(socket: WebSocket) -> None:
    await socket.close()


edge = Service("edge", DatabaseSettings, routers=(router,), refusals={UnknownPing: 422})


@pytest.fixture
async def edging(db: Database) -> AsyncIterator[Bench]:
    async with bench(edge, db) as running:
        yield running


async def count(edging: Bench) -> int:
    async with edging.db.reading() as tx:
        return int((await tx.execute(COUNT)).scalar_one())


GOOD = {"name": "tea", "quantity": "2"}


async def test_a_repeated_request_is_done_once(edging: Bench) -> None:
    """The same key and body give the same answer; another body is refused; nothing is doubled."""
    key = {"Idempotency-Key": "k1"}
    first = await edging.http.post("/pings", json=GOOD, headers=key)
    again = await edging.http.post("/pings", json=GOOD, headers=key)
    other = await edging.http.post("/pings", json={**GOOD, "quantity": "3"}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()
    assert await count(edging) == 1


async def test_a_key_belongs_to_its_caller(edging: Bench) -> None:
    """Two callers may use the same key for different things."""
    key = {"Idempotency-Key": "k1"}
    await edging.http.post("/pings", json=GOOD, headers=key)
    async with edging.client(Role.CASHIER, account_id=uuid7()) as other:
        assert (await other.post("/pings", json=GOOD, headers=key)).status_code == 201
    assert await count(edging) == 2


async def test_a_request_in_flight_is_told_so(edging: Bench) -> None:
    """Two at once with one key: one is done, the other hears 409 with Retry-After."""
    key = {"Idempotency-Key": "k1"}
    body = {**GOOD, "slow": True}
    answers = await asyncio.gather(
        *(edging.http.post("/pings", json=body, headers=key) for _ in range(3))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.headers["Retry-After"] == "1"
    assert await count(edging) == 1


async def test_a_refusal_is_not_kept_under_the_key(edging: Bench) -> None:
    """After a refusal the same key may try again, and changes nothing meanwhile."""
    key, strange = {"Idempotency-Key": "k1"}, UUID(int=5)
    refused = await edging.http.post("/pings", json={**GOOD, "other": str(strange)}, headers=key)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/other"
    assert await count(edging) == 0
    assert (await edging.http.post("/pings", json=GOOD, headers=key)).status_code == 201


async def test_a_fresh_reference_is_waited_for(edging: Bench) -> None:
    """An id minted a moment ago: 409 with Retry-After when it does not arrive in time."""
    body = {**GOOD, "other": str(uuid7())}
    answer = await edging.http.post("/pings", json=body, headers={"Prefer": "wait=0.2"})
    assert answer.status_code == 409
    assert answer.json()["type"] == "not-known-yet"
    assert answer.headers["Retry-After"] == "1"


async def test_a_reference_that_arrives_while_waiting_is_used(edging: Bench) -> None:
    """The other service's fact comes 100 ms later: the caller never notices."""
    other = uuid7()

    async def arrive() -> None:
        await asyncio.sleep(0.1)
        async with edging.db.engine.begin() as tx:
            await tx.execute(sa.text("INSERT INTO pings(order_id) VALUES (:id)"), {"id": other})

    answer, _ = await asyncio.gather(
        edging.http.post("/pings", json={**GOOD, "other": str(other)}), arrive()
    )
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({**GOOD, "quantity": "-1"}, "/quantity"),
        ({**GOOD, "quantity": "0"}, "/quantity"),
        ({**GOOD, "quantity": "1.2345"}, "/quantity"),
        ({**GOOD, "quantity": "NaN"}, "/quantity"),
        ({**GOOD, "quantity": "1e9999999"}, "/quantity"),
        ({**GOOD, "quantity": 0.1}, "/quantity"),
        ({**GOOD, "amount": "1000000000000"}, "/amount"),
        ({**GOOD, "name": "a\x07b"}, "/name"),
        ({**GOOD, "name": " "}, "/name"),
        ({**GOOD, "status": "paid"}, "/status"),
        ({"name": "tea"}, "/quantity"),
    ],
)
async def test_bad_input_is_pointed_at(edging: Bench, body: object, pointer: str) -> None:
    """A problem document names the field and says what to do; nothing changes."""
    answer = await edging.http.post("/pings", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert answer.json()["errors"][0]["detail"].endswith(".")
    assert await count(edging) == 0


async def test_requests_that_are_not_even_requests(edging: Bench) -> None:
    """No key, broken JSON, ten megabytes: each is refused in its own words."""
    no_key = await edging.http.post("/pings", json=GOOD, headers={"Idempotency-Key": " "})
    assert (no_key.status_code, no_key.json()["title"]) == (400, "Idempotency-Key is missing")
    broken = await edging.http.post("/pings", content=b"{", headers={"Content-Type": "text/json"})
    assert broken.status_code in (400, 422)
    large = await edging.http.post("/pings", content=b"x" * 10_000_000)
    assert large.status_code == 413

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 1_000_000

    streamed = await edging.http.post("/pings", content=drip())
    assert streamed.status_code == 413


async def test_edits_need_the_version_that_was_read(edging: Bench) -> None:
    """428 without If-Match, 412 with an old one, 200 with the one that was read."""
    assert (await edging.http.get("/pings/4")).headers["ETag"] == '"4"'
    statuses = []
    for headers in ({}, {"If-Match": '"3"'}, {"If-Match": '"4"'}):
        statuses.append((await edging.http.patch("/pings/4", headers=headers)).status_code)
    assert statuses == [428, 412, 200]


async def test_pages_follow_one_another(edging: Bench) -> None:
    """Every row comes once, and the last page has no cursor."""
    seen: list[int] = []
    cursor: str | None = None
    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await edging.http.get("/numbers", params=params)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    bad = await edging.http.get("/numbers", params={"cursor": "x"})
    assert bad.status_code == 422


async def test_a_fault_of_ours_tells_nothing_of_the_inside(edging: Bench) -> None:
    """An unexpected error is a problem document without the exception's text."""
    transport = httpx.ASGITransport(edging.app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {token()}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://e/api/v1") as client:
        answer = await client.get("/crash", headers=headers)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def forged(**changes: object) -> str:
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(UUID(int=7)),
        "role": "owner",
        "exp": int((now + timedelta(minutes=5)).timestamp()),
        **changes,
    }
    return jwt.encode(
        {"alg": "Ed25519", "kid": SIGNING_KEY.kid}, claims, SIGNING_KEY, algorithms=["Ed25519"]
    )


def signed_by_a_stranger() -> str:
    key = OKPKey.generate_key("Ed25519")
    header = {"alg": "Ed25519", "kid": SIGNING_KEY.kid}
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "role": "owner", "exp": 9999999999}
    return jwt.encode(header, claims, key, algorithms=["Ed25519"])


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "nonsense",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4Iiwicm9sZSI6Im93bmVyIn0.",
        forged(iss="other"),
        forged(aud="other"),
        forged(exp=1),
        forged(exp=None),
        signed_by_a_stranger(),
    ],
)
async def test_a_bad_token_opens_nothing(edging: Bench, bad: str) -> None:
    """No algorithm, wrong issuer, audience, end or key: 401 each time."""
    async with client_of(edging.app, bad) as client:
        answer = await client.get("/numbers")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_wrong_token_asks_identity_for_new_keys_once_in_a_while() -> None:
    """While identity does not answer, tokens that have ended are refused without each waiting."""
    asked = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        verifier = Verifier(f"http://127.0.0.1:{port}/keys", KeySet([SIGNING_KEY]))
        for _ in range(3):
            with pytest.raises(Unauthorized):
                await verifier.verify(forged(exp=1))
    assert asked == 1


async def test_a_role_without_the_right_is_refused(edging: Bench) -> None:
    """A customer cannot call what cashiers may."""
    async with edging.client(Role.CUSTOMER) as customer:
        assert (await customer.get("/numbers")).status_code == 403


async def test_a_route_without_a_right_does_not_start() -> None:
    """Deny by default: forgetting the right stops the application at its start."""
    app = FastAPI()

    @app.get("/open")
    async def forgotten() -> None: ...

    assert undeclared_routes(app) == ["/open"]
    careless = APIRouter()
    careless.get("/open")(forgotten)
    service = Service("careless", DatabaseSettings, routers=(careless,))
    settings = DatabaseSettings.model_validate({"database_url": "postgresql://x/y"})
    with pytest.raises(AssertionError, match="without a declared right"):
        service.create_app(settings, verifier=Verifier("", KeySet([SIGNING_KEY])))


async def test_the_reference_names_what_a_call_may_be_refused_for(edging: Bench) -> None:
    """Integrators see the refusals that the route's own right, key, version and body bring."""
    async with edging.client() as anyone:
        document: Any = (await anyone.get("http://service/openapi.json")).json()
    refusals = {"401", "403", "429", "503"}
    expected = {
        ("get", "/api/v1/crash"): refusals,
        ("get", "/api/v1/numbers"): refusals | {"422"},
        ("get", "/api/v1/pings/{n}"): refusals | {"404", "422"},
        ("patch", "/api/v1/pings/{n}"): refusals | {"404", "409", "412", "422", "428"},
        ("post", "/api/v1/pings"): refusals | {"400", "404", "409", "413", "422"},
    }
    described = {
        (method, path): {status for status in operation["responses"] if status >= "400"}
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if not path.startswith("/api/v1/system")
    }
    assert described == expected
    stale = document["paths"]["/api/v1/pings/{n}"]["patch"]["responses"]["412"]["$ref"]
    shape = document["components"]["responses"][stale.rsplit("/", 1)[-1]]["content"]
    reference = shape["application/problem+json"]["schema"]["$ref"]
    assert reference.rsplit("/", 1)[-1] in document["components"]["schemas"]


def test_placeholders_refuse_to_start() -> None:
    """A setting that still says `changeme` never runs."""
    with pytest.raises(ValueError, match="placeholder"):
        DatabaseSettings.model_validate({"database_url": "postgresql://u:changeme@h/d"})
