"""The learning-rate range test: the loss of real steps at a rate that rises, and the rate that it suggests.

Smith 2017 (Cyclical Learning Rates, section 3.3); the rules of reading the curve are in common use since fastai.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from convoscope.data.dataset import Splits
from convoscope.data.normalise import Normalisation
from convoscope.train.device import Machine
from convoscope.train.feed import training_feed
from convoscope.train.freeze import freeze, set_learning
from convoscope.train.gradient import BatchGradient, Plan, workers
from convoscope.train.loop import clip_gradient, n_steps_per_epoch, step_seed
from convoscope.train.losses import add_penalties, penalised
from convoscope.train.optim import make_optimiser
from convoscope.train.recipe import USUAL_LR, Recipe

LOWEST, HIGHEST = 1e-5, 1e3  # times the optimiser's usual rate: where the test begins and ends unless told otherwise
N_STEPS = 100
_DIVERGED = 4.0  # times the least loss so far: then the test is over
_KEPT = 0.9  # of the running mean that is held to that, at each step
_WINDOW = 0.05  # of the steps, to each side: what the curve is smoothed over
_CLEARLY = 4.0  # standard errors by which the loss must have fallen: the least of many means is low by chance
_FEWEST = 10  # steps before a curve says anything

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tried:
    """One step: the loss of its batch before the update, penalties included, and the rate of the update."""

    step: int
    lr: float
    loss: float


@dataclass(frozen=True)
class Found:
    """What the curve says.

    Attributes:
        ended: "diverged" (the loss had grown to four times its least), "not-finite", or "range" (the highest rate).
        smoothed: The loss at each step, averaged over its neighbours.
        steepest: The rate at which the loss falls fastest by the rate's logarithm; None where it does not fall.
        least: The rate at which the loss is least; None likewise.
        suggested: A peak for a schedule: the geometric mean of the steepest rate and a third of the one of least loss;
            None where the loss does not fall.
    """

    ended: str
    smoothed: tuple[float, ...]
    steepest: float | None
    least: float | None
    suggested: float | None


def usual_range(recipe: Recipe) -> tuple[float, float]:
    """(lowest, highest) learning rate of a test for the recipe's optimiser; the recipe's own rate plays no part."""
    usual = USUAL_LR[recipe.optimiser]
    return LOWEST * usual, HIGHEST * usual


def range_test(
    model: nn.Module, splits: Splits, normalisation: Normalisation, recipe: Recipe, machine: Machine, plan: Plan, *,
    low: float, high: float, n_steps: int = N_STEPS,
) -> Iterator[Tried | Found]:  # fmt: skip
    """Trains `model` in place for some steps, the rate of each the same multiple of the one before.

    Everything but the rate is as the recipe has it: batches, augmentation, loss, penalties, clipping, what is frozen
    at first. It ends before `n_steps` where the loss diverges. The model is of no use afterwards.

    Args:
        model: As in `train.loop.train`.
        splits: The training part is learnt from, again and again where it has too few batches.
        normalisation: As in `train.loop.train`.
        recipe: As in `train.loop.train`.
        machine: As in `train.loop.train`.
        plan: As in `train.loop.train`.
        low: The rate of the first step.
        high: The rate of the last.
        n_steps: How many steps.

    Yields:
        Each step, then what they say.
    """
    channels_last = plan.memory_format == "channels-last"
    feed = training_feed(splits.train, normalisation, recipe, machine.device, channels_last=channels_last)
    _, batch_size = recipe.counts()
    steps_per_epoch = n_steps_per_epoch(len(feed), batch_size)
    if channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze(model, recipe.freeze, splits.train.n_classes)
    set_learning(model)
    optimiser = make_optimiser(model, recipe)
    decayed = penalised(parameter for parameter in model.parameters() if parameter.requires_grad)
    tried: list[Tried] = []
    mean, least, ended = 0.0, math.inf, "range"
    with workers(plan) as crew:
        gradient = BatchGradient(model, recipe, machine, plan, crew)
        for i in range(n_steps):
            epoch, position = divmod(i, steps_per_epoch)
            batch = feed.order(epoch)[position * batch_size : (position + 1) * batch_size]
            machine.seed(step_seed(recipe, i))
            loss = gradient(feed, batch, epoch).loss
            if recipe.l1 or recipe.l2:
                loss += add_penalties(decayed, recipe.l1, recipe.l2)
            lr = low * (high / low) ** (i / max(1, n_steps - 1))
            tried.append(Tried(i + 1, lr, loss))
            yield tried[-1]
            if not math.isfinite(loss):
                ended = "not-finite"
                break
            mean = _KEPT * mean + (1 - _KEPT) * loss
            running = mean / (1 - _KEPT ** (i + 1))
            least = min(least, running)
            # A single batch may be odd: both it and the running mean must have grown.
            if i >= _FEWEST and min(running, loss) > _DIVERGED * least:
                ended = "diverged"
                break
            if recipe.clip:
                clip_gradient(gradient.parameters, recipe.clip)
            optimiser.step(lr, crew)
    yield read_curve(tried, ended, n_steps)


def read_curve(tried: Sequence[Tried], ended: str, n_steps: int) -> Found:
    """What the steps of a test of `n_steps` say; the rules stand at `Found`."""
    kept = [one for one in tried if math.isfinite(one.loss)]
    width = max(1, round(_WINDOW * n_steps))
    losses, rates = np.array([one.loss for one in kept]), np.log([one.lr for one in kept])
    smoothed = _smooth(losses, width)
    found = Found(ended, tuple(smoothed.tolist()), None, None, None)
    if len(kept) < _FEWEST:
        return found
    lowest = int(smoothed.argmin())
    # How far one mean is off by the chance of its batches, as the steps before the least show it.
    error = float((losses - smoothed)[: lowest + 1].std() / math.sqrt(2 * width + 1))
    start = float(losses[: 2 * width + 1].mean())
    if lowest <= width or start - smoothed[lowest] <= _CLEARLY * error + 1e-3 * abs(start):
        return found
    steepest = int(_slopes(rates, smoothed, width)[: lowest + 1].argmin())
    least_lr, steepest_lr = kept[lowest].lr, kept[steepest].lr
    return Found(ended, found.smoothed, steepest_lr, least_lr, math.sqrt(steepest_lr * least_lr / 3))


def _smooth(losses: Floats, width: int) -> Floats:
    """Each loss averaged over its neighbours, `width` to each side; those that there are at the ends."""
    n = len(losses)
    first, end = np.maximum(np.arange(n) - width, 0), np.minimum(np.arange(n) + width + 1, n)
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    means: Floats = (sums[end] - sums[first]) / (end - first)
    return means


def _slopes(x: Floats, y: Floats, width: int) -> Floats:
    """The slope of the straight line through each point's neighbours, `width` to each side, by least squares."""
    found = np.zeros(len(x))
    for i in range(len(x)):
        part = slice(max(0, i - width), i + width + 1)
        away = x[part] - x[part].mean()
        found[i] = (away * y[part]).sum() / max(float((away * away).sum()), 1e-12)
    return found
