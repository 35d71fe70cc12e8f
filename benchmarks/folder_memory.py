"""Resident memory of training on a folder that is mapped and not read into memory: 10,000 images against 100,000.

    python benchmarks/folder_memory.py [--few 10000] [--many 100000] [--rounds 1] [--at FOLDER]

Makes image files of 64 x 64 (JPEG, four classes, each file its own noise), trains LeNet-5 on them for one epoch with
`memory` mapped in a process of its own, as a user does: files listed, decoded into the cache, checked, fingerprinted,
normalised, trained on, validated, tested and reported. Each folder is trained on twice, the second time out of the
cache. Told are the greatest resident memory that the process ever had (VmHWM) and what it has at the end (VmRSS), and
their ratios: many images over few.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from measure import spread

_SIDE = 64
_CLASSES = 4


def make_photos(folder: Path, n: int) -> None:
    """`n` files in class folders: a band of brightness that tells the class, under noise."""
    from PIL import Image

    for label in range(_CLASSES):
        (folder / f"class {label}").mkdir(parents=True)

    def make(i: int) -> None:
        generator, label = np.random.default_rng(i), i % _CLASSES
        values = generator.integers(0, 100, (_SIDE, _SIDE, 3)).astype(np.uint8)
        values[label * _SIDE // _CLASSES : (label + 1) * _SIDE // _CLASSES] += np.uint8(120)
        Image.fromarray(values).save(folder / f"class {label}" / f"{i:06}.jpg", quality=60)

    with ThreadPoolExecutor(2) as pool:
        for first in range(0, n, 4096):
            list(pool.map(make, range(first, min(first + 4096, n))))


def train_here(folder: str, runs: str) -> None:
    """Trains in this process, and prints what it had of memory, in megabytes."""
    from convoscope import lab

    recipe = lab.make_recipe(
        {"data": folder, "model": "lenet5", "epochs": 1, "image_size": _SIDE, "memory": "mapped", "test": 0.1,
         "snapshots": 0, "statistics_every": 0}
    )  # fmt: skip
    before = _memory()
    n_steps = sum(type(event).__name__ == "Step" for event in lab.train(recipe, runs=Path(runs)))
    print(
        json.dumps({"begin": before["VmRSS"], "peak": _memory()["VmHWM"], "end": _memory()["VmRSS"], "steps": n_steps})
    )


def _memory() -> dict[str, float]:
    """Figures of /proc/self/status in megabytes."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) / 1000 for words in lines if words[0].startswith("Vm")}


def measured(folder: Path, cache: Path) -> dict[str, Any]:
    """The figures of one training in a process of its own."""
    command = [sys.executable, __file__, "--here", str(folder)]
    environment = {**os.environ, "CONVOSCOPE_CACHE": str(cache)}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if answer.returncode:
        raise SystemExit(answer.stderr)
    figures: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return figures


def main(few: int, many: int, rounds: int, at: str | None) -> None:
    with tempfile.TemporaryDirectory(dir=at) as place:
        root = Path(place)
        for n in (few, many):
            make_photos(root / str(n), n)
        ratios: dict[tuple[str, str], list[float]] = {}
        for turn in range(rounds):
            for opening in ("decoding", "from the cache"):
                found = {n: measured(root / str(n), root / f"cache {turn}") for n in (few, many)}
                for n, figures in found.items():
                    print(f"{n:,} images, {opening}: {figures}", flush=True)
                for figure in ("peak", "end"):
                    ratios.setdefault((opening, figure), []).append(found[many][figure] / found[few][figure])
    for (opening, figure), values in ratios.items():
        print(f"{figure} resident memory, {opening}, {many:,} images over {few:,}: {spread(values, '.3f')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--at", help="a folder to make the files in; without it the system's own for such")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    given = vars(parser.parse_args())
    here = given.pop("here")
    if here:
        with tempfile.TemporaryDirectory() as folder:
            train_here(here, folder)
    else:
        main(**given)
