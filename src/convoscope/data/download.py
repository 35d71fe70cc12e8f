"""One file over HTTP: resumed where it stopped, tried again when the line breaks, and named when it cannot be had."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from convoscope.errors import DownloadError, StorageError

Progress = Callable[[int, int], None]
ATTEMPTS = 5  # in a row without one new byte
TIMEOUT = 30.0  # seconds without an answer
FIRST_WAIT = 1.0  # seconds before the second attempt; each further wait is twice the one before
_BLOCK = 1 << 18  # bytes


class _Again(Exception):
    """The line broke, or the server is busy: what is there stays, and another attempt may go on from it."""


def download(url: str, part: Path, *, n_bytes: int, progress: Progress | None = None) -> None:
    """Fetches `url` into `part`, going on from the bytes that are there already.

    Args:
        url: http or https.
        part: The file to fill; it is kept when the download fails, so that the next call goes on.
        n_bytes: The size that is expected; it is what progress counts to until the server tells its own.
        progress: Called with (bytes done, bytes in all).

    Raises:
        DownloadError: The address is neither http nor https, the server refuses, sends far more than expected, or
            breaks off `ATTEMPTS` times in a row without a new byte.
        StorageError: `part` cannot be written.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError(f"{url} is not an http or https address.")
    failures = 0
    while True:
        before = _size(part)
        try:
            return _attempt(url, part, n_bytes, progress)
        except _Again as reason:
            failures = 1 if _size(part) > before else failures + 1
            if failures >= ATTEMPTS:
                raise DownloadError(
                    f"{url} could not be fetched after {ATTEMPTS} attempts: {reason}.",
                    hint="Try again later: what has arrived is kept, and the download goes on from there.",
                ) from reason
            time.sleep(FIRST_WAIT * 2 ** (failures - 1))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def opener() -> urllib.request.OpenerDirector:
    """An opener that knows http, https and proxies and nothing else, so that no redirect leads to a file or to ftp."""
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        made.add_handler(handler)
    return made


def _attempt(url: str, part: Path, n_bytes: int, progress: Progress | None) -> None:
    """One request; returns when the file is whole; raises _Again when another attempt may help."""
    start = _size(part)
    headers = {"User-Agent": "convoscope", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked in `download`
    try:
        with opener().open(request, timeout=TIMEOUT) as response:
            if start and not _continues(response, start):
                start = 0  # the server sends all of it again
            length = response.headers.get("Content-Length", "")
            total = start + int(length) if length.isdecimal() else 0
            if max(total, start) > 2 * n_bytes + _BLOCK:
                raise DownloadError(f"{url} is {total:,} bytes long, and about {n_bytes:,} were expected.")
            _receive(response, part, start, total, n_bytes, progress)
    except urllib.error.HTTPError as error:
        _refused(url, error, part, start)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise _Again(f"{type(error).__name__}, {reason}" if str(reason) else type(error).__name__) from error


def _continues(response: http.client.HTTPResponse, start: int) -> bool:
    """Whether the answer to a Range request begins at byte `start`; servers may ignore the request."""
    given = response.headers.get("Content-Range", "")
    return response.status == http.HTTPStatus.PARTIAL_CONTENT and given.startswith(f"bytes {start}-")


def _refused(url: str, error: urllib.error.HTTPError, part: Path, start: int) -> None:
    """Returns where the file was whole already; else raises what an HTTP error status means."""
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
        if error.headers.get("Content-Range", "") == f"bytes */{start}":
            return
        part.unlink(missing_ok=True)  # longer than the file: it belongs to something else
        raise _Again("the part that was kept does not fit the file") from error
    if error.code >= 500 or error.code in (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS):
        raise _Again(f"the server answers {error.code} {error.reason}") from error
    raise DownloadError(f"{url} could not be fetched: the server answers {error.code} {error.reason}.") from error


def _receive(
    response: http.client.HTTPResponse, part: Path, start: int, total: int, n_bytes: int, progress: Progress | None
) -> None:
    """Writes the answer's body behind the first `start` bytes; `total` is the whole file's size, 0 where unknown."""
    n_done = start
    with _open(part, start) as stream:
        while block := response.read1(_BLOCK):
            n_done += len(block)
            if n_done > 2 * n_bytes + _BLOCK:
                raise DownloadError(f"{response.url} sends {n_done:,} bytes and more; about {n_bytes:,} are right.")
            _write(stream, block, part)
            if progress:
                progress(n_done, max(total or n_bytes, n_done))
    if n_done < total:
        raise _Again(f"the connection ended after {n_done:,} of {total:,} bytes")


def _open(part: Path, start: int) -> BinaryIO:
    try:
        stream = part.open("ab" if start else "wb")
    except OSError as error:
        raise StorageError(f"{part} cannot be written: {error.strerror}.") from error
    return stream


def _write(stream: BinaryIO, block: bytes, part: Path) -> None:
    try:
        stream.write(block)
        stream.flush()
    except OSError as error:
        raise StorageError(
            f"{part} cannot be written: {error.strerror}.",
            hint="Make room, or set CONVOSCOPE_CACHE to a folder that has it; the download goes on from there.",
        ) from error
