"""What each way of changing training images costs, against training without it.

    python benchmarks/augmentation.py [--rounds 9] [--side 32] [--batch 256]

The plain feed gathers a batch of uint8 colour images and normalises it; each line is the time of a batch with one knob
on over that of the plain feed beside it, on one thread, and the images a second that one thread then delivers. The last
column is what the knob adds to a training step of ResNet-20 (forward and backward of the same batch, float32, the same
thread), as a share of it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from convoscope.data import Dataset, Normalisation
from convoscope.models import build
from convoscope.train.feed import Feed, training_feed
from convoscope.train.recipe import Recipe
from measure import spread

KNOBS: dict[str, dict[str, Any]] = {
    "flip": {"flip": True},
    "flip, alternate": {"flip": True, "alternate": True},
    "shift 0.1, black": {"shift": 0.1},
    "shift 0.1, reflect": {"shift": 0.1, "border": "reflect"},
    "rotate 15": {"rotate": 15.0},
    "rotate 15, reflect": {"rotate": 15.0, "border": "reflect"},
    "crop 0.5, aspect 4/3": {"crop": 0.5, "aspect": 4 / 3},
    "brightness 0.2": {"brightness": 0.2},
    "contrast 0.2": {"contrast": 0.2},
    "saturation 0.2": {"saturation": 0.2},
    "all four of colour": {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 20.0},
    "mask 0.1": {"mask": 0.1},
    "mixup 0.2": {"mixup": 0.2},
    "cutmix 1": {"cutmix": 1.0},
    "mixup and cutmix": {"mixup": 0.2, "cutmix": 1.0},
    "all": {
        "flip": True, "shift": 0.1, "rotate": 15.0, "crop": 0.5, "aspect": 4 / 3, "brightness": 0.2, "contrast": 0.2,
        "saturation": 0.2, "hue": 20.0, "mask": 0.1, "mixup": 0.2, "cutmix": 1.0,
    },
}  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    """Of this thread's own time: what a busy neighbour takes is not counted."""
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def step_seconds(feed: Feed, n: int) -> float:
    """One forward and backward of ResNet-20 on a batch, the least of three."""
    model = build("resnet20", (3, *feed.batch(torch.arange(1), 0)[0].shape[2:]), 10)
    x, labels = feed.batch(torch.arange(n), 0)

    def step() -> None:
        loss = torch.nn.functional.cross_entropy(model(x), labels)
        torch.autograd.grad(loss, list(model.parameters()))

    return min(seconds(step) for _ in range(3))


def main() -> None:
    """Prints a line a knob."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--batch", type=int, default=256)
    given = parser.parse_args()
    torch.set_num_threads(1)
    numbers = np.random.default_rng(0)
    images = numbers.integers(0, 256, (4 * given.batch, 3, given.side, given.side), np.uint8)
    part = Dataset(images, numbers.integers(0, 10, len(images)), tuple("abcdefghij"), "noise")
    normalisation = Normalisation.fit("z-score", part.images)

    def feed_of(**knobs: Any) -> Feed:  # noqa: ANN401
        return training_feed(
            part, normalisation, Recipe(epochs=1, batch_size=given.batch, **knobs), torch.device("cpu")
        )

    plain = feed_of()
    step = step_seconds(plain, given.batch)
    print(f"{given.batch} images of {given.side} x {given.side}; one thread; time / the plain feed's")
    for name, knobs in KNOBS.items():
        feed, ratios, times, more = feed_of(**knobs), [], [], []
        for turn in range(1 + given.rounds):
            index = feed.order(turn)[: given.batch]
            with_it = seconds(lambda feed=feed, index=index, turn=turn: feed.lesson(index, turn))  # type: ignore[misc]
            without = seconds(lambda index=index, turn=turn: plain.lesson(index, turn))  # type: ignore[misc]
            if turn:
                ratios.append(with_it / without)
                times.append(with_it)
                more.append((with_it - without) / step)
        speed = given.batch / statistics.median(times)
        print(f"{name:22s} {spread(ratios)}   {speed:10,.0f} images/s   {statistics.median(more):6.1%} of a step")


if __name__ == "__main__":
    main()
