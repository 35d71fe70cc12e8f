"""The page as it was built: read once into memory, with its compressed copies, and handed out by name."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

BUILT = Path(__file__).with_name("page")
_FOR_EVER = "public, max-age=31536000, immutable"  # names of assets have a hash of what is in them
_COPIES = {"br": ".br", "gzip": ".gz"}  # the smaller first
_TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml", ".webmanifest": "application/json"}
_NOT_BUILT = (
    "The page of Convoscope has not been built on this machine.\n\n"
    "With Node 20 or newer: npm --prefix web ci && npm --prefix web run build\n"
    "The command line works without it: convoscope --help\n"
)


@dataclass(frozen=True)
class Asset:
    """One file of the page, and its compressed copies by encoding."""

    content: bytes
    copies: dict[str, bytes]
    media_type: str
    tag: str
    is_hashed: bool


class Page:
    """Answers with the page's files, and with the page itself at every other address: it reads the address.

    Names are looked up among the files that were built; no path is ever made from one.
    """

    def __init__(self, folder: Path = BUILT) -> None:
        self._folder, self._built, self._assets = folder, 0, dict[str, Asset]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        await self._answer(scope["method"], scope["path"], Headers(scope=scope))(scope, receive, send)

    def _answer(self, method: str, path: str, asked: Headers) -> Response:
        if method not in {"GET", "HEAD"}:
            return PlainTextResponse("The page is read, not written.\n", 405, {"Allow": "GET, HEAD"})
        asset = self._find(path)
        if asset is None:
            if path.startswith("/assets/") and self._assets:
                return PlainTextResponse("There is no such file.\n", 404, {"Cache-Control": "no-store"})
            return PlainTextResponse(_NOT_BUILT, 404, {"Cache-Control": "no-store"})
        headers = {"ETag": asset.tag, "Vary": "Accept-Encoding"}
        headers["Cache-Control"] = _FOR_EVER if asset.is_hashed else "no-cache"
        if asset.tag in asked.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content, taken = asset.content, asked.get("accept-encoding", "")
        for encoding, copy in asset.copies.items():
            if encoding in taken:
                content, headers["Content-Encoding"] = copy, encoding
                break
        headers["Content-Length"] = str(len(content))
        return Response(content if method == "GET" else b"", headers=headers, media_type=asset.media_type)

    def _find(self, path: str) -> Asset | None:
        """The file of that name; the page itself where there is none, and none for an asset of another build."""
        try:
            built = (self._folder / "index.html").stat().st_mtime_ns
        except OSError:
            built = 0
        if built != self._built:  # built anew while we serve
            self._built, self._assets = built, _read(self._folder) if built else {}
        if path.startswith("/assets/"):
            return self._assets.get(path)
        return self._assets.get(path) or self._assets.get("/index.html")


def _read(folder: Path) -> dict[str, Asset]:
    """Every file of the page by the path of its address."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.suffix in _COPIES.values():
            continue
        content = file.read_bytes()
        beside = {encoding: file.with_name(file.name + ending) for encoding, ending in _COPIES.items()}
        copies = {encoding: copy.read_bytes() for encoding, copy in beside.items() if copy.is_file()}
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        path = "/" + file.relative_to(folder).as_posix()
        tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
        found[path] = Asset(content, copies, kind, tag, path.startswith("/assets/"))
    return found
