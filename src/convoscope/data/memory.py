"""How much memory the machine has, and how much of it is free: where decoded images lie is decided by it."""

from __future__ import annotations

import os
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")  # of this process, as a container sees it


def memory_bytes() -> int:
    """The machine's memory in bytes; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def free_bytes() -> int:
    """Bytes of memory that this process may still fill without pushing anything out; 0 where the system does not tell.

    Linux tells what is available with its caches given back, and a container's limit counts where it is lower.
    Elsewhere half of the machine's memory stands for what is free.
    """
    available = _field(Path("/proc/meminfo"), "MemAvailable:") * 1024 or memory_bytes() // 2
    limit, used = _number(_GROUP / "memory.max"), _number(_GROUP / "memory.current")
    if limit and used:
        available = min(available, max(0, limit - used + _field(_GROUP / "memory.stat", "inactive_file")))
    return available


def processes_here() -> int:
    """How many processes of one training share this machine's memory, as the program that started them says."""
    given = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return max(1, int(given)) if given.isdecimal() else 1


def _number(path: Path) -> int:
    """The number in a file; 0 for none."""
    try:
        text = path.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0


def _field(path: Path, name: str) -> int:
    """The number behind a name in a file of lines; 0 for none."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    words = next((line.split() for line in lines if line.split()[:1] == [name]), [])
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0
