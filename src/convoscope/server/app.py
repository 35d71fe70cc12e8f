"""The application: the routes under /api, the page at every other address, and the guard before both."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convoscope.lab.screen import Screen
from convoscope.server import openapi, routes_live, routes_runs, routes_sight
from convoscope.server.asking import Office
from convoscope.server.bounds import Bounded
from convoscope.server.guard import Gate, Guard, loopback_hosts
from convoscope.server.page import Page
from convoscope.server.refusals import EXPECTED, NOTHING_THERE, answer_errors, refusal


def create_app(
    runs: Path,
    *,
    token: str | None = None,
    allowed_hosts: Collection[str] | None = None,
    allowed_origins: Collection[str] = (),
    screen: Screen | None = None,
) -> FastAPI:
    """The page and its interface for a folder of runs.

    Args:
        runs: The folder of runs; it need not be there yet.
        token: What every request must show, for an address that others can reach.
        allowed_hosts: What the Host header may say, with the port; this machine's own names at port 8808 without it,
            or anything where there is a token.
        allowed_origins: Pages besides our own that may ask.
        screen: Where facts come from; a fresh one without it.
    """
    app = FastAPI(
        title="Convoscope", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json", responses=EXPECTED,
        generate_unique_id_function=_name_of,
    )  # fmt: skip
    app.state.office = Office(runs.absolute(), screen or Screen(runs))
    for room in (routes_runs, routes_sight, routes_live):
        app.include_router(room.router, prefix="/api")
    answer_errors(app)
    app.router.default = _Elsewhere(Page())
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    app.add_middleware(_HeadAsGet)
    app.add_middleware(Bounded)
    app.add_middleware(Guard, gate=gate_of(token, allowed_hosts, allowed_origins))
    return app


def gate_of(token: str | None, hosts: Collection[str] | None, origins: Collection[str] = ()) -> Gate:
    """The gate for what `create_app` takes."""
    if hosts is None and token is None:
        hosts = loopback_hosts(8808)
    names = None if hosts is None else frozenset(host.lower() for host in hosts)
    return Gate(names, frozenset(origin.lower() for origin in origins), token)


class _Elsewhere:
    """What no route answers: the page, or under /api a refusal."""

    def __init__(self, page: ASGIApp) -> None:
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4404, "reason": "There is nothing at this address."})
        elif scope["path"] == "/api" or scope["path"].startswith("/api/"):
            await refusal(404, "InputError", *NOTHING_THERE)(scope, receive, send)
        else:
            await self._page(scope, receive, send)


class _HeadAsGet:
    """Answers HEAD as GET without the body: the same headers, its length among them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def bodiless(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, bodiless)


def _described(app: FastAPI) -> dict[str, object]:
    if app.openapi_schema is None:
        app.openapi_schema = openapi.describe(app)
    return app.openapi_schema


def _name_of(route: APIRoute) -> str:
    return route.name
