"""Judging a network: every image of a split exactly once, over all cores and processes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

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
    weights: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """The model's logits for every image of the feed, in order: float32 (N, K) on the CPU, on every process.

    The images go in fixed batches, dealt out to the processes by turns; each is computed once. `weights` stand in for
    the model's own parameters.
    """
    was_training = model.training
    model.eval()
    batches = [torch.arange(first, min(first + _BATCH, len(feed))) for first in range(0, len(feed), _BATCH)]

    def forward(batch: Tensor) -> Tensor:
        with torch.inference_mode(), machine.autocast(plan.precision):
            x, _ = feed.batch(batch, 0)
            y: Tensor = model(x) if weights is None else functional_call(model, dict(weights), (x,))
            return y.float().cpu()

    own = list(range(machine.rank, len(batches), machine.n_processes))
    parts = crew.map(forward, [batches[i] for i in own]) if own else []
    model.train(was_training)
    if machine.n_processes == 1:
        return torch.cat(parts)
    # Each process fills in its own rows of one table of zeros; the sum over processes is the whole table.
    (n_classes,) = machine.sum_numbers((parts[0].shape[1] if machine.rank == 0 else 0,))
    table = torch.zeros(len(feed), int(n_classes), device=machine.device)
    for i, part in zip(own, parts, strict=True):
        table[batches[i].to(machine.device)] = part.to(machine.device)
    return machine.sum_tensors([table])[0].cpu()


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
    weights: Mapping[str, Tensor] | None = None,
) -> Evaluation:
    """The model's answers on a split, with the recipe's loss for each image."""
    logits = logits_of(model, feed, machine, plan, crew, weights=weights)
    labels = feed.labels.cpu()
    losses = LOSSES[recipe.loss](logits, labels, recipe.label_smoothing)
    return Evaluation(
        split=split,
        class_names=class_names,
        labels=labels.numpy().astype(np.int64),
        probabilities=logits.softmax(1).numpy(),
        losses=losses.numpy(),
    )
