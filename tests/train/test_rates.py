from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from convoscope.data import Splits
from convoscope.data.normalise import Normalisation
from convoscope.train.device import Machine
from convoscope.train.gradient import Plan
from convoscope.train.loop import train
from convoscope.train.rates import N_STEPS, Found, Tried, range_test, read_curve, usual_range
from convoscope.train.recipe import USUAL_LR, Recipe

RECIPE = Recipe(epochs=1, batch_size=25, device="cpu", flat_epochs=0, snapshots=0, save_seconds=1e6)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 16), nn.ReLU(), nn.Linear(16, 4))


def tried_on(splits: Splits, recipe: Recipe, **more: float) -> tuple[list[Tried], Found]:
    low, high = usual_range(recipe)
    *steps, found = range_test(
        network(), splits, Normalisation.fit("z-score", splits.train.images), recipe, Machine("cpu"), Plan(),
        **{"low": low, "high": high, **more},
    )  # fmt: skip
    assert isinstance(found, Found)
    return steps, found  # type: ignore[return-value]


def curve(losses: list[float], low: float = 1e-6, high: float = 1e2) -> list[Tried]:
    rates = np.geomspace(low, high, len(losses))
    return [Tried(i + 1, float(lr), loss) for i, (lr, loss) in enumerate(zip(rates, losses, strict=True))]


@pytest.mark.parametrize("optimiser", list(USUAL_LR))
def test_the_suggestion_trains(optimiser: str, splits: Splits) -> None:
    """Well within an epoch, and better than a thirtieth of it, for every optimiser."""
    recipe = replace(RECIPE, optimiser=optimiser)
    steps, found = tried_on(splits, recipe)
    assert found.suggested is not None
    assert steps[0].lr < found.suggested < steps[-1].lr

    def final_loss(lr: float) -> float:
        model = network()
        normalisation = Normalisation.fit("z-score", splits.train.images)
        several = replace(recipe, lr=lr, epochs=2)
        for _ in train(model, splits, normalisation, several, Machine("cpu"), Plan()):
            pass
        x = torch.from_numpy(splits.test.images).float()  # type: ignore[union-attr]
        x = (x - normalisation.offset[0]) / normalisation.scale[0]
        with torch.no_grad():
            loss = float(nn.functional.cross_entropy(model(x), torch.from_numpy(splits.test.labels)))  # type: ignore[union-attr]
        return loss if math.isfinite(loss) else math.inf

    good = final_loss(found.suggested)
    assert good < 0.5 * math.log(4)
    assert good < final_loss(found.suggested / 30)


def test_the_rates_rise_evenly_and_the_steps_are_the_recipes_own(splits: Splits) -> None:
    recipe = replace(RECIPE, optimiser="sgd", l2=0.01, clip=1.0)
    steps, found = tried_on(splits, recipe, low=1e-3, high=1e-1, n_steps=21)
    rates = [step.lr for step in steps]
    assert rates == pytest.approx(np.geomspace(1e-3, 1e-1, 21))
    assert [step.step for step in steps] == list(range(1, 22))
    assert len(found.smoothed) == 21
    # The first step is that of training: its loss has the penalties in it.
    events = train(network(), splits, Normalisation.fit("z-score", splits.train.images), recipe, Machine("cpu"), Plan())
    first = next(event for event in events if type(event).__name__ == "Step")
    assert steps[0].loss == first.loss


def test_it_ends_where_the_loss_diverges(splits: Splits) -> None:
    recipe = replace(RECIPE, optimiser="sgd", loss="squared-error")
    steps, found = tried_on(splits, recipe)
    assert found.ended == "diverged"
    assert len(steps) < N_STEPS
    assert steps[-1].loss > 4 * min(found.smoothed)
    assert tried_on(splits, recipe)[0] == steps


def test_a_loss_that_is_no_number_ends_it(splits: Splits) -> None:
    recipe = replace(RECIPE, optimiser="sgd", loss="squared-error")
    steps, found = tried_on(splits, recipe, low=1e30, high=1e38, n_steps=20)
    assert found.ended == "not-finite"
    assert not math.isfinite(steps[-1].loss)
    assert (found.steepest, found.least, found.suggested) == (None, None, None)
    assert len(found.smoothed) == len(steps) - 1


def test_how_a_curve_is_read() -> None:
    """Flat to 1e-4, falling steadily to its least at 1e-1, rising after: a curve without noise."""
    x = np.linspace(-6, 2, 100)
    losses = np.where(x < -4, 2.3, 2.3 - 0.6 * np.minimum(x + 4, 3)) + np.maximum(x + 1, 0) ** 2
    found = read_curve(curve(losses.tolist()), "range", 100)
    assert found.least == pytest.approx(10**-0.8, rel=0.7)
    assert 10**-4 < found.steepest < 10**-1  # type: ignore[operator]
    assert found.steepest < found.suggested < found.least  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["flat", "noise", "rising", "few"])
def test_a_curve_that_does_not_fall_suggests_nothing(kind: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 100)
    losses = {
        "flat": np.full(100, 2.3), "noise": 2.3 + noise, "rising": np.linspace(2.3, 9, 100) + noise / 10,
        "few": np.array([2.3, 2.0, 1.0, 9.0]),
    }[kind]  # fmt: skip
    assert read_curve(curve(losses.tolist()), "range", 100).suggested is None


def test_what_is_frozen_stays_frozen(splits: Splits) -> None:
    model = network()
    before = model[1].weight.clone()
    recipe = replace(RECIPE, freeze="1", thaw=0.5, optimiser="muon")
    low, high = usual_range(recipe)
    normalisation = Normalisation.fit("z-score", splits.train.images)
    told = list(
        range_test(model, splits, normalisation, recipe, Machine("cpu"), Plan(), low=low, high=high, n_steps=30)
    )
    assert torch.equal(model[1].weight, before)
    assert len(told) > 10
