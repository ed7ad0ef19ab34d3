"""The pages over an API in memory, asked by a client or looked at in a real browser."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import uvicorn
from chassis.http.auth import Verifier
from fastapi import FastAPI
from joserfc.jwk import KeySet
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from web.app import create_app
from web.settings import Settings

from . import fake_api

SERVICES = ("identity", "orders", "inventory", "billing", "shipping", "notifications", "devices")
SECRET = "a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6"
CHROMIUM = (
    os.environ.get("HOLDFAST_CHROMIUM", ""),
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SignIn = Callable[[str], Awaitable[httpx.AsyncClient]]
Open = Callable[..., Awaitable[Page]]


class Services:
    """What the services' probes answer; a test may take one away."""

    def __init__(self) -> None:
        self.away: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Readiness and the OpenAPI document of the service that the host names."""
        name = request.url.host
        if name in self.away:
            raise httpx.ConnectError("refused")
        if request.url.path == "/openapi.json":
            return httpx.Response(200, json=document_of(name))
        return httpx.Response(200, json={"status": "ready"})


def document_of(service: str) -> dict[str, object]:
    """A small OpenAPI document; every service describes an Entry of its own."""
    return {
        "openapi": "3.1.0",
        "paths": {
            f"/api/v1/{service}": {
                "get": {
                    "operationId": "list",
                    "responses": {
                        "200": {
                            "content": {
                                "application/json": {
                                    "schema": {"$ref": "#/components/schemas/Entry"}
                                }
                            }
                        }
                    },
                }
            }
        },
        "components": {"schemas": {"Entry": {"type": "object", "title": service}}},
    }


@pytest.fixture
def chain() -> fake_api.Chain:
    return fake_api.Chain()


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def app(chain: fake_api.Chain, services: Services) -> FastAPI:
    """Web, whose gateway is the API in memory."""
    settings = Settings(
        api_url="http://gateway",
        session_secret=SECRET,
        services={name: f"http://{name}" for name in SERVICES},
    )
    gateway = httpx.ASGITransport(app=fake_api.create(chain))
    app = create_app(
        settings,
        api_http=httpx.AsyncClient(transport=gateway, base_url="http://gateway"),
        plain_http=httpx.AsyncClient(transport=httpx.MockTransport(services.answer)),
        verifier=Verifier("", KeySet([fake_api.KEY])),
        follow=False,
    )
    app.state.live.is_following = True
    return app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://web")


@pytest.fixture
async def anyone(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that is not signed in."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def sign_in(app: FastAPI) -> AsyncIterator[SignIn]:
    """Signs somebody in and gives their browser's client."""
    async with contextlib.AsyncExitStack() as stack:

        async def sign(who: str) -> httpx.AsyncClient:
            client = await stack.enter_async_context(client_of(app))
            page = await client.get("/sign-in")
            answer = await client.post(
                "/sign-in",
                data={
                    "csrf": form_token(page.text),
                    "username": f"{who}@demo.example",
                    "password": "demo",
                },
            )
            assert answer.status_code == 303, answer.text
            return client

        yield sign


def form_token(html: str) -> str:
    """The token that the page's forms send back."""
    return html.split('name="csrf" value="', 1)[1].split('"', 1)[0]


def form_key(html: str, action: str) -> str:
    """The idempotency key of the form with this address."""
    form = html.split(f'action="{action}"', 1)[1]
    return form.split('name="key" value="', 1)[1].split('"', 1)[0]


@pytest_asyncio.fixture(loop_scope="module")
async def address(app: FastAPI) -> AsyncIterator[str]:
    """Web, listening for a real browser."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off")
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event to wait for.
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = server.force_exit = True
    await serving


@pytest.fixture(scope="session")
def chromium() -> str | None:
    """Where a Chromium is; None leaves it to Playwright's own."""
    return next((path for path in CHROMIUM if path and Path(path).exists()), None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: str | None) -> AsyncIterator[Browser]:
    """One Chromium for a file: starting it takes longer than most tests."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Browser, address: str) -> AsyncIterator[Open]:
    """Opens a page as somebody; a script's error or a foreign request fails the test.

    Each page has cookies and a store of its own.
    """
    wrong: list[str] = []
    contexts: list[BrowserContext] = []

    async def open_as(
        who: str | None,
        path: str,
        language: str = "en",
        theme: str = "light",
        width: int = 1024,
        height: int = 768,
    ) -> Page:
        context = await browser.new_context(
            base_url=address, viewport={"width": width, "height": height}, locale="en"
        )
        contexts.append(context)
        await context.add_cookies(
            [
                {"name": "holdfast_language", "value": language, "url": address},
                {"name": "holdfast_theme", "value": theme, "url": address},
            ]
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:"))
                else wrong.append(f"left the origin: {request.url}")
            ),
        )
        page.on(
            "console",
            lambda message: (
                wrong.append(f"policy: {message.text}")
                if "Content Security Policy" in message.text
                else None
            ),
        )
        if who is not None:
            await page.goto("/sign-in")
            await page.fill("#username", f"{who}@demo.example")
            await page.fill("#password", "demo")
            await page.press("#password", "Enter")
            await page.wait_for_url(lambda url: "/sign-in" not in url)
        await page.goto(path)
        return page

    yield open_as
    for context in contexts:
        await context.close()
    assert wrong == []
