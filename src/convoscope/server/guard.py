"""The guard before everything: who may ask, from which page, and what a browser may do with the answer.

A page of another site can make a browser send requests here, and, once its name has been made to point here (DNS
rebinding), read the answers. So the Host must be ours; a request that says where it comes from must come from our own
page; and what another site would load as an image or a script is refused too. Programs that are no browser say neither
and pass. On an address that others can reach, everyone must show a token.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOT_ALLOWED = 4403  # the code that a socket closes with
_WEEK = 7 * 24 * 3600
_NEVER = "This server answers its own page only."
_RULES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self' {socket}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=()",
}
_No: TypeAlias = tuple[str, str]  # why, and what to do


@dataclass(frozen=True)
class Gate:
    """Who is let in.

    Attributes:
        hosts: What the Host header may say, in lower case: "127.0.0.1:8808". None for anything, which needs a token.
        origins: Pages besides our own that may ask: "http://localhost:5173".
        token: What everyone must show, None where only this machine can reach us.
    """

    hosts: frozenset[str] | None
    origins: frozenset[str] = frozenset()
    token: str | None = None

    def __post_init__(self) -> None:
        if self.hosts is None and self.token is None:
            raise ValueError("a server that answers to any host needs a token")


def loopback_hosts(port: int) -> frozenset[str]:
    """What the Host header says on this machine, for a port; browsers leave out port 80."""
    names = ("localhost", "127.0.0.1", "[::1]")
    return frozenset(f"{name}:{port}" for name in names) | (frozenset(names) if port == 80 else frozenset())


class Guard:
    """Lets in what the gate lets in, HTTP and websockets alike, and adds the headers that protect the page."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one socket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        no = self._host(headers) or self._site(scope, headers)
        if no is None and self._gate.token is not None:
            if scope["type"] == "http" and (entered := self._enters(scope)) is not None:
                await entered(scope, receive, self._protecting(scope, headers, send))
                return
            no = self._token(scope, headers)
        if no is None:
            await self._app(scope, receive, self._protecting(scope, headers, send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})  # a browser tells its page the code of an open socket only
            await send({"type": "websocket.close", "code": NOT_ALLOWED, "reason": no[0][:120]})
        else:
            await _refusal(scope, *no)(scope, receive, self._protecting(scope, headers, send))

    def _host(self, headers: Headers) -> _No | None:
        given = headers.getlist("host")
        if self._gate.hosts is None or (len(given) == 1 and given[0].lower() in self._gate.hosts):
            return None
        return f"This server does not answer to the name {' '.join(given) or 'nothing'!r}.", "Use 127.0.0.1."

    def _site(self, scope: Scope, headers: Headers) -> _No | None:
        """Whether the request comes from our own page, a program, or a link that a person followed."""
        if "origin" in headers:
            scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
            own = f"{scheme}://{headers.get('host', '')}".lower()
            given = headers["origin"].lower()
            is_ours = given == own or given in self._gate.origins
            return None if is_ours and len(headers.getlist("origin")) == 1 else (_NEVER, f"{given} is another.")
        if headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
            return None
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if is_link and scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}:
            return None
        return _NEVER, "Another site asked."

    def _token(self, scope: Scope, headers: Headers) -> _No | None:
        """Whether the token is shown: as a cookie, which the page has, or as a bearer's, which a program sends."""
        bearer = headers.get("authorization", "")
        shown = bearer[7:] if bearer[:7].lower() == "bearer " else ""
        kept = cookie_parser(headers.get("cookie", "")).get(_cookie(scope), "")
        if self._fits(shown) or self._fits(kept):
            return None
        return "This server asks for its token.", "Open the address that was printed when it was started."

    def _enters(self, scope: Scope) -> Response | None:
        """For an address with the right token: the same address without it, and the token as a cookie."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if scope["method"] != "GET" or not any(name == "token" and self._fits(value) for name, value in query):
            return None
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        path = "/" + quote(scope["path"].lstrip("/\\"))  # two slashes would lead to another site
        entered = RedirectResponse(f"{path}?{rest}" if rest else path, 303, {"Cache-Control": "no-store"})
        entered.set_cookie(
            _cookie(scope), str(self._gate.token), max_age=_WEEK, path="/", httponly=True, samesite="strict",
            secure=scope["scheme"] == "https",
        )  # fmt: skip
        return entered

    def _fits(self, shown: str) -> bool:
        return hmac.compare_digest(shown.encode(), str(self._gate.token).encode())

    def _protecting(self, scope: Scope, asked: Headers, send: Send) -> Send:
        if scope["type"] == "websocket":
            return send
        schemes = {"http": "ws", "https": "wss"}
        rules = _RULES.format(socket=f"{schemes.get(scope['scheme'], 'ws')}://{asked.get('host', '')}")

        async def protecting(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", rules)
                for name, value in _HEADERS.items():
                    if not (
                        name == "X-Frame-Options" and "frame-ancestors 'self'" in headers["Content-Security-Policy"]
                    ):
                        headers.setdefault(name, value)
            await send(message)

        return protecting


def _cookie(scope: Scope) -> str:
    """Its name; cookies are shared by all ports of a machine, so it has the port in it."""
    server = scope.get("server")
    return f"convoscope-{server[1] if server else 0}"


def _refusal(scope: Scope, message: str, hint: str) -> Response:
    if scope["path"].startswith("/api"):
        body = json.dumps({"error": "Forbidden", "message": message, "hint": hint}, ensure_ascii=False)
        return Response(body, 403, {"Cache-Control": "no-store"}, media_type="application/json")
    return PlainTextResponse(f"{message}\n{hint}\n", 403, {"Cache-Control": "no-store"})
