"""An API in memory that answers as the public API is described, for the pages' own tests."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from . import fake_lists, fake_orders
from .fake_chain import KEY, PEOPLE, Chain, Refused, token
from .fake_data import Json

__all__ = ["KEY", "Chain", "Refused", "create", "token"]


def create(chain: Chain) -> FastAPI:
    """The API over this chain."""
    app = FastAPI()

    @app.exception_handler(Refused)
    async def refuse(request: Request, refusal: Refused) -> JSONResponse:
        return JSONResponse(refusal.body, refusal.status, media_type="application/problem+json")

    @app.middleware("http")
    async def remember(request: Request, call_next: Any) -> Any:
        path = request.url.path.removeprefix("/api/v1")
        body = (
            await request.json()
            if request.method in ("POST", "PATCH")
            and int(request.headers.get("content-length") or 0)
            else None
        )
        chain.asked.append((request.method, path, body, dict(request.headers)))
        if path in chain.refusals:
            refusal = chain.refusals[path]
            return JSONResponse(refusal.body, refusal.status)
        key = request.headers.get("idempotency-key")
        if request.method == "POST" and not path.startswith("/tokens"):
            if not key:
                return JSONResponse({"title": "Key missing", "status": 400}, 400)
            if key in chain.answers:
                if chain.bodies.get(key, body) != body:
                    return JSONResponse({"title": "Key reused", "status": 422}, 422)
                status, old = chain.answers[key]
                return JSONResponse(old, status)
            chain.bodies[key] = body
        return await call_next(request)

    _sessions(app, chain)
    fake_lists.add(app, chain)
    fake_orders.add(app, chain)
    return app


def _sessions(app: FastAPI, chain: Chain) -> None:
    @app.post("/api/v1/tokens")
    async def sign_in(body: Json) -> Json:
        if body.get("username") not in PEOPLE or body.get("password") != "demo":
            raise Refused(401, "The login or the password is wrong.")
        name = body["username"]
        return {"access_token": token(name, chain.token_life_seconds), "refresh_token": f"{name}|0"}

    @app.post("/api/v1/tokens/refresh")
    async def refresh(body: Json) -> Json:
        name, _, count = str(body["refresh_token"]).partition("|")
        if chain.refreshed.get(name, 0) != int(count):
            raise Refused(401, "This session has ended.")
        chain.refreshed[name] = int(count) + 1
        return {"access_token": token(name, 300), "refresh_token": f"{name}|{int(count) + 1}"}

    @app.post("/api/v1/tokens/revoke", status_code=204)
    async def revoke(body: Json) -> None:
        name = str(body["refresh_token"]).partition("|")[0]
        chain.refreshed[name] = -1

    @app.get("/api/v1/jwks.json")
    async def keys() -> Json:
        return {"keys": [KEY.as_dict(private=False)]}
