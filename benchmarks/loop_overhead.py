"""What the training loop costs over bare arithmetic, and what recording costs on top.

    python benchmarks/loop_overhead.py [--rounds 9]

LeNet-5 on MNIST, the default recipe. Bare: forward, backward and the optimiser's step on the very batches of the epoch,
already gathered, normalised and in memory, cut into the same shards. Loop: `train`, which gathers and normalises, takes
loss and accuracy and yields an event a step, with nothing kept. Recorded: the same with every event logged, snapshots
saved and synced, and per-layer statistics. Rounds take turns; each ratio is of neighbouring runs.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from convoscope import lab
from convoscope.data import Splits
from convoscope.lab.ready import Ready, prepare
from convoscope.runs import store
from convoscope.train.calibrate import make_plan
from convoscope.train.events import EpochEnded, Step
from convoscope.train.feed import Feed, Lesson
from convoscope.train.gradient import BatchGradient, Plan, workers
from convoscope.train.loop import train
from convoscope.train.optim import make_optimiser
from convoscope.train.recipe import Recipe
from convoscope.train.schedules import lr_at
from measure import spread


def bare(ready: Ready, recipe: Recipe, plan: Plan) -> float:
    """Seconds of forward, backward and step on batches that are there."""
    feed = Feed(ready.opened.splits.train, ready.normalisation, ready.machine.device, seed=recipe.seed)
    _, batch_size = recipe.counts()
    order = feed.order(0)
    made = [feed.batch(order[first : first + batch_size], 0) for first in range(0, len(order), batch_size)]
    model = copy.deepcopy(ready.model)
    optimiser = make_optimiser(model, recipe)
    model.train()
    with workers(plan) as crew:
        batches = [_Made(x, labels) for x, labels in made]
        gradient = BatchGradient(model, recipe, ready.machine, plan, crew)
        begin = time.perf_counter()
        for step, batch in enumerate(batches):
            gradient(batch, torch.arange(len(batch.labels)), 0)  # type: ignore[arg-type]
            optimiser.step(lr_at(step, len(batches), recipe))
        return time.perf_counter() - begin


class _Made:
    """A batch that is there already: handing out a shard of it is a view."""

    def __init__(self, x: torch.Tensor, labels: torch.Tensor) -> None:
        self.x, self.labels = x, labels

    def lesson(self, index: torch.Tensor, epoch: int) -> Lesson:  # noqa: ARG002
        own = slice(int(index[0]), int(index[-1]) + 1)
        return Lesson(self.x[own], self.labels[own], ((self.labels[own], None),), None)


def loop(ready: Ready, recipe: Recipe, plan: Plan, *, keep: bool) -> float:
    """Seconds of one epoch of `train`, to its last step, with its events recorded or let go."""
    ready = dataclasses.replace(ready, model=copy.deepcopy(ready.model))
    part = ready.opened.splits.train
    splits = Splits(part, part.take(np.empty(0, np.int64)), None)
    events = train(ready.model, splits, ready.normalisation, recipe, ready.machine, plan)
    folder = Path(tempfile.mkdtemp())
    writer = None
    if keep:
        writer = store.Writer(store.create(folder, "bench", recipe, {}))
        events = writer.record(events)
    begin = time.perf_counter()
    for event in events:
        if isinstance(event, Step | EpochEnded):
            last = time.perf_counter()
    seconds = (time.perf_counter() if keep else last) - begin
    if writer is not None:
        writer.close()
    shutil.rmtree(folder)
    return seconds


def main(rounds: int) -> None:
    ready = prepare(lab.make_recipe({"epochs": 1}))
    feed = Feed(ready.opened.splits.train, ready.normalisation, ready.machine.device)
    plan = make_plan(ready.model, feed, ready.recipe, ready.machine)
    recorded = ready.recipe
    let_go = dataclasses.replace(recorded, snapshots=0, statistics_every=0)
    over_bare, over_loop = [], []
    for turn in range(rounds + 1):
        seconds = (
            bare(ready, let_go, plan),
            loop(ready, let_go, plan, keep=False),
            loop(ready, recorded, plan, keep=True),
        )
        if turn:  # the first warms up
            over_bare.append(100 * (seconds[1] / seconds[0] - 1))
            over_loop.append(100 * (seconds[2] / seconds[1] - 1))
    print(f"layout: {plan}")
    print(f"the loop over bare forward, backward, step: {spread(over_bare, '+.1f')} %")
    print(f"recording snapshots and statistics over the loop: {spread(over_loop, '+.1f')} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    main(**vars(parser.parse_args()))
