"""A service put together: HTTP edge, subscribers, relay, timers, in one process or several."""

import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI

from chassis import logs, relay, telemetry
from chassis.background import Work, in_background
from chassis.bus import Bus
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.http import problems, system
from chassis.http.auth import Verifier, undeclared_routes
from chassis.http.middleware import LimitBody, Observe, ShedLoad
from chassis.http.openapi import describe_refusals
from chassis.runtime import Drain, Runtime
from chassis.settings import DatabaseSettings, Settings
from chassis.subscriptions import Subscription, obey_commands

Timer = Callable[[Runtime], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Service:
    """Everything that a service is made of.

    routers: tried one after the other, so the one that is asked most stands first.
    refusals: the domain's exceptions and the HTTP status that each means.
    timers: coroutine functions that run for ever in the worker role, started again when they fail.
    linger_s: how long facts may gather before the next batch of them is fetched: a batch of ten
    costs little more than one of one, and each hop of an order waits half of it.
    start: makes the service's own `runtime.parts`, and may clean up after its yield.
    """

    name: str
    settings: type[DatabaseSettings]
    routers: Sequence[APIRouter]
    subscriptions: Sequence[Subscription] = ()
    refusals: Mapping[type[Exception], int] = field(default_factory=dict)
    timers: Sequence[Timer] = ()
    linger_s: float = 0.02
    start: Callable[[Runtime], Any] | None = None
    title: str = ""

    def run(self) -> None:
        """Serve until told to stop. Settings come from the environment."""
        settings = self.settings()
        logs.configure(self.name, settings.log_level)
        app = self.create_app(settings)
        serve(app, settings)

    def create_app(
        self,
        settings: DatabaseSettings,
        database: Database | None = None,
        verifier: Verifier | None = None,
    ) -> FastAPI:
        """The ASGI application with all roles that the settings name."""

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with self._running(app, settings, database):
                yield

        app = create_app(self.name, self.title, settings, lifespan, self.refusals)
        app.state.verifier = verifier or Verifier(settings.jwks_url)
        if settings.plays("http"):
            for router in self.routers:
                app.include_router(router, prefix="/api/v1")
        app.include_router(system.operations(self.name))
        refuse_undeclared(app)
        return app

    @asynccontextmanager
    async def _running(
        self, app: FastAPI, settings: DatabaseSettings, database: Database | None
    ) -> AsyncIterator[None]:
        own = database is None
        db = database or Database(settings.database_url, self.name, settings.pool_size)
        worker = settings.plays("worker")
        subscriptions = obey_commands(self.name, self.subscriptions)
        bus = Bus(self.name, settings, subscriptions, db, self.linger_s) if worker else None
        consumers = {s.name: Consumer(self.name, s, db) for s in subscriptions}
        runtime = Runtime(settings, db, bus, consumers)
        app.state.runtime = runtime
        db.changes.start()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(db.close if own else db.changes.stop)
            if self.start is not None:
                runtime.parts = await stack.enter_async_context(self.start(runtime))
            if bus is not None:
                await stack.enter_async_context(bus.running())
                await stack.enter_async_context(in_background(self._works(runtime)))
            freeze_garbage()
            yield

    def _works(self, runtime: Runtime) -> Mapping[str, Work]:
        timers = {timer.__name__: partial(timer, runtime) for timer in self.timers}
        return {
            "relay": partial(relay.run_relay, runtime.db, runtime.settings.kafka, self.name)
        } | timers


def create_app(
    name: str,
    title: str,
    settings: Settings,
    lifespan: Callable[[FastAPI], Any],
    refusals: Mapping[type[Exception], int],
) -> FastAPI:
    """A FastAPI application with problems, probes, metrics, traces and the limits."""
    app = FastAPI(
        title=title or f"Holdfast {name}",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app, refusals)
    describe_refusals(app)
    app.state.drain = Drain()
    app.include_router(system.probes())
    app.add_middleware(LimitBody)
    app.add_middleware(ShedLoad, requests_max=settings.requests_max)
    app.add_middleware(Observe)
    telemetry.trace_service(app, name, settings.otlp_endpoint)
    return app


def refuse_undeclared(app: FastAPI) -> None:
    """Deny by default: an application with a route that names no right does not start."""
    missing = undeclared_routes(app)
    assert not missing, f"routes without a declared right: {missing}"


class DrainingServer(uvicorn.Server):
    """Told to stop, it first says that it will, so that the gateway asks the others; then it does.

    Told a second time, it stops at once.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain, drain_s: float) -> None:
        super().__init__(config)
        self._drain, self._drain_s = drain, drain_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal."""
        if self._drain_s > 0 and self._drain.until is None:
            self._drain.until, self._signal = time.monotonic() + self._drain_s, sig
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Stop when the time of draining is over."""
        if self._drain.until is not None and time.monotonic() >= self._drain.until:
            super().handle_exit(self._signal, None)
        return await super().on_tick(counter)


def serve(app: FastAPI, settings: Settings) -> None:
    """Run uvicorn with our logging."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.http_port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    DrainingServer(config, app.state.drain, settings.drain_s).run()


def freeze_garbage() -> None:
    """What was loaded at the start stays: do not scan it again at every collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
