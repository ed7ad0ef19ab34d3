"""Pages of the journal by every filter, one after another, as a clerk looks."""

import asyncio
from typing import Any

from bench.client import Api
from bench.figures import percentiles_ms
from bench.stages import Ground

Query = dict[str, str | int]
PAGE = 50


async def journal(ground: Ground) -> dict[str, Any]:
    """How long a page takes by each filter; the worst p99 is the stage's figure."""
    api = ground.api
    queries = await _queries(api, ground)
    by_filter = {}
    for name, query in queries.items():
        took = [await _ask(api, query) for _ in range(ground.sizes.journal_asks)]
        by_filter[name] = percentiles_ms(took)
    worst = max(by_filter, key=lambda name: by_filter[name]["p99"])
    return {"worst": worst, "worst_ms": by_filter[worst], "by_filter_ms": by_filter}


async def _ask(api: Api, query: Query) -> float:
    clock = asyncio.get_running_loop().time
    begun = clock()
    await api.get("/orders", **query)
    return clock() - begun


async def _queries(api: Api, ground: Ground) -> dict[str, Query]:
    """Each filter with a value that occurs, some together, and a page further on."""
    page = await api.get("/orders", limit=PAGE)
    order = page["items"][-1]
    household = ground.shop.sales[0].plan.household
    filters: dict[str, Query] = {
        "none": {},
        "next page": {"cursor": page["next_cursor"]} if page.get("next_cursor") else {},
        "status": {"status": "closed"},
        "rare status": {"status": "cancelled"},
        "financial status": {"financial_status": "partly_paid"},
        "store": {"store_id": order["store_id"]},
        "channel": {"channel": "site"},
        "customer": {"customer_id": next(iter(ground.shop.places.customers.values()))},
        "day": {"from": order["placed_at"], "to": page["items"][0]["placed_at"]},
        "number": {"q": order["number"]},
        "telephone": {"q": household.phone[-7:]},
        "name": {"q": household.name},
        "shipped, unpaid": {"shipped_unpaid": "true"},
        "paid, not shipped": {"paid_unshipped": "true"},
        "late": {"late": "true"},
        "waiting": {"waiting": "true"},
        "store and status": {"store_id": order["store_id"], "status": "ready"},
        "channel, unpaid, day": {
            "channel": "phone",
            "financial_status": "unpaid",
            "from": order["placed_at"],
        },
    }
    return {name: {**query, "limit": PAGE} for name, query in filters.items()}
