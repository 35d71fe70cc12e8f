"""The process's heap: kept warm within a phase of the work, given back between phases."""

from __future__ import annotations

import subprocess
import sys

import pytest

_CHILD = """
import numpy as np
from pathlib import Path
from convoscope.process import give_back, keep_heap

def resident():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1000

keep_heap()
before = resident()
held = [np.ones(1 << 17) for _ in range(200)]  # of a megabyte each
del held
kept = resident()
assert give_back()
print(kept - before, resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the heap of glibc")
def test_the_heap_is_kept_until_it_is_given_back() -> None:
    answer = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, text=True, check=True)
    kept, left = map(int, answer.stdout.split())
    assert kept > 150
    assert left < 50
