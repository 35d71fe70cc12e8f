"""Bodies have bounds: a larger one is refused unread, and one that does not say its size as soon as it is too large."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convoscope.server.refusals import TOO_LARGE, refusal

JSON_BYTES = 64 << 10
UPLOAD_BYTES = 20_000_000
_UPLOADS = ("/inputs", "/atlas")  # how the addresses end that take images


class Bounded:
    """Lets no body through that is larger than its address takes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = UPLOAD_BYTES if scope["path"].endswith(_UPLOADS) else JSON_BYTES
        said, n_bytes = Headers(scope=scope).get("content-length", "0"), 0
        if said.isascii() and said.isdigit() and (len(said) > 18 or int(said) > most):
            await refusal(413, "InputError", *TOO_LARGE)(scope, receive, send)
            return

        async def bounded() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > most:
                raise HTTPException(413)
            return message

        await self._app(scope, bounded, send)
