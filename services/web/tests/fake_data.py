"""The small chain that the tests' API keeps in memory: two stores, goods, people, orders."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID, uuid5

Json = dict[str, Any]
NAMES = UUID("0190a000-0000-7000-8000-00000000f00d")
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def id_of(name: str) -> str:
    """The same id for the same name, in every run."""
    return str(uuid5(NAMES, name))


def iso(delta: timedelta = timedelta()) -> str:
    return (NOW + delta).isoformat().replace("+00:00", "Z")


def money(value: Decimal) -> str:
    return str(value.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))


STORES: list[Json] = [
    {
        "id": id_of(f"store {code}"),
        "code": code,
        "name": name,
        "hold_method": method,
        "held_goods_sale": "warn",
        "hold_days": 3,
    }
    for code, name, method in [
        ("S01", "Harbour Street", "separate"),
        ("S02", "Old Market", "nominal"),
    ]
]
WAREHOUSES: list[Json] = [
    {
        "id": id_of(f"warehouse {store['code']}"),
        "store_id": store["id"],
        "name": f"{store['name']} stockroom",
        "parent_id": None,
        "kind": "main",
    }
    for store in STORES
]
ITEMS: list[Json] = [
    {
        "sku": sku,
        "name": name,
        "unit": unit,
        "barcodes": [barcode],
        "tax_rate": "20",
        "price": price,
        "currency": "EUR",
    }
    for sku, name, unit, barcode, price in [
        ("KET-17", "Electric kettle 1.7 l, steel", "piece", "4006381333931", "49.9000"),
        ("MUG-03", "Stoneware mug, sea green", "piece", "4006381333948", "8.5000"),
        ("LAMP-2", "Reading lamp with clamp", "piece", "4006381333955", "64.0000"),
        ("COF-1K", "Coffee beans, medium roast", "kg", "4006381333962", "18.4000"),
        ("CHAIR9", "Oak dining chair", "piece", "4006381333979", "189.0000"),
        ("TBL-160", "Oak dining table 160 × 90", "piece", "4006381333986", "740.0000"),
    ]
]
STOCK: list[Json] = [
    {
        "warehouse_id": warehouse["id"],
        "sku": item["sku"],
        "on_hand": str(on_hand),
        "held": str(held),
        "available": str(max(0, on_hand - held)),
        "broken": str(max(0, held - on_hand)),
        "expected": str(expected),
    }
    for warehouse, rows in zip(
        WAREHOUSES,
        [
            [(14, 3, 0), (120, 22, 0), (5, 5, 10), (30, 4, 0), (2, 3, 12), (0, 0, 4)],
            [(6, 0, 0), (40, 2, 0), (1, 0, 0), (12, 0, 0), (8, 0, 0), (1, 0, 0)],
        ],
        strict=True,
    )
    for item, (on_hand, held, expected) in zip(ITEMS, rows, strict=True)
]
CUSTOMERS: list[Json] = [
    {
        "id": id_of(f"customer {name}"),
        "name": name,
        "phone": phone,
        "email": email,
        "language": language,
        "card_number": card,
        "category": None,
    }
    for name, phone, email, language, card in [
        ("Aino Virtanen", "+358401234567", "aino@demo.example", "fi", "20001"),
        ("Борис Петров", "+359881114567", "boris@demo.example", "bg", "20002"),
        ("Айгүл Серікова", "+77015559812", "aigul@demo.example", "kk", "20003"),
        ("Nora Lindqvist", "+4670998812", None, "en", None),
    ]
]


def order_of(number: str, **over: Any) -> Json:
    """One order with its lines, as the API answers it."""
    lines = over.pop("lines")
    paid = Decimal(over.pop("paid", "0"))
    made: list[Json] = []
    for at, (sku, quantity, held, awaiting, shipped) in enumerate(lines, start=1):
        item = next(one for one in ITEMS if one["sku"] == sku)
        amount = Decimal(item["price"]) * Decimal(quantity)
        made.append(
            {
                "id": id_of(f"{number} line {at}"),
                "sku": sku,
                "description": item["name"],
                "unit": item["unit"],
                "quantity": quantity,
                "unit_price": item["price"],
                "amount": money(amount),
                "held": held,
                "awaiting": awaiting,
                "shipped": shipped,
            }
        )
    total = sum((Decimal(line["amount"]) for line in made), Decimal(0))
    shipped_amount = sum(
        (
            Decimal(line["amount"]) * Decimal(line["shipped"]) / Decimal(line["quantity"])
            for line in made
        ),
        Decimal(0),
    )
    left = sum((Decimal(li["quantity"]) - Decimal(li["shipped"]) for li in made), Decimal(0))
    order: Json = {
        "id": id_of(f"order {number}"),
        "number": number,
        "status": "agreed",
        "financial_status": "unpaid",
        "store_id": STORES[0]["id"],
        "channel": "counter",
        "customer": {
            "id": CUSTOMERS[0]["id"],
            "name": CUSTOMERS[0]["name"],
            "phone": CUSTOMERS[0]["phone"],
        },
        "currency": "EUR",
        "total": money(total),
        "prepayment_proposed": money(total / 2),
        "prepayment": money(total / 2),
        "paid": money(paid),
        "due": money(total - paid),
        "placed_at": iso(timedelta(hours=-2)),
        "marked": False,
        "lines": made,
        "terms": [],
        "hold": {
            "method": "separate",
            "warehouse_id": WAREHOUSES[0]["id"],
            "until": iso(timedelta(days=3)),
        },
        "settlement": {
            "shipped_quantity": str(sum((Decimal(line["shipped"]) for line in made), Decimal(0))),
            "shipped_amount": money(shipped_amount),
            "left_quantity": str(left),
            "left_amount": money(total - shipped_amount),
        },
        "history": [
            {
                "at": iso(timedelta(hours=-2)),
                "by": id_of("cashier@demo.example"),
                "what": "placed",
                "detail": "",
                "status": "agreed",
                "financial_status": "unpaid",
            },
            {
                "at": iso(timedelta(hours=-2, seconds=1)),
                "by": "inventory",
                "what": "holds_decided",
                "detail": "held 10, awaiting 0",
                "status": "ready",
                "financial_status": "unpaid",
            },
        ],
    }
    return order | over


def orders() -> list[Json]:
    """The orders of the morning, newest first."""
    return [
        order_of(
            "S01-000412",
            status="ready",
            financial_status="partly_paid",
            paid="120.00",
            lines=[
                ("KET-17", "2", "2", "0", "0"),
                ("MUG-03", "6", "6", "0", "0"),
                ("LAMP-2", "2", "2", "0", "0"),
            ],
            placed_at=iso(timedelta(minutes=-8)),
        ),
        order_of(
            "S01-000411",
            status="in_progress",
            lines=[("CHAIR9", "6", "2", "4", "0"), ("TBL-160", "1", "0", "1", "0")],
            customer={"id": CUSTOMERS[1]["id"], "name": CUSTOMERS[1]["name"], "phone": None},
            channel="phone",
            placed_at=iso(timedelta(minutes=-47)),
        ),
        order_of(
            "S02-000093",
            status="pending_approval",
            store_id=STORES[1]["id"],
            lines=[("COF-1K", "2.500", "0", "0", "0")],
            customer={"id": None, "name": "Ms Koskinen", "phone": None},
            channel="site",
            placed_at=iso(timedelta(hours=-30)),
        ),
        order_of(
            "S01-000398",
            status="shipped",
            financial_status="partly_paid",
            paid="300.00",
            lines=[("TBL-160", "1", "0", "0", "1"), ("CHAIR9", "4", "0", "0", "4")],
            customer={"id": CUSTOMERS[2]["id"], "name": CUSTOMERS[2]["name"], "phone": None},
            placed_at=iso(timedelta(days=-4)),
        ),
        order_of(
            "S01-000377",
            status="closed",
            financial_status="paid",
            paid="64.00",
            lines=[("LAMP-2", "1", "0", "0", "1")],
            customer=None,
            placed_at=iso(timedelta(days=-12)),
        ),
        order_of(
            "S01-000365",
            status="cancelled",
            financial_status="unpaid",
            lines=[("MUG-03", "4", "0", "0", "0")],
            customer={"id": CUSTOMERS[3]["id"], "name": CUSTOMERS[3]["name"], "phone": None},
            placed_at=iso(timedelta(days=-40)),
        ),
    ]
