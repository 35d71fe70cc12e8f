from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from convoscope.train.bootstrap import intervals, paired_difference
from convoscope.train.metrics import Evaluation


def _answers(n: int, K: int, accuracy: float, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, K, n)
    return labels, np.where(random.random(n) < accuracy, labels, random.integers(0, K, n))


def test_intervals_are_those_of_resampling_image_by_image() -> None:
    labels, predicted = _answers(400, 5, 0.6)
    labels[labels == 4] = 3  # class e has no images, and is named all the same
    found = intervals(labels, predicted, resamples=4000)
    random = np.random.default_rng(1)
    figures = []
    for _ in range(1500):
        index = random.integers(0, len(labels), len(labels))
        p = np.zeros((len(labels), 5), np.float32)
        p[np.arange(len(labels)), predicted[index]] = 1
        one = Evaluation("test", tuple("abcde"), labels[index], p, np.zeros(len(labels), np.float32))
        figures.append((one.accuracy, one.balanced_accuracy, one.macro_f1))
    expected = np.quantile(figures, (0.025, 0.975), axis=0).T
    np.testing.assert_allclose([found.accuracy, found.balanced_accuracy, found.macro_f1], expected, atol=0.008)


def test_a_class_that_a_resample_lacks_is_left_out_of_its_means() -> None:
    # One image of b, which is right: a resample without it has the recalls of a alone.
    labels, predicted = np.array([0] * 9 + [1]), np.array([0] * 9 + [1])
    found = intervals(labels, predicted)
    assert found.balanced_accuracy == (1.0, 1.0)
    assert found.macro_f1 == (1.0, 1.0)


def test_the_same_images_give_the_same_intervals() -> None:
    labels, predicted = _answers(100, 3, 0.7)
    assert intervals(labels, predicted) == intervals(labels, predicted)
    assert intervals(labels, predicted) != intervals(labels, predicted, seed=1)


def test_few_images_and_none() -> None:
    nothing = np.zeros(0, np.int64)
    assert all(math.isnan(bound) for bound in intervals(nothing, nothing).accuracy)
    one = intervals(np.array([0]), np.array([1]))
    assert one.accuracy == one.balanced_accuracy == one.macro_f1 == (0.0, 0.0)


def test_the_interval_of_a_difference_is_paired() -> None:
    random = np.random.default_rng(0)
    hard = random.random(1000) < 0.5
    one, other = ~hard, ~hard
    assert paired_difference(one, other) == (0.0, 0.0)  # they err alike: nothing tells them apart
    better = one | (random.random(1000) < 0.1)
    low, high = paired_difference(better, other)
    b = float((better & ~other).mean())  # only discordant images count: variance (b - b^2) / n
    spread = 1.96 * math.sqrt(b * (1 - b) / 1000)
    assert (low, high) == pytest.approx((b - spread, b + spread), abs=0.004)
    assert paired_difference(other, better) == pytest.approx((-high, -low), abs=0.004)


@pytest.mark.parametrize("n", [30, 300])
def test_ninety_five_of_a_hundred_intervals_hold_the_truth(n: int) -> None:
    held = 0
    for seed in range(200):
        labels, predicted = _answers(n, 4, 0.6, seed)
        low, high = intervals(labels, predicted, resamples=500).accuracy
        held += low <= 0.6 + 0.4 / 4 <= high
    assert held >= 180
