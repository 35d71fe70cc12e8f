"""Serving: the page at once, its interface as soon as torch is imported, until Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from convoscope.errors import InputError
from convoscope.server.guard import Gate, Guard, loopback_hosts
from convoscope.server.listening import Place, health
from convoscope.server.page import Page

_MOST_BYTES = 64 << 10  # of a message that a viewer sends; it has nothing to say
_LONGEST = 120.0  # seconds until it must answer, torch read from a cold disk


def serve(place: Place, runs: Path, *, token: str | None = None, answering: Callable[[], bool] | None = None) -> None:
    """Serves a folder of runs until Ctrl-C.

    Args:
        place: Where; its socket is listening.
        runs: The folder of runs; it need not be there yet.
        token: What every request must show; needed where others can reach the place.
        answering: Called in a thread once the server answers; False ends it.

    Raises:
        InputError: it did not come to answer.
    """
    import uvicorn

    assert place.listener is not None, "a server of ours is there already"
    hosts = loopback_hosts(place.port) if place.is_private and token is None else None
    config = uvicorn.Config(
        _Porch(runs, Gate(hosts, token=token)), lifespan="off", log_config=None, log_level="warning", access_log=False,
        server_header=False, proxy_headers=False, ws="websockets-sansio", ws_per_message_deflate=False,
        ws_max_size=_MOST_BYTES, timeout_graceful_shutdown=1, timeout_keep_alive=30,
    )  # fmt: skip
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    server, is_mute = uvicorn.Server(config), threading.Event()

    def look() -> None:
        if health(place.host, place.port, _LONGEST, token) is None:
            is_mute.set()
        if is_mute.is_set() or (answering is not None and not answering()):
            server.should_exit = True

    threading.Thread(target=look, daemon=True).start()
    try:
        server.run(sockets=[place.listener])
    except KeyboardInterrupt:  # uvicorn has closed all in order, and passes it on
        return
    if is_mute.is_set():
        raise InputError("The server was started and does not answer.", hint="The terminal says why; try another port.")


class _Porch:
    """Hands out the page while the rest is being imported; what asks under /api waits until it is there."""

    def __init__(self, runs: Path, gate: Gate) -> None:
        self._runs, self._gate = runs, gate
        self._page = Guard(Page(), gate)
        self._app: ASGIApp | None = None
        self._loading: asyncio.Future[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(self._load))
        if self._app is None and scope["type"] == "http" and not scope["path"].startswith("/api"):
            await self._page(scope, receive, send)
            return
        if self._app is None:
            await asyncio.shield(self._loading)
        assert self._app is not None
        await self._app(scope, receive, send)

    def _load(self) -> None:
        from convoscope.server.app import create_app

        gate = self._gate
        self._app = create_app(self._runs, token=gate.token, allowed_hosts=gate.hosts, allowed_origins=gate.origins)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of uvicorn's is worth telling: not that a closing server cuts off those who watch."""
    return "timeout graceful shutdown exceeded" not in record.getMessage()
