"""Files read for decoding: their stamps and hashes, their headers, and work on many of them side by side, in order."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from convoscope.data.image import DecodeError, ImageHeader, quiet_pillow, read_header
from convoscope.data.item import Item
from convoscope.data.kept import images_folder
from convoscope.data.ledger import Ledger, Seen, stamp_of

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 1 << 26  # bytes of a file that are read whole; a longer one is decoded from the disk
_HEADERS_AT_ONCE = 4096


def read_item(item: Item) -> tuple[Seen, bytes | Path]:
    """An item's hash, and its bytes or, of a long file, its path; DecodeError where it cannot be read."""
    at = time.time_ns()
    stamp = stamp_of(item)
    try:
        if item.offset < 0 and stamp.n_bytes > _AT_ONCE:
            with item.path.open("rb") as stream:
                return Seen(item, stamp, at, "digest", hashlib.file_digest(stream, "sha256").digest()), item.path
        content = item.read()
    except OSError as error:
        raise DecodeError(f"it cannot be read ({error.strerror or error})") from error
    except MemoryError as error:
        raise DecodeError("it does not fit in memory") from error
    return Seen(item, stamp, at, "digest", hashlib.sha256(content).digest()), content


def read_headers(items: Sequence[Item]) -> Iterator[ImageHeader | DecodeError]:
    """What each item says of itself before its pixels are decoded, or why it says nothing; in order, in parallel.

    Files that have not changed since they were last asked are not opened.
    """
    with contextlib.suppress(OSError):
        images_folder().mkdir(parents=True, exist_ok=True)
    with Ledger(images_folder()) as ledger, quiet_pillow():
        for first in range(0, len(items), _HEADERS_AT_ONCE):
            some = items[first : first + _HEADERS_AT_ONCE]
            known = [_known_header(item, ledger) for item in some]
            unknown = [item for item, header in zip(some, known, strict=True) if header is None]
            read = in_order(_header, unknown, 64)
            for header in known:
                found, seen = (header, None) if header is not None else next(read)
                if seen is not None:
                    ledger.remember(seen)
                yield found


def _known_header(item: Item, ledger: Ledger) -> ImageHeader | DecodeError | None:
    """What is remembered of an item's header, or why there can be none; None where it must be read."""
    try:
        value = ledger.known(item, stamp_of(item), "header")
    except DecodeError as problem:
        return problem
    if value is None:
        return None
    grey, height, width = map(int, value.split())
    return ImageHeader(bool(grey), height, width)


def _header(item: Item) -> tuple[ImageHeader | DecodeError, Seen | None]:
    """An item's header, and the note of it for the ledger."""
    at = time.time_ns()
    try:
        stamp = stamp_of(item)
        found = read_header(item.path if item.offset < 0 else item.read())
    except DecodeError as problem:
        return problem, None
    except OSError as error:
        return DecodeError(f"it cannot be read ({error.strerror or error})"), None
    value = b"%d %d %d" % (found.grey, found.height, found.width)
    return found, Seen(item, stamp, at, "header", value)


def n_workers() -> int:
    """How many threads decode."""
    return min(8, os.cpu_count() or 1)


def in_order(work: Callable[[T], R], pieces: Iterable[T], ahead: int) -> Iterator[R]:
    """`work` of every piece, in order, by several threads; only so many results at a time are there unasked."""
    with ThreadPoolExecutor(n_workers()) as pool:
        waiting: deque[Future[R]] = deque()
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
