"""Locks on open files: the system lets go of them when a process dies, so a killed one leaves nothing to clean up."""

from __future__ import annotations

import os


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Takes a lock on an open file, or changes the one held to this kind; never waits.

    Args:
        descriptor: Of the open file.
        shared: Whether others may hold a shared lock at the same time. Windows knows no such locks, and needs none
            here: what is open cannot be removed there.

    Returns:
        False where another process, or another opening of the file, has a lock that excludes this one.
    """
    try:
        if os.name == "nt":
            import msvcrt

            if not shared:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
