"""A database is destroyed and comes back from a backup: what it missed is told again."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from . import chain

SECONDS = 400


def command(*words: str) -> str:
    """What a command of the start-up says; fails with it when the command fails."""
    done = subprocess.run(
        [sys.executable, "-m", "local", *words],
        env={**os.environ, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def paid(store: chain.Store, order: chain.Json) -> Decimal:
    return chain.money(store.by.get(f"/orders/{order['id']}")["paid"])


@pytest.mark.timeout(3 * SECONDS)
def test_a_lost_database_comes_back(store: chain.Store, tmp_path: Path) -> None:
    """Billing is set back to before an order: it hears of it again, and money and ledger agree."""
    before = store.take("1", "100.00")
    store.pay(before, "40.00")
    chain.soon(lambda: paid(store, before) == Decimal(40), "the first payment")
    command("backup", "--to", str(tmp_path / "kept"))
    chain.soon(lambda: store.by.http.get("/orders").status_code == 200, "the door", 120)
    after = store.take("1", "70.00")

    said = command("restore", "--from", str(tmp_path / "kept"), "--only", "billing")

    assert after["id"] in said
    store.pay(after, "70.00")
    chain.soon(lambda: paid(store, after) == Decimal(70), "the payment after the restore", 120)
    kept = store.by.get("/payments", order_id=before["id"])["items"]
    assert [chain.money(payment["amount"]) for payment in kept] == [Decimal(40)]
    assert store.by.get("/accounts/ledger-check")["differing_orders"] == []
