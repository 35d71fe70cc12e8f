from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from convoscope.train.temperature import LEAST, WHY, calibrate


def _drawn(n: int, K: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits, and labels drawn with the very probabilities that softmax gives."""
    random = np.random.default_rng(seed)
    z = random.normal(0, 2, (n, K))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return z, (p.cumsum(axis=1) > random.random((n, 1))).argmax(axis=1)


def _loss(z: NDArray[np.float64], labels: NDArray[np.int64], T: float) -> float:
    z = z / T
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]).mean())


@pytest.mark.parametrize("scale", [0.01, 0.5, 1.0, 8.0, 500.0])
def test_it_finds_the_scale_that_logits_were_multiplied_by(scale: float) -> None:
    z, labels = _drawn(4000, 6)
    found = calibrate(z * scale, labels, "validation")
    assert found.temperature == pytest.approx(scale, rel=0.06)
    assert found.temperature == pytest.approx(scale * calibrate(z, labels, "validation").temperature, rel=1e-6)
    assert found.n == 4000
    assert not found.why


def test_no_other_temperature_has_less_loss() -> None:
    z, labels = _drawn(300, 4, seed=1)
    z *= 3
    found = calibrate(z, labels, "validation")
    assert found.loss_before == pytest.approx(_loss(z, labels, 1.0))
    assert found.loss_after == pytest.approx(_loss(z, labels, found.temperature))
    for factor in (0.5, 0.99, 1.01, 2.0):
        assert _loss(z, labels, found.temperature * factor) > _loss(z, labels, found.temperature)


def test_two_classes_by_hand() -> None:
    # The first class leads by 2 in all of 40 images, and is right in 30: sigmoid(2 / T) = 3/4, so T = 2 / ln 3.
    z = np.tile([2.0, 0.0], (40, 1))
    found = calibrate(z, np.repeat([0, 1], [30, 10]), "validation")
    assert found.temperature == pytest.approx(2 / math.log(3), rel=1e-9)


def test_where_there_is_no_best_temperature_it_stays_one_and_says_why() -> None:
    z, labels = _drawn(100, 3)
    right = z.argmax(axis=1)
    cases = {
        "too-few": calibrate(z[: LEAST - 1], labels[: LEAST - 1], "validation"),
        "all-right": calibrate(z, right, "validation"),
        "uninformed": calibrate(z, z.argmin(axis=1), "validation"),
        "not-finite": calibrate(np.where(z > 3, np.nan, z), labels, "validation"),
    }
    assert {key: found.why for key, found in cases.items()} == {key: key for key in cases}
    assert all(found.temperature == 1 for found in cases.values())
    assert set(cases) <= set(WHY)
    flat = calibrate(np.zeros((50, 3)), np.zeros(50, np.int64), "validation")
    assert flat.temperature == 1


def test_a_single_error_among_sure_answers_is_enough() -> None:
    z = np.tile([50.0, 0.0], (200, 1))
    labels = np.zeros(200, np.int64)
    labels[0] = 1
    assert calibrate(z, labels, "validation").temperature == pytest.approx(50 / math.log(199), rel=1e-8)


def test_float32_logits_of_many_examples_are_thinned_evenly() -> None:
    z, labels = _drawn(6000, 2)
    wide = np.full((6000, 2000), -60.0, np.float32)
    wide[:, :2] = z
    found = calibrate(wide, labels, "validation")
    assert found.n == 5000
    assert found.temperature == pytest.approx(1, rel=0.15)
