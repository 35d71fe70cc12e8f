"""Images a second from a folder: out of our cache against a plain loop over files; and training mapped against memory.

    python benchmarks/folder_speed.py [--data FOLDER] [--size 64] [--rounds 5] [--epochs 3]

Delivered, with no network: the second epoch of our feed (decoded before, shuffled, normalised to float32 batches of
64), its pixels in the cache's file, against a loop over the same files as it stands in many a script: a class that
opens an image with Pillow, makes it RGB, resizes its shorter side, crops the centre, makes a float tensor of 0 to 1 and
normalises it, under torch's DataLoader, shuffled, batches of 64, with 0, 1 and 2 worker processes; its best counts.

Trained: epochs of LeNet-5 on the pixels in the cache's file against the same pixels in memory, same plan, same bits.

Both on the folder given (photographs) and on files made here (2,000 JPEGs of 300 x 300); rounds take turns, and each
ratio is of neighbouring runs.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from convoscope import lab
from convoscope.data import Dataset, Splits
from convoscope.data.listing import list_images
from convoscope.lab.ready import Ready, prepare
from convoscope.train.calibrate import make_plan
from convoscope.train.events import EpochEnded, Step
from convoscope.train.feed import Feed
from convoscope.train.gradient import Plan, workers
from convoscope.train.loop import train
from measure import spread

_BATCH = 64
_MADE, _MADE_SIDE = 2000, 300


class Photos(TorchDataset[tuple[Tensor, int]]):
    """A folder of photographs, decoded whenever one is asked for."""

    def __init__(self, files: list[tuple[Path, int]], size: int, mean: Tensor, deviation: Tensor) -> None:
        self.files, self.size, self.mean, self.deviation = files, size, mean, deviation

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        path, label = self.files[i]
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        scale = self.size / min(image.size)
        width, height = (max(self.size, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        left, top = (width - self.size) // 2, (height - self.size) // 2
        image = image.crop((left, top, left + self.size, top + self.size))
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div_(255)
        return x.sub_(self.mean).div_(self.deviation), label


def a_second(n: int, work: Callable[[], Any]) -> float:
    """How many of `n` images `work` handles a second."""
    begin = time.perf_counter()
    work()
    return n / (time.perf_counter() - begin)


def by_loader(photos: Photos, n_workers: int) -> float:
    """Images a second of one epoch of the plain loop, its processes already running."""
    loader = DataLoader(
        photos, batch_size=_BATCH, shuffle=True, num_workers=n_workers, persistent_workers=n_workers > 0
    )  # fmt: skip
    if n_workers:
        iter(loader)  # starts the processes; they would be there in a second epoch
    return a_second(len(photos), lambda: sum(len(labels) for _, labels in loader))


def by_feed(feed: Feed, epoch: int, plan: Plan) -> float:
    """Images a second of one epoch of ours, each batch cut into shards for threads as in training."""
    batches = torch.split(feed.order(epoch), _BATCH)
    with workers(plan) as crew:
        return a_second(
            len(feed),
            lambda: [crew.map(lambda piece: feed.batch(piece, epoch), b.tensor_split(plan.shards)) for b in batches],
        )


def of_training(ready: Ready, part: Dataset, plan: Plan) -> float:
    """Seconds of `train` from its first step to its last."""
    ready = dataclasses.replace(ready, model=copy.deepcopy(ready.model))
    splits = Splits(part, part.take(np.empty(0, np.int64)), None)
    first = last = 0.0
    for event in train(ready.model, splits, ready.normalisation, ready.recipe, ready.machine, plan):
        if isinstance(event, Step | EpochEnded):
            last = time.perf_counter()
            first = first or last
    return last - first


def make_photos(folder: Path) -> None:
    """Files as a camera might have made them: smooth, with some noise; two classes."""

    def make(i: int) -> None:
        generator = np.random.default_rng(i)
        rough = Image.fromarray(generator.integers(0, 256, (9, 9, 3)).astype(np.uint8))
        smooth = np.asarray(rough.resize((_MADE_SIDE, _MADE_SIDE), Image.Resampling.BICUBIC), np.int16)
        values: NDArray[Any] = np.clip(smooth + generator.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)
        (folder / str(i % 2)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / str(i % 2) / f"{i:05}.jpg", quality=90)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, range(_MADE)))


def measure(name: str, folder: Path, size: int, rounds: int, epochs: int) -> None:
    """Prints the two ratios for a folder."""
    knobs = {"data": str(folder), "model": "lenet5", "image_size": size, "epochs": epochs, "snapshots": 0,
             "statistics_every": 0}  # fmt: skip
    mapped = prepare(lab.make_recipe({**knobs, "memory": "mapped"}))
    part = mapped.opened.splits.train
    assert isinstance(part, Dataset)
    assert not isinstance(part.images, np.ndarray)
    in_memory = dataclasses.replace(part, images=np.asarray(part.images))
    feed = Feed(part, mapped.normalisation, mapped.machine.device)
    chosen = set(part.names)
    files = [(item.path, item.label) for item in list_images(folder).items if item.name in chosen]
    figures = (
        torch.tensor(list(f)).view(3, 1, 1) / 255 for f in (mapped.normalisation.offset, mapped.normalisation.scale)
    )
    photos = Photos(files, size, *figures)
    plan = make_plan(mapped.model, feed, mapped.recipe, mapped.machine)
    delivered: list[float] = []
    trained: list[float] = []
    for turn in range(rounds + 1):
        plain = {n: by_loader(photos, n) for n in (0, 1, 2)}
        ours = by_feed(feed, turn, plan)
        seconds = of_training(mapped, in_memory, plan), of_training(mapped, part, plan)
        if turn:  # the first warms up
            delivered.append(ours / max(plain.values()))
            trained.append(seconds[1] / seconds[0])
    best = max(plain, key=lambda n: plain[n])
    print(
        f"{name}: {len(part):,} images at {size} x {size}; the last round: {ours:,.0f} a second ours, "
        f"{plain[best]:,.0f} theirs with {best} workers"
    )
    print(f"  delivered, second epoch out of the cache / a loop over the files: {spread(delivered, '.1f')}")
    print(f"  training time, pixels in the cache's file / in memory: {spread(trained, '.3f')}", flush=True)


def main(data: str | None, size: int, rounds: int, epochs: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        os.environ["CONVOSCOPE_CACHE"] = f"{place}/cache"
        if data:
            measure(Path(data).name, Path(data), size, rounds, epochs)
        make_photos(Path(place) / "photos")
        measure("made here", Path(place) / "photos", size, rounds, epochs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a folder of photographs")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    main(**vars(parser.parse_args()))
