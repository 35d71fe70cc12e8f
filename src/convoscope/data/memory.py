"""How much memory the machine has: data that would not fit are refused before they are read."""

from __future__ import annotations

import os


def memory_bytes() -> int:
    """The machine's memory in bytes; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
