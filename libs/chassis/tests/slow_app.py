"""A service of one slow route as a process of its own, to be stopped: slow_app.py PORT DRAIN_S."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.service import create_app, serve
from chassis.settings import Settings
from fastapi import FastAPI

SLOW_S = 1.5


@asynccontextmanager
async def nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def main(port: int, drain_s: float) -> None:
    settings = Settings(http_port=port, drain_s=drain_s)
    app = create_app("slow", "", settings, nothing, {})

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(SLOW_S)
        return "done"

    @app.get("/quick")
    async def quick() -> str:
        return "done"

    serve(app, settings)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
