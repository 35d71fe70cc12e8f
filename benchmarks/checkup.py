"""The check-up of 10,000 photos beside bare parallel decoding: how fast, and whether its memory stays where it was.

Bare decoding is what any program must do at least: `Image.open(path).load()` of every file by as many threads. The
check-up reads every file once more than that only in words: it hashes it, holds it to be whole, notes its size, mode
and orientation, and makes the small copy that tells doubles; of a JPEG it leaves out the arithmetic of full size, and
reads every bit. Rounds are taken in turn. Without --data, photos are drawn: gradients, blobs and grain, 320 x 240.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image

from convoscope.data.reading import n_workers
from measure import spread

_CHILD = """
import json, resource, sys, time
from convoscope.lab import check_data
started = time.perf_counter()
facts = check_data(sys.argv[1], broken="quarantine")
seconds = time.perf_counter() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "n": facts["n_images"], "doubles": len(facts["doubles"]), "memory": memory}))
"""


def draw_photos(folder: Path, n: int) -> None:
    """Photos of a kind, in two classes; every one another."""
    y, x = np.mgrid[0:240, 0:320] / 240
    for i in range(n):
        generator = np.random.default_rng(i)
        picture = np.full((240, 320, 3), generator.uniform(60, 190, 3))
        for _ in range(6):
            cx, cy, size = generator.uniform(0, 1.3), generator.uniform(0, 1), generator.uniform(0.004, 0.1)
            picture += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / size)[..., None] * generator.uniform(-140, 140, 3)
        picture += generator.normal(0, 8, picture.shape)
        path = folder / f"class {i % 2}" / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=88)


def link_photos(folder: Path, source: Path, n: int) -> None:
    """The photos of another folder, `n` of them; beyond their number, parts of them, each cut out somewhere else."""
    photos = sorted(path for path in source.rglob("*") if path.suffix.casefold() in (".jpg", ".jpeg", ".png"))
    if not photos:
        sys.exit(f"{source} has no photos.")
    for i, photo in enumerate(islice(cycle(photos), n)):
        path = folder / f"class {i % 2}" / f"{i}{photo.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if i < len(photos):
            path.write_bytes(photo.read_bytes())
            continue
        generator = np.random.default_rng(i)
        with Image.open(photo) as image:
            width, height = (int(side * generator.uniform(0.75, 0.95)) for side in image.size)
            left, top = int(generator.integers(image.width - width)), int(generator.integers(image.height - height))
            part = image.convert("RGB").crop((left, top, left + width, top + height))
            part.save(path.with_suffix(".jpg"), quality=90)


def bare(paths: list[Path]) -> float:
    """Seconds that decoding every file takes, and nothing else."""

    def load(path: Path) -> None:
        with Image.open(path) as image:
            image.load()

    started = time.perf_counter()
    with ThreadPoolExecutor(n_workers()) as pool:
        for _ in pool.map(load, paths):
            pass
    return time.perf_counter() - started


def checked(folder: Path) -> dict[str, float]:
    """What a check-up in a process of its own says: its seconds without the start, and its greatest memory in bytes."""
    answer = subprocess.run([sys.executable, "-c", _CHILD, str(folder)], capture_output=True, text=True, check=True)
    document: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return document


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, help="A folder of photos to take; each may be taken several times.")
    words.add_argument("--n", type=int, default=10_000, help="How many photos.")
    words.add_argument("--rounds", type=int, default=5)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        link_photos(folder, asked.data, asked.n) if asked.data else draw_photos(folder, asked.n)
        paths = sorted(folder.rglob("*.*"))
        ratios, speeds, memory = [], [], 0.0
        for _ in range(asked.rounds):
            alone = bare(paths)
            told = checked(folder)
            ratios.append(alone / told["seconds"])
            speeds.append(told["n"] / told["seconds"])
            memory = max(memory, told["memory"])
    print(f"{asked.n:,} photos, {n_workers()} threads on {os.cpu_count()} cores")
    print(f"speed of the check-up / of bare parallel decoding: {spread(ratios)}")
    print(f"files checked a second: {spread(speeds, '.0f')}; greatest memory: {memory / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
