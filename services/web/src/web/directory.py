"""Names of stores and warehouses, asked once in a while and not on every page."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from web.api import Api
from web.jsons import Json

KEPT_FOR = timedelta(seconds=20)
ASKED_AGAIN = timedelta(seconds=1)  # For a store that was opened a moment ago.
PEOPLE_MAX = 2_000
PAGE_LIMIT = 200
PAGES_MAX = 20


@dataclass(frozen=True, slots=True)
class Places:
    """The stores that one visitor may see, and their warehouses."""

    stores: tuple[Json, ...]
    warehouses: tuple[Json, ...]

    def store(self, store_id: str | None) -> Json:
        """The store, or one that only knows its id."""
        for store in self.stores:
            if store["id"] == store_id:
                return store
        return {"id": store_id, "name": (store_id or "")[:8], "code": ""}

    def has(self, store_id: str | None) -> bool:
        """Whether the store is among them; no store in particular is."""
        return store_id is None or any(store["id"] == store_id for store in self.stores)

    def warehouse(self, warehouse_id: str | None) -> Json:
        """The warehouse with a name that people know."""
        for warehouse in self.warehouses:
            if warehouse["id"] == warehouse_id:
                named = dict(warehouse)
                named.setdefault("name", self.store(warehouse.get("store_id"))["name"])
                return named
        return {"id": warehouse_id, "name": (warehouse_id or "")[:8], "store_id": None}

    def of_store(self, store_id: str) -> list[Json]:
        """The main warehouses of a store, where goods are held from."""
        return [
            self.warehouse(one["id"])
            for one in self.warehouses
            if one["store_id"] == store_id and one.get("kind") != "temporary_storage"
        ]


class Directory:
    """Each visitor's places; a change of a store's name shows within seconds."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[datetime, Places]] = OrderedDict()

    async def places(
        self, account_id: str, api: Api, now: datetime, wanted: str | None = None
    ) -> Places:
        """The stores and warehouses that this account sees; asked anew for an unknown `wanted`."""
        kept = self._kept.get(account_id)
        if kept is not None and now - kept[0] < (KEPT_FOR if kept[1].has(wanted) else ASKED_AGAIN):
            return kept[1]
        places = Places(
            tuple(await all_of(api, "/stores")), tuple(await all_of(api, "/warehouses"))
        )
        self._kept[account_id] = (now, places)
        self._kept.move_to_end(account_id)
        while len(self._kept) > PEOPLE_MAX:
            self._kept.popitem(last=False)
        return places

    def forget(self, account_id: str) -> None:
        """The next page asks anew: this visitor changed a store."""
        self._kept.pop(account_id, None)


async def all_of(api: Api, path: str, **query: object) -> list[Json]:
    """Every entry of a list that is short by its nature, page by page."""
    items: list[Json] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page, cursor = await api.get_page(path, limit=PAGE_LIMIT, cursor=cursor, **query)
        items.extend(page)
        if cursor is None:
            break
    return items
