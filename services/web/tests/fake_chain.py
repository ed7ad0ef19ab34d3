"""What the tests' API remembers, who may sign in to it, and how it refuses."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from contracts.identity import AUDIENCE, ISSUER
from fastapi import Request
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.jwk import OKPKey

from . import fake_data as data
from .fake_data import Json, id_of

KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "test", "use": "sig"})
PEOPLE: dict[str, Json] = {
    "owner@demo.example": {"role": "owner", "stores": None, "customer_id": None},
    "manager@demo.example": {"role": "manager", "stores": None, "customer_id": None},
    "cashier@demo.example": {
        "role": "cashier",
        "stores": [data.STORES[0]["id"]],
        "customer_id": None,
    },
    "customer@demo.example": {
        "role": "customer",
        "stores": None,
        "customer_id": data.CUSTOMERS[0]["id"],
    },
}


class Refused(Exception):
    """The API's problem document."""

    def __init__(self, status: int, detail: str, errors: list[Json] | None = None) -> None:
        self.status = status
        self.body: Json = {
            "type": "about:blank",
            "title": "Refused",
            "status": status,
            "detail": detail,
            "errors": errors or [],
        }


class Chain:
    """Everything the API remembers, and what it was asked."""

    def __init__(self) -> None:
        self.orders = {order["id"]: order for order in data.orders()}
        self.payments: list[Json] = []
        self.refunds: list[Json] = []
        self.shipments: list[Json] = []
        self.documents: list[Json] = []
        self.customers = [dict(one) for one in data.CUSTOMERS]
        self.settings: Json = {
            "prepayment_percent": "50",
            "first_status": {
                "counter": "agreed",
                "phone": "agreed",
                "salesman": "agreed",
                "site": "pending_approval",
                "email": "pending_approval",
            },
        }
        self.stores = [dict(one) for one in data.STORES]
        self.stock = [dict(one) for one in data.STOCK]
        self.asked: list[tuple[str, str, Json | None, dict[str, str]]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.bodies: dict[str, Json | None] = {}  # What was asked under each key.
        self.refusals: dict[str, Refused] = {}
        self.refreshed: dict[str, int] = {}
        self.token_life_seconds = 300
        first = next(iter(self.orders.values()))
        self.payments.append(
            {
                "id": id_of("pay 1"),
                "order_id": first["id"],
                "amount": "120.00",
                "currency": "EUR",
                "method": "cash",
                "state": "posted",
                "store_id": first["store_id"],
                "at": first["placed_at"],
                "by": "cashier@demo.example",
                "allocations": [],
            }
        )

    @contextmanager
    def refusing(self, path: str, refusal: Refused) -> Iterator[None]:
        """For a while this path is refused."""
        self.refusals[path] = refusal
        yield
        del self.refusals[path]


def token(name: str, life_seconds: int) -> str:
    person = PEOPLE[name]
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": id_of(name),
        "iat": now,
        "exp": now + life_seconds,
        **person,
    }
    return jwt.encode({"alg": "Ed25519", "kid": "test"}, claims, KEY, algorithms=["Ed25519"])


def kept(chain: Chain, request: Request, status: int, body: Any) -> JSONResponse:
    chain.answers[request.headers["idempotency-key"]] = (status, body)
    return JSONResponse(body, status)
