"""What a network is measured against, the findings that follow, and the temperature that a run keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from convoscope.data.dataset import Dataset, Splits
from convoscope.errors import RunError
from convoscope.models import build
from convoscope.runs import baseline
from convoscope.runs.baseline import majority, nearest
from convoscope.runs.calibration import read_calibration, write_calibration
from convoscope.runs.judgement import judgement
from convoscope.runs.limits import limits_of
from convoscope.runs.store import Run
from convoscope.train.events import Finding
from convoscope.train.metrics import Evaluation
from convoscope.train.temperature import Calibration

NAMES = ("cat", "dog", "owl")


def pictures(labels: list[int], values: list[int], side: int = 2) -> Dataset:
    """Images of one grey each."""
    images = np.array(values, np.uint8)[:, None, None, None] * np.ones((1, 1, side, side), np.uint8)
    return Dataset(images, np.array(labels), NAMES, "greys")


def answers(labels: list[int] | NDArray[np.int64], predicted: list[int] | NDArray[np.int64]) -> Evaluation:
    p = np.full((len(labels), 3), 0.1, np.float32)
    p[np.arange(len(labels)), predicted] = 0.8
    return Evaluation("test", NAMES, np.array(labels), p, np.zeros(len(labels), np.float32))


def test_the_majority_is_that_of_training_and_not_of_what_is_judged() -> None:
    train, test = pictures([1, 1, 0], [0, 1, 2]), [0, 0, 0, 1]
    found = majority(answers(test, [0, 0, 1, 1]), train)
    assert found is not None
    assert (found.class_name, found.accuracy, found.network_accuracy) == ("dog", 0.25, 0.75)
    assert found.difference == 0.5
    assert found.difference_95_low <= 0.5 <= found.difference_95_high


def test_neighbours_vote_and_a_tie_goes_to_the_first_class() -> None:
    train = pictures([0, 0, 1, 1, 2], [0, 10, 20, 30, 200])
    part = pictures([0, 1, 2], [4, 24, 255])
    found = nearest(answers(part.labels, [0, 0, 0]), part, train, None)
    assert found is not None
    # All five vote on each image: two cats, two dogs, one owl: cat, by order.
    assert (found.k, found.k_from, found.n_references, found.side) == (5, "usual", 5, 2)
    assert found.accuracy == pytest.approx(1 / 3)
    assert found.difference == 0


def test_k_is_chosen_on_the_validation_part_alone() -> None:
    random = np.random.default_rng(0)
    train = pictures([0, 1, 2] * 20, [0, 100, 200] * 20)
    noisy = np.array(train.labels)
    noisy[:9] = (noisy[:9] + 1) % 3  # with one neighbour, the first of equals, these wrong labels decide
    train = Dataset(train.images, noisy, NAMES, "greys")
    values = random.choice([0, 100, 200], 60)
    validation = pictures((values // 100).tolist(), values.tolist())
    part = pictures([0, 1, 2], [1, 101, 201])
    found = nearest(answers(part.labels, part.labels), part, train, validation)
    assert found is not None
    assert found.k_from == "validation"
    assert found.k is not None
    assert found.k > 5
    assert found.accuracy == 1
    few = nearest(answers(part.labels, part.labels), part, train, validation.take(np.arange(49)))
    assert few is not None
    assert few.k_from == "usual"


def test_the_search_is_bounded_and_large_images_are_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "MOST_REFERENCES", 40)
    monkeypatch.setattr(baseline, "MOST_JUDGED", 10)
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 100)
    train = pictures(labels.tolist(), (labels * 100).tolist(), side=70)
    evaluation = answers(labels, labels)
    found, again = (nearest(evaluation, train, train, None) for _ in range(2))
    assert found == again
    assert found is not None
    assert (found.n, found.n_references, found.side, found.accuracy) == (10, 40, 32, 1.0)


def test_shrinking_is_by_area_and_keeps_the_shape() -> None:
    ramp = np.tile(4 * np.arange(64, dtype=np.uint8), (48, 1))[None, None]
    found = baseline._pixels(Dataset(ramp, np.zeros(1, np.int64), NAMES, "ramp"), np.array([0]))
    assert found.shape == (1, 24 * 32)
    np.testing.assert_array_equal(found[0, :3].numpy(), [2, 10, 18])  # the means of 0 and 4, of 8 and 12, ...


def _judged(predicted: list[int], model: nn.Module | None = None) -> Any:
    train = pictures([0, 1, 2] * 20, [0, 100, 200] * 20)
    part = pictures([0, 1, 2] * 10, [5, 105, 205] * 10)
    splits = Splits(train, train.take(np.arange(0)), part)
    return judgement(answers(part.labels, predicted * 10), part, splits, model or nn.Flatten(), Calibration())


def test_a_network_worse_than_its_neighbours_is_told_so() -> None:
    found = {one.name: one for one in _judged([0, 1, 1]).findings(7)}
    assert set(found) == {"not-better-than-knn"}
    assert found["not-better-than-knn"].level == "warning"
    assert found["not-better-than-knn"].step == 7
    assert "66.7% against 100.0%" in found["not-better-than-knn"].message
    named = {one.name: one for one in _judged([0, 0, 0]).findings()}
    assert set(named) == {"not-better-than-majority", "not-better-than-knn"}
    assert "'cat'" in named["not-better-than-majority"].message


def test_a_network_that_remembers_is_not_compared_with_remembering() -> None:
    knn = build("knn", (1, 2, 2), 3, {})
    assert [one.name for one in _judged([0, 1, 2], knn).baselines] == ["majority"]


def test_the_summary_of_a_judgement_is_json() -> None:
    summary = json.loads(json.dumps(_judged([0, 1, 1]).summary(), allow_nan=False))
    assert [one["name"] for one in summary["compared"]] == ["majority", "knn"]
    assert summary["calibration"]["temperature"] == 1
    assert summary["calibration"]["calibration_error"] == pytest.approx(summary["calibration_error"])


def test_limits_say_what_the_figures_do_not() -> None:
    judged = _judged([0, 1, 2])
    keys = [one.key for one in limits_of(judged, (20, 20, 20), [])]
    assert keys == ["limit_wide", "limit_small", "limit_one_run"]  # ten images a class
    about = [
        Finding("image-leaked", "warning", "Images of test that are also in train (2 of 30): ...", ""),
        Finding("image-leaked-alike", "warning", "Images of test that look like one in train (2 of 30): ...", ""),
        Finding("image-repeated", "warning", "Images that train has more than once (9 of 60): ...", ""),
        Finding("label-conflict", "warning", "Images of test with an equal twin of another class (1): ...", ""),
    ]
    found = {one.key: one.values for one in limits_of(judged, (20, 20, 0), about, n_left_out=3)}
    assert found["limit_untrained"] == {"names": "owl"}
    assert {"limit_leaked", "limit_alike", "limit_conflict", "limit_left_out"} <= set(found)
    assert "limit_repeated" not in found  # that is of the training part
    on_validation = Evaluation("validation", *list(vars(judged.evaluation).values())[1:5])
    other = type(judged)(on_validation, Calibration(), ())
    assert next(iter(limits_of(other, (20, 20, 20), []))).key == "limit_no_test"
    assert next(iter(limits_of(other, (20, 20, 20), [], patience=3))).key == "limit_no_test_patience"


def test_the_temperature_is_kept_with_the_run(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert read_calibration(run).temperature == 1
    assert read_calibration(run).why == "not-kept"
    write_calibration(run, Calibration(1.5, "validation", 99, 0.4, 0.3))
    assert read_calibration(run).temperature == 1.5
    assert read_calibration(run) == Calibration(1.5, "validation", 99, 0.4, 0.3)
    assert read_calibration(run, step=4).temperature == 1  # it was found for the final weights
    card = json.loads((tmp_path / "calibration.json").read_text())
    (tmp_path / "calibration.json").write_text(json.dumps({**card, "of a newer version": 1}))
    assert read_calibration(run).temperature == 1.5


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"temperature": 0}', '{"temperature": true}', '{"temperature": NaN}']
)
def test_a_damaged_calibration_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(RunError, match=r"calibration\.json"):
        read_calibration(Run(tmp_path))
