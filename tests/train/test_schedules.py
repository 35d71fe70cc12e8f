from __future__ import annotations

import itertools
import math

import pytest

from convoscope.train.recipe import Recipe
from convoscope.train.schedules import SCHEDULES, lr_at


def curve(n: int = 100, **knobs: object) -> list[float]:
    recipe = Recipe(lr=2.0, **knobs)  # type: ignore[arg-type]
    return [lr_at(i, n, recipe) for i in range(n)]


def test_constant() -> None:
    assert curve(schedule="constant", warmup=0) == [2.0] * 100


def test_cosine_meets_its_formula() -> None:
    rates = curve(schedule="cosine", warmup=0)
    assert rates[0] == 2.0
    assert rates[25] == pytest.approx(1 + math.cos(math.pi / 4))
    assert rates[50] == pytest.approx(1.0)
    assert 0 < rates[-1] < 0.001


def test_step_falls_when_it_should() -> None:
    rates = curve(schedule="step", warmup=0, decay=0.1, decay_every=0.25)
    assert rates[24] == pytest.approx(2.0)
    assert rates[25] == pytest.approx(0.2)
    assert rates[75] == pytest.approx(0.002)


def test_step_by_thirds_falls_twice() -> None:
    rates = curve(99, schedule="step", warmup=0, decay=0.1)
    assert [rates[32], rates[33], rates[65], rates[66], rates[98]] == pytest.approx([2, 0.2, 0.2, 0.02, 0.02])


def test_triangle() -> None:
    rates = curve(schedule="triangular", warmup=0.2)
    assert rates[20] == 2.0 == max(rates)
    assert rates[60] == pytest.approx(1.0)
    rises = [b - a for a, b in itertools.pairwise(rates[:21])]
    assert rises == pytest.approx([rises[0]] * 20)


@pytest.mark.parametrize("name", list(SCHEDULES))
@pytest.mark.parametrize("n", [1, 2, 7])
def test_no_step_goes_without_a_rate(name: str, n: int) -> None:
    for warmup in (0.0, 0.5, 0.9):
        assert all(0 < rate <= 2.0 for rate in curve(n, schedule=name, warmup=warmup))
