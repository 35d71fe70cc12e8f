"""A file that one process holds: the system gives it back when the process ends, however it ends."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

try:
    import fcntl
except ImportError:  # Windows: two holders are not told apart there
    fcntl = None  # type: ignore[assignment]

_PATIENCE = 10  # tries to take it


def take(path: Path) -> int | None:
    """The handle of the file, now held (close it to let go), or None where another process holds it.

    Raises:
        OSError: the file cannot be made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    for _ in range(_PATIENCE):  # `is_held` holds it too, for the moment that it looks
        if _try(handle, "alone"):
            return handle
        time.sleep(0.02)
    os.close(handle)
    return None


def is_held(path: Path) -> bool:
    """Whether a living process holds the file."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try(handle, "with others")  # two that look at once do not take each other for the holder
    finally:
        os.close(handle)


def _try(handle: int, how: Literal["alone", "with others"]) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if how == "alone" else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
