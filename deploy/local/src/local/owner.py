"""The demo's owner at the gateway: what the start does as a person would."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from contracts.identity import DEMO_CUSTOMER_ID

from local.refusals import CannotStart
from local.topology import API, DEMO_DOMAIN, DEMO_PASSWORD


@contextmanager
def signed_in(gateway_url: str, what: str) -> Iterator[httpx.Client]:
    """A client of the API; CannotStart, naming what was to be done, when an answer is an error."""
    try:
        with httpx.Client(base_url=gateway_url + API, timeout=20, trust_env=False) as client:
            login = {"username": f"owner@{DEMO_DOMAIN}", "password": DEMO_PASSWORD}
            answer = client.post("/tokens", json=login).raise_for_status()
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            yield client
    except (httpx.HTTPError, KeyError) as error:
        raise CannotStart(f"{what} failed ({error}): run again.") from error


def new_key() -> dict[str, str]:
    """The header that a POST needs."""
    return {"Idempotency-Key": str(uuid.uuid4())}


def make_demo_customer(gateway_url: str) -> None:
    """The card that the demo customer's login is tied to, unless it is there already."""
    with signed_in(gateway_url, "Making the demo customer's card") as client:
        if client.get(f"/customers/{DEMO_CUSTOMER_ID}").status_code == httpx.codes.OK:
            return
        card = {
            "id": str(DEMO_CUSTOMER_ID),
            "name": "Demo Customer",
            "email": f"customer@{DEMO_DOMAIN}",
            "phone": "+1 555 0100",
        }
        client.post("/customers", json=card, headers=new_key()).raise_for_status()
