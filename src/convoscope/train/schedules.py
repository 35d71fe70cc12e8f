"""How the learning rate goes over a run: a factor of its peak for each step."""

from __future__ import annotations

import math
from collections.abc import Callable

from convoscope.registry import Registry
from convoscope.train.recipe import Recipe

# Maps the share of the run after the warm-up that has passed (0 to below 1) to a factor of the peak.
Schedule = Callable[[float, Recipe], float]
SCHEDULES: Registry[Schedule] = Registry("schedule")


@SCHEDULES.register("constant")
def constant(passed: float, recipe: Recipe) -> float:  # noqa: ARG001 - one signature
    """The peak, throughout."""
    return 1.0


@SCHEDULES.register("step")
def step(passed: float, recipe: Recipe) -> float:
    """Multiplied by `decay` each time `decay_every` of the run has passed."""
    # The small term keeps 3 x 1/3 from falling just below 1 in floating point.
    return recipe.decay ** math.floor(passed / recipe.decay_every + 1e-9)


@SCHEDULES.register("cosine")
def cosine(passed: float, recipe: Recipe) -> float:  # noqa: ARG001 - one signature
    """Half a cosine from the peak to 0 (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * passed))


@SCHEDULES.register("triangular")
def triangular(passed: float, recipe: Recipe) -> float:  # noqa: ARG001 - one signature
    """A straight line from the peak to 0 (Smith 2017); with the warm-up it is a triangle."""
    return 1 - passed


def lr_at(index: int, n_steps: int, recipe: Recipe) -> float:
    """The learning rate of update `index` (from 0) of `n_steps`: rises evenly over the warm-up, then the schedule."""
    n_warm = round(recipe.warmup * n_steps)
    if index < n_warm:
        return recipe.peak_lr * (index + 1) / (n_warm + 1)
    passed = (index - n_warm) / max(1, n_steps - n_warm)
    return recipe.peak_lr * SCHEDULES[recipe.schedule](passed, recipe)
