"""Throughput of training the networks for photographs, against a plain PyTorch loop over the same network.

    python benchmarks/zoo_speed.py [--rounds 3] [--models alexnet,vgg16,resnet18,resnet50]

The paper's input and classes, small batches of random images. Ours is `train` with the model's usual recipe, from
uint8 images in memory to the event after each step, laid out as `make_plan` measures it at the start; nothing is kept
on the disk. The peer is zero_grad, forward, loss, backward and SGD with momentum on float batches already in memory, in
a process with torch's own settings: once at the precision and memory format that ours chose, once as torch has it by
default, float32 and contiguous. Every run is a process of its own, and the three take turns; each ratio is of
neighbouring runs. Both sides leave their first two steps out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from measure import script, spread

BATCHES = {"alexnet": (32, 12), "vgg16": (8, 3), "resnet18": (16, 8), "resnet50": (8, 6)}  # images, steps that count
_WARM_UP = 2


def ours(name: str, batch_size: int, n_steps: int) -> None:
    """Prints the images per second of `train`, and the plan."""
    import numpy as np
    import torch

    from convoscope import lab
    from convoscope.data import Dataset, Splits
    from convoscope.data.normalise import Normalisation
    from convoscope.models import MODELS, build
    from convoscope.train.calibrate import make_plan
    from convoscope.train.device import Machine
    from convoscope.train.events import Step
    from convoscope.train.feed import Feed
    from convoscope.train.loop import train

    (C, H, W), n_classes = MODELS[name].native  # type: ignore[misc]
    random = np.random.default_rng(0)
    n = batch_size * (n_steps + _WARM_UP)
    images = random.integers(0, 256, (n, C, H, W), dtype=np.uint8)
    part = Dataset(images, random.integers(0, n_classes, n), tuple(map(str, range(n_classes))), "noise")
    splits = Splits(part, part.take(np.empty(0, np.int64)), None)
    recipe = lab.make_recipe({"model": name, "epochs": 1, "batch_size": batch_size, "device": "cpu"})
    torch.manual_seed(0)
    model, machine = build(name, (C, H, W), n_classes), Machine("cpu")
    normalisation = Normalisation.fit(recipe.normalise, part.images)
    plan = make_plan(model, Feed(part, normalisation, machine.device), recipe, machine)
    if plan.memory_format == "channels-last":
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    begin = last = 0.0
    for event in train(model, splits, normalisation, recipe, machine, plan):
        if isinstance(event, Step):
            last = time.perf_counter()
            begin = last if event.step == _WARM_UP else begin
    print(json.dumps({"images_per_second": n_steps * batch_size / (last - begin), "plan": vars(plan)}))


def main(rounds: int, models: str) -> None:
    """Prints a line for each model."""
    peer = Path(__file__).parent / "peers" / "plain_zoo.py"
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CONVOSCOPE_CACHE"] = cache  # the layout is measured here and now, and kept for the rounds
        for name in models.split(","):
            batch_size, n_steps = BATCHES[name]
            words = (name, str(batch_size), str(n_steps))
            plan = script(Path(__file__), "--ours", *words)["plan"]
            same, default = [], []
            for _ in range(rounds):
                own = script(Path(__file__), "--ours", *words)["images_per_second"]
                plain = script(peer, *words, plan["precision"], plan["memory_format"])["images_per_second"]
                simple = script(peer, *words, "float32", "contiguous")["images_per_second"]
                same.append(own / plain)
                default.append(own / simple)
            print(f"{name}, batches of {batch_size}, {', '.join(f'{key} {value}' for key, value in plan.items())}")
            print(f"  ours / a plain loop at the same precision and memory format: {spread(same)}")
            print(f"  ours / a plain loop in float32: {spread(default)}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ours"]:
        ours(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--models", default=",".join(BATCHES))
        main(**vars(parser.parse_args()))
