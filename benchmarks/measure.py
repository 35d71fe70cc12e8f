"""What the benchmarks share: a command's JSON lines, a busy neighbour, and a figure with its n and spread."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MNIST = Path(__file__).parents[1] / "src" / "convoscope" / "data" / "mnist"


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """The median, and the least and greatest of n values."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} (n={len(values)}, {low:{form}} to {high:{form}})"


def train(*options: str) -> list[dict[str, Any]]:
    """The events of one `convoscope train` in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "convoscope", "train", "--json", "--runs", folder, *options]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def script(path: Path, *words: str) -> dict[str, Any]:
    """The one JSON object that a script prints, run in a process of its own."""
    answer = subprocess.run([sys.executable, str(path), *words], capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return document


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """One process beside this one that never rests."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()
