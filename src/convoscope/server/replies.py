"""Replies: records as JSON, packs as they are, with what a browser may keep of them and for how long."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from convoscope.lab.screen.pack import MEDIA_TYPE, plain

JSON = "application/json"
FOR_EVER = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"  # kept, and asked for with its ETag each time
_WORTH_BYTES = 1024  # below it the headers outweigh the gain
_LEVEL = 4  # of gzip: three quarters of what level 9 saves, for a fifth of its time
# How pydantic writes what JSON cannot; the records' own words are repr's: "nan", "inf", "-inf".
_NOT_FINITE = (b'"NaN"', b'"Infinity"', b'"-Infinity"')


def as_json(value: Any) -> bytes:  # noqa: ANN401 - any record, or list of records
    """A record, or a list of them, as JSON in UTF-8; numbers that are not finite as texts."""
    content = to_json(value, inf_nan_mode="strings")
    if any(word in content for word in _NOT_FINITE):
        many = value if isinstance(value, list) else [value]
        parts = [plain(dataclasses.asdict(part) if dataclasses.is_dataclass(part) else part) for part in many]  # type: ignore[arg-type]
        content = json.dumps(parts if isinstance(value, list) else parts[0], ensure_ascii=False).encode()
    return content


def reply(content: bytes, asked: Mapping[str, str], *, media_type: str = JSON, for_ever: bool = False) -> Response:
    """The content, or 304 where the browser has it; JSON of more than a kilobyte compressed where it is taken.

    Packs are sent as they are: they are quantised noise for the most part, and the reader is on this machine.

    Args:
        content: The body.
        asked: The request's headers.
        media_type: Of the body.
        for_ever: Whether the address will never give another body.
    """
    squeezes = media_type == JSON and len(content) > _WORTH_BYTES and "gzip" in asked.get("accept-encoding", "")
    tag = f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}{"-gz" if squeezes else ""}"'
    headers = {"ETag": tag, "Cache-Control": FOR_EVER if for_ever else ASK_AGAIN, "Vary": "Accept-Encoding"}
    if tag in asked.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if squeezes:
        content, headers["Content-Encoding"] = gzip.compress(content, _LEVEL, mtime=0), "gzip"
    return Response(content, headers=headers, media_type=media_type)


__all__ = ["ASK_AGAIN", "FOR_EVER", "JSON", "MEDIA_TYPE", "as_json", "reply"]
