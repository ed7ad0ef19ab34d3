"""The drill: what was put aside is brought back, one database alone and then everything."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.chain import Caller, Json, Store, money

# Three starts of a whole system: each may take its own time before it is refused.
pytestmark = pytest.mark.timeout(1_200)


@dataclass
class Kept:
    """A backup, and the order with a deposit that was there when it was made."""

    folder: Path
    store: Store
    order: Json


def command(*words: str) -> str:
    """What a command of the instance under test says; it must go well."""
    done = subprocess.run(
        [sys.executable, "-m", "local", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def again(store: Store) -> Store:
    """The same store for someone who signs in after a restart."""
    return replace(store, by=Caller("manager@demo.example"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    manager = Caller("manager@demo.example")
    code = f"D{uuid4().hex[:6].upper()}"
    opened = manager.post("/stores", {"code": code, "name": "Drill"})
    body = {"store_id": opened["id"], "name": "Main", "kind": "main"}
    store = Store(manager, opened["id"], manager.post("/warehouses", body)["id"])
    order = store.take("1", "100.00")
    store.pay(order, "60.00")
    store.when(order, paid=60)
    folder = tmp_path_factory.mktemp("drill") / "backup"
    command("backup", "--to", str(folder))
    return Kept(folder, again(store), order)


def lost_by(service: str) -> dict[str, list[dict[str, Any]]]:
    """The list that a restore leaves for the person who decides."""
    found: dict[str, list[dict[str, Any]]] = json.loads(
        Path(os.environ["HOLDFAST_STATE"], f"lost-by-{service}.json").read_text()
    )
    return found


def test_one_database_hears_again_what_it_missed(kept: Kept) -> None:
    """Billing goes back: it knows the later order again, and its lost payment is on the list."""
    store = kept.store
    later = store.take("1", "100.00")
    store.pay(kept.order, "25.00")
    store.when(kept.order, paid=85)

    command("restore", "--from", str(kept.folder), "--only", "billing")
    lost = lost_by("billing")
    assert later["id"] in {one["key"] for one in lost["heard"]}
    said = {(one["key"], kind) for one in lost["said"] for kind in one["types"]}
    assert (kept.order["id"], "payment_posted.v1") in said

    command("up")
    store = again(store)
    store.pay(later, "40.00")
    store.when(later, paid=40)
    payments = store.by.get("/payments", order_id=kept.order["id"])["items"]
    assert [money(one["amount"]) for one in payments] == [60]


def test_everything_comes_back_as_it_was(kept: Kept) -> None:
    """What came after the backup is gone, what was there is there, and work goes on."""
    store = again(kept.store)
    later = store.take("1", "100.00")

    command("restore", "--from", str(kept.folder))
    store = again(store)
    store.by.refused("GET", f"/orders/{later['id']}", 404)
    store.when(kept.order, paid=60)
    store.pay(kept.order, "40.00")
    store.ship(kept.order, "1")
    store.when(kept.order, paid=100, status="closed")
