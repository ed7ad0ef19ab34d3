"""Web put together: pages, the references, live updates, readiness."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import fastapi_offline
import httpx
from chassis import logs, service
from chassis.background import in_background
from chassis.http.auth import Verifier, open_to_all
from chassis.http.middleware import TOO_LARGE
from chassis.http.problems import BodyTooLarge, as_body
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response

from web import openapi, refusals, streams
from web.api import TIMEOUT_SECONDS, Api
from web.assets import Assets
from web.directory import Directory
from web.door import Door
from web.live import Live
from web.pages import (
    customers,
    my,
    order,
    order_steps,
    orders,
    search,
    sign_in,
    stock,
    system,
    take_order,
    today,
)
from web.pages import (
    settings as settings_page,
)
from web.readiness import ask_all
from web.render import Pages
from web.session import Seal, Sessions
from web.settings import Settings
from web.visit import system_clock

PAGES = (
    orders.router,
    order_steps.router,
    order.router,
    take_order.router,
    customers.router,
    stock.router,
    today.router,
    settings_page.router,
    system.router,
    search.router,
    my.router,
)
SWAGGER_FOLDER = Path(fastapi_offline.__file__).parent / "static"
SWAGGER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")
HTML_BYTES_MIN = 1_000


@dataclass(frozen=True, slots=True)
class Whole:
    """Readiness of everything: the probe asks it as it asks any service's runtime."""

    http: httpx.AsyncClient
    services: dict[str, str]

    async def problems(self) -> dict[str, str]:
        """The services that are not ready, and why; empty when all are."""
        answers = await ask_all(self.http, self.services)
        return {one.name: one.detail or "not ready" for one in answers if not one.ready}


def create_app(
    settings: Settings,
    api_http: httpx.AsyncClient | None = None,
    plain_http: httpx.AsyncClient | None = None,
    verifier: Verifier | None = None,
    clock: Callable[[], datetime] = system_clock,
    follow: bool = True,
) -> FastAPI:
    """The application; tests hand in clients of their own, and may follow no topics."""
    api_http = api_http or httpx.AsyncClient(base_url=settings.api_url, timeout=TIMEOUT_SECONDS)
    plain_http = plain_http or httpx.AsyncClient()
    live = Live(settings.kafka, settings.replica)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        works = {"live": live.follow} if follow else {}
        async with aclosing(api_http), aclosing(plain_http), in_background(works):
            service.freeze_garbage()
            yield

    app = service.create_app("web", "Holdfast web", settings, lifespan, {})
    seal = Seal(settings.session_secret.get_secret_value())
    assets = Assets(others={f"swagger/{name}": SWAGGER_FOLDER / name for name in SWAGGER_FILES})
    api = Api(api_http)
    app.state.runtime = Whole(plain_http, settings.services)
    app.state.settings, app.state.clock, app.state.live = settings, clock, live
    app.state.seal, app.state.assets, app.state.pages = seal, assets, Pages(assets)
    app.state.api, app.state.plain_http = api, plain_http
    app.state.sessions, app.state.directory = Sessions(api), Directory()
    app.state.verifier = verifier or Verifier(settings.jwks_url)
    app.state.openapi_document = openapi.OpenApi(plain_http, settings.services)
    _add_routes(app)
    refusals.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=HTML_BYTES_MIN)
    app.add_middleware(Door, seal=seal, secure=settings.secure_cookies)
    service.refuse_undeclared(app)
    return app


def _add_routes(app: FastAPI) -> None:
    everybody = APIRouter(dependencies=[Depends(open_to_all)], include_in_schema=False)

    @everybody.get("/static/{name:path}")
    async def static(request: Request, name: str) -> Response:
        """Styles, scripts and icons."""
        assets: Assets = request.app.state.assets
        return assets.answer(name, request)

    @everybody.get("/refused/413")
    async def too_large() -> Response:
        """What the gateway says when it lets a body no further."""
        body = as_body(BodyTooLarge(TOO_LARGE))
        return JSONResponse(body, media_type="application/problem+json")

    app.include_router(everybody)
    app.include_router(sign_in.router, dependencies=[Depends(open_to_all)])
    for router in PAGES:
        app.include_router(router)
    app.include_router(openapi.router, prefix="/api/v1")
    app.include_router(streams.router, prefix="/api/v1")


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    logs.configure("web", settings.log_level)
    service.serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
