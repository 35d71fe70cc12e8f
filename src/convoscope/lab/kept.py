"""The decoded images that are kept in the cache: what there is, removing it, and how much there may be."""

from __future__ import annotations

from typing import Any

from convoscope.data import room
from convoscope.data.kept import images_folder


def list_kept() -> dict[str, Any]:
    """What is kept, the most recently used first, where, and how much there may be.

    Returns:
        `folder`; `bytes`, `limit` and `free`, all in bytes; and `images`: of each set its name, source, number of
        images, shape (channels, height, width), bytes, and when it was last used (seconds since 1970).

    Raises:
        DataError: the variable CONVOSCOPE_CACHE_BYTES is no number of bytes.
    """
    kept = room.list_kept()
    return {
        "folder": str(images_folder()),
        "bytes": sum(one.n_bytes for one in kept),
        "limit": room.limit_bytes(),
        "free": room.free_on_disk(),
        "images": [one.to_dict() for one in kept],
    }


def clear_kept(name: str | None = None) -> list[str]:
    """Removes decoded images, all or those of one name (its beginning will do); the names that went.

    Raises:
        UnknownName: nothing, or more than one thing, is kept under that name.
    """
    return room.clear(name)


def limit_kept(n_bytes: str) -> int:
    """Keeps at most so much from now on ("5GB"), and removes what is over it; gives the bytes.

    Raises:
        DataError: it is no number of bytes.
        StorageError: the cache cannot be written.
    """
    return room.set_limit(n_bytes)
