"""Settings of the process that must stand before torch is imported, and the allocator's.

torch's OpenMP threads spin while they wait. When another process is busy, a spinning thread holds the core that the
thread it waits for needs, and training falls to a few hundredths of its speed. A short spin and then sleep keeps most
of the quiet speed and loses little of the busy one. The variables are read once, when torch loads its OpenMP, so they
are set when `convoscope` is imported; whatever the user has set stands.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path

# glibc's mallopt parameters (malloc.h): by default every tensor above 128 kB is a fresh mmap, zeroed page by page by
# the kernel, and unmapped when freed. Keeping the heap makes those pages warm memory.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MEBIBYTE = 1 << 20


def prepare() -> None:
    """Sets the OpenMP wait policy (where torch is not loaded yet) and tells glibc to keep its heap."""
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    keep_heap()


def keep_heap() -> bool:
    """Tells glibc to serve large blocks from a heap that is kept; returns False where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    # A layer's values for some hundred images pass 32 MB; older glibc takes no more than that.
    settings = ((_M_MMAP_THRESHOLD, (256, 32)), (_M_TRIM_THRESHOLD, (1024,)), (_M_TOP_PAD, (64,)))
    return all(any(mallopt(parameter, size * _MEBIBYTE) == 1 for size in sizes) for parameter, sizes in settings)


def give_back() -> bool:
    """Gives what lies free in the heap back to the system; returns False where there is no glibc to ask.

    Kept warm, it is worth its place within a phase of the work (see `keep_heap`). Between phases, such as the reading
    of a long listing and the training on it, the next one has no use for most of it.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is None:
        return False
    trim(0)
    return True


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
