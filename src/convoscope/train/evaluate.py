"""Judging a network: every image of a split exactly once, in one view or several, over all cores and processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from convoscope.train.device import Machine
from convoscope.train.feed import Feed
from convoscope.train.gradient import Plan, Workers
from convoscope.train.losses import LOSSES
from convoscope.train.metrics import Evaluation
from convoscope.train.recipe import Recipe

_BATCH = 500


def logits_of(
    model: nn.Module,
    feed: Feed,
    machine: Machine,
    plan: Plan,
    crew: Workers,
    *,
    tta: str = "none",
    weights: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """The model's logits for every image of the feed, in order: float32 (N, K) on the CPU, on every process.

    The images go in fixed batches, dealt out to the processes by turns; each is computed once in each of its views,
    whose logits are averaged (`tta`, as the recipe's knob). `weights` stand in for the model's own parameters.
    """
    was_training = model.training
    model.eval()
    batches = list(torch.split(torch.arange(len(feed)), feed.at_once(_BATCH))) if len(feed) else []

    def forward(batch: Tensor) -> Tensor:
        with torch.inference_mode(), machine.autocast(plan.precision):
            images, _ = feed.batch(batch, 0)
            total: Tensor | None = None
            for x, share in views(images, tta):
                y: Tensor = model(x) if weights is None else functional_call(model, dict(weights), (x,))
                part = y.float() if share == 1 else y.float() * share
                total = part if total is None else total + part
            assert total is not None
            return total.cpu()

    own = batches[machine.rank :: machine.n_processes]
    rows = crew.joined(forward, own) if own else None
    model.train(was_training)
    if machine.n_processes == 1:
        return torch.empty(0) if rows is None else rows
    # Each process fills in its own rows of one table of zeros; the sum over processes is the whole table.
    (n_classes,) = machine.sum_numbers((rows.shape[1] if rows is not None and machine.rank == 0 else 0,))
    table = torch.zeros(len(feed), int(n_classes), device=machine.device)
    if rows is not None:
        table[torch.cat(own).to(machine.device)] = rows.to(machine.device)
    return machine.sum_tensors([table])[0].cpu()


def views(x: Tensor, tta: str) -> Iterator[tuple[Tensor, float]]:
    """The inputs (N, C, H, W) as each view has them, in the same memory format, and what its logits count.

    "none" is the images themselves; "mirror" these and their mirror images; "mirror-shift" these for half of the whole,
    and for the other half the same moved by one pixel up and left, or down and right, the edges mirrored inwards
    (Jordan 2024, section 3.5). Images with a side of one pixel have nothing to mirror inwards: they are not moved.
    """
    if tta == "none":
        yield x, 1.0
        return
    moved = tta == "mirror-shift" and min(x.shape[-2:]) > 1
    share = 0.25 if moved else 0.5
    yield x, share
    yield x.flip(-1), share
    if not moved:
        return
    H, W = x.shape[-2:]
    wider = F.pad(x, (1, 1, 1, 1), mode="reflect")
    order = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    for first in (0, 2):
        view = wider[..., first : first + H, first : first + W].contiguous(memory_format=order)
        yield view, 0.125
        yield view.flip(-1), 0.125


def evaluate(
    model: nn.Module,
    feed: Feed,
    recipe: Recipe,
    machine: Machine,
    plan: Plan,
    crew: Workers,
    *,
    class_names: tuple[str, ...],
    split: str,
    tta: str | None = None,
    weights: Mapping[str, Tensor] | None = None,
) -> Evaluation:
    """The model's answers on a split, with the recipe's loss for each image; `tta` where it is not the recipe's."""
    tta = recipe.tta if tta is None else tta
    logits = logits_of(model, feed, machine, plan, crew, tta=tta, weights=weights)
    labels = feed.labels.cpu()
    losses = LOSSES[recipe.loss](logits, labels, recipe.label_smoothing)
    return Evaluation(
        split=split,
        class_names=class_names,
        labels=labels.numpy().astype(np.int64),
        probabilities=logits.softmax(1).numpy(),
        losses=losses.numpy(),
        logits=logits.numpy(),
    )
