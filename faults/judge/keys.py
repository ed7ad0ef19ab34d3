"""I1: each accepted idempotency key is one thing that was done, and each such thing has a key."""

from collections.abc import Sequence
from dataclasses import dataclass

from faults.judge.databases import Databases, Question, Violation


@dataclass(frozen=True, slots=True)
class Made:
    """What a POST makes: the path, the service, its table, the id, and when it was made."""

    path: str
    service: str
    table: str
    id: str
    at: str


# Receipts and the like are made by a POST only; stores' temporary storage is made by holds.
MADE = (
    Made("orders", "orders", "orders", "id", "placed_at"),
    Made("payments", "billing", "payment", "payment_id", "at"),
    Made("refunds", "billing", "refund", "refund_id", "at"),
    Made("documents", "billing", "document", "document_id", "issued_at"),
    Made("shipments", "shipping", "shipments", "id", "created_at"),
    Made("receipts", "inventory", "receipts", "id", "at"),
)
# Where else the subject of a key may be; their rows may have been there without a request.
NAMED = (
    Made("customers", "orders", "customers", "id", ""),
    Made("items", "orders", "items", "sku", ""),
    Made("stores", "inventory", "stores", "id", ""),
    Made("warehouses", "inventory", "warehouses", "id", ""),
    Made("holds", "inventory", "order_hold", "order_id", ""),
    Made("print-jobs", "devices", "print_jobs", "id", ""),
)
KEYS_KEPT = "interval '29 days'"  # Keys are forgotten after 30.


@dataclass(frozen=True, slots=True)
class Promise:
    """An answer 2xx to a client: under which key, to which path, and the id that it named."""

    key: str
    path: str
    subject: str


def _without_key(one: Made) -> Question:
    return Question(
        one.service,
        f"""
        SELECT m.{one.id}::text AS subject, '{one.path}: made without a key' AS text
        FROM {one.table} m WHERE m.{one.at} > now() - {KEYS_KEPT}
        AND NOT EXISTS (SELECT FROM idempotency i
                        WHERE i.status = 201 AND i.subject = m.{one.id}::text)""",
    )


def _without_subject(service: str) -> Question:
    ids = " UNION ALL ".join(
        f"SELECT {one.id}::text AS id FROM {one.table}"
        for one in (*MADE, *NAMED)
        if one.service == service
    )
    return Question(
        service,
        f"""
        SELECT subject, 'accepted under the key ' || key || ', and is not there' AS text
        FROM idempotency WHERE status = 201 AND subject NOT IN ({ids})""",
    )


QUESTIONS = (
    *map(_without_key, MADE),
    *map(_without_subject, sorted({one.service for one in MADE})),
)


async def violations(databases: Databases) -> list[Violation]:
    """What was made without a key, and keys of which nothing is there."""
    return await databases.ask("I1", QUESTIONS)


async def broken_promises(databases: Databases, accepted: Sequence[Promise]) -> list[Violation]:
    """What a client was told was done, and is not there, or not under the client's key."""
    found: list[Violation] = []
    for one in (*MADE, *NAMED):
        mine = [promise for promise in accepted if _group(promise.path) == one.path]
        if mine:
            found += await _broken(databases, one, mine)
    known = {one.path for one in (*MADE, *NAMED)}
    unknown = {promise.path for promise in accepted} - {
        p.path for p in accepted if _group(p.path) in known
    }
    assert not unknown, f"the judge does not know what these make: {sorted(unknown)}"
    return found


def _group(path: str) -> str:
    return path.removeprefix("/api/v1").strip("/").split("/")[0]


async def _broken(databases: Databases, made: Made, promises: Sequence[Promise]) -> list[Violation]:
    subjects, keys = [one.subject for one in promises], [one.key for one in promises]
    there = {
        row["id"]: row["count"]
        for row in await databases.rows(
            made.service,
            f"SELECT {made.id}::text AS id, count(*) FROM {made.table} "
            f"WHERE {made.id}::text = ANY($1::text[]) GROUP BY 1",
            subjects,
        )
    }
    kept: dict[str, set[str]] = {}
    for row in await databases.rows(
        made.service, "SELECT key, subject FROM idempotency WHERE key = ANY($1::text[])", keys
    ):
        kept.setdefault(row["key"], set()).add(row["subject"])
    found = []
    for one in promises:
        count = there.get(one.subject, 0)
        if count != 1:
            text = f"{one.path} was answered as done under {one.key}, and is there {count} times"
            found.append(Violation("I1", one.subject, text))
        if kept.get(one.key, set()) != {one.subject}:
            others = ", ".join(sorted(kept.get(one.key, set()))) or "nothing"
            text = f"{one.path} was answered as done, and its key {one.key} stands for {others}"
            found.append(Violation("I1", one.subject, text))
    return found
