"""A folder of photographs with no knob turned: its test accuracy, and whether planted faults are found.

    python benchmarks/fruit.py --data DIR [--seeds 3] [--clean]

DIR has train/ and test/ with a folder for each class, such as the photographs of fruit that this was made on. For each
seed a copy of it is spoilt: 20 training images lie in the folder of another class, 30 are in the test part too (every
other one saved again, smaller), and 10 files are broken. The check-up is asked for the duplicates and the broken files;
then the default recipe is trained, and the first 40 of `convoscope suspects` are asked for the wrong labels. knn and
linear see the same pixels. --clean trains on the folder as it is.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from measure import spread

N_FLIPPED, N_DOUBLED, N_BROKEN, N_LISTED = 20, 30, 10, 40
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class Planted:
    """What was spoilt in a copy: names as they stand there, relative to its folder.

    Attributes:
        flipped: The training images in the folder of another class.
        doubled: (in the training part, the same in the test part).
        broken: The files that cannot be decoded.
    """

    flipped: frozenset[str]
    doubled: frozenset[tuple[str, str]]
    broken: frozenset[str]


def plant(folder: Path, seed: int) -> Planted:
    """Spoils a folder with train/ and test/; no image is spoilt twice."""
    draw = random.Random(seed)  # noqa: S311 - for repetition, not for secrets
    classes = sorted(path for path in (folder / "train").iterdir() if path.is_dir())
    photos = sorted(p for c in classes for p in c.iterdir() if p.suffix.casefold() in SUFFIXES)
    chosen = draw.sample(photos, N_FLIPPED + N_DOUBLED + N_BROKEN)
    flipped, doubled, broken = set(), set(), set()
    for path in chosen[:N_FLIPPED]:
        other = draw.choice([c for c in classes if c != path.parent])
        flipped.add(_name(path.rename(other / f"moved-{path.name}"), folder))
    for n, path in enumerate(chosen[N_FLIPPED:-N_BROKEN]):
        copy = folder / "test" / path.parent.name / f"again-{path.name}"
        if n % 2:
            shutil.copyfile(path, copy)
        else:
            with Image.open(path) as image:
                image.convert("RGB").resize((image.width * 3 // 4, image.height * 3 // 4)).save(copy, quality=85)
        doubled.add((_name(path, folder), _name(copy, folder)))
    for n, path in enumerate(chosen[-N_BROKEN:]):
        content = path.read_bytes()
        ways = (b"", b"no image at all\n" * 40, content[: len(content) // 2], content[:100], b"\0" * len(content))
        path.write_bytes(ways[n % len(ways)])
        broken.add(_name(path, folder))
    return Planted(frozenset(flipped), frozenset(doubled), frozenset(broken))


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def told(*words: str) -> tuple[list[dict[str, Any]], float, float]:
    """What a command of ours prints in JSON, its wall seconds and its CPU seconds."""
    before, since = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    answer = subprocess.run([sys.executable, "-m", "convoscope", *words], capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - since, resource.getrusage(resource.RUSAGE_CHILDREN)
    if not answer.stdout.strip():
        raise SystemExit(f"convoscope {' '.join(words)} failed: {answer.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if words[0] == "train":
        return [json.loads(line) for line in answer.stdout.splitlines()], wall, cpu
    return [json.loads(answer.stdout)], wall, cpu


def trained(data: Path, runs: Path, seed: int, *knobs: str) -> dict[str, float]:
    """The default recipe, or what the knobs make of it: test accuracy with its interval, and what it took."""
    words = ("--json", "--broken", "quarantine", "--keep", "epochs", "--seed", str(seed))
    events, wall, cpu = told("train", "--data", str(data), "--runs", str(runs), *words, *knobs)
    card = json.loads((Path(events[-1]["run"]) / "evaluation.json").read_text())
    return {
        "accuracy": card["accuracy"],
        "low": card["accuracy_95_low"],
        "high": card["accuracy_95_high"],
        "training": events[-1]["training_seconds"],
        "wall": wall,
        "cpu": cpu,
    }


def one_seed(data: Path, seed: int, clean: bool) -> dict[str, float]:
    """Everything about one seed, in a copy of the data that is gone after it."""
    with tempfile.TemporaryDirectory() as place:
        folder, runs = Path(place) / "data", Path(place) / "runs"
        shutil.copytree(data, folder)
        planted = None if clean else plant(folder, seed)
        facts = {} if planted is None else checked(folder, planted)
        facts |= trained(folder, runs, seed)
        if planted is not None:
            listed = told("suspects", "latest", "--runs", str(runs), "--top", str(N_LISTED), "--json")[0][0]
            facts["flipped"] = sum(row["name"] in planted.flipped for row in listed["suspects"])
        side = str(json.loads((next(runs.glob("*/data.json"))).read_text())["policy"]["height"])
        for model in ("knn", "linear"):
            facts[model] = trained(folder, runs, seed, "--model", model, "--image-size", side)["accuracy"]
    return facts


def checked(folder: Path, planted: Planted) -> dict[str, float]:
    """How many of the duplicates and broken files the check-up names."""
    facts = told("data", str(folder), "--json")[0][0]
    groups = [{image["name"] for image in double["images"]} for double in facts["doubles"]]
    broken = {row["name"] for row in facts["broken"]}
    return {
        "doubled": sum(any(set(pair) <= group for group in groups) for pair in planted.doubled),
        "broken": len(broken & planted.broken),
        "false alarms": len(broken - planted.broken),
    }


def main(data: Path, seeds: int, clean: bool) -> None:
    found: list[Mapping[str, float]] = []
    for seed in range(seeds):
        found.append(one_seed(data, seed, clean))
        print(f"seed {seed}: {json.dumps(found[-1])}", flush=True)
    for name, form in (("accuracy", ".4f"), ("knn", ".4f"), ("linear", ".4f"), ("wall", ".0f"), ("cpu", ".0f")):
        print(f"{name}: {spread([facts[name] for facts in found], form)}")
    if not clean:
        for name, n in (("flipped", N_FLIPPED), ("doubled", N_DOUBLED), ("broken", N_BROKEN)):
            print(f"{name}: found {spread([facts[name] for facts in found], 'g')} of {n}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--clean", action="store_true", help="plant nothing")
    options = parser.parse_args()
    if options.data is None:
        print("no folder of photographs was given: --data DIR")
    else:
        main(options.data, options.seeds, options.clean)
