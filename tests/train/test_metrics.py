from __future__ import annotations

import json
import math

import numpy as np
import pytest

from convoscope.train.metrics import Evaluation, wilson_interval


def judged(labels: list[int], predicted: list[int], K: int = 3) -> Evaluation:
    probabilities = np.full((len(labels), K), 0.1, np.float32)
    probabilities[np.arange(len(labels)), predicted] = 0.8
    losses = np.arange(len(labels), dtype=np.float32)
    return Evaluation("test", tuple("abc"[:K]), np.array(labels), probabilities, losses)


def test_figures_by_hand() -> None:
    evaluation = judged([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0])
    assert evaluation.accuracy == 0.5
    assert evaluation.majority_accuracy == 0.5
    assert evaluation.loss == 2.5
    assert evaluation.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    rows = evaluation.per_class()
    assert rows[0] == {
        "name": "a",
        "n": 3,
        "precision": 0.5,
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(4 / 7),
    }
    assert math.isnan(rows[2]["precision"])  # nothing was called c
    assert rows[2]["recall"] == 0.0
    assert evaluation.hardest(2).tolist() == [5, 4]


def test_the_summary_is_json_even_where_figures_are_undefined() -> None:
    summary = json.loads(json.dumps(judged([0, 1], [0, 0]).summary(), allow_nan=False))
    assert summary["per_class"][2] == {"name": "c", "n": 0, "precision": None, "recall": None, "f1": None}


def test_wilson_interval_against_published_figures() -> None:
    # Newcombe 1998, table I, method 3 (Wilson score without continuity correction): 81 of 263, and 15 of 148.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20)[0] == pytest.approx(0, abs=1e-15)
    assert wilson_interval(20, 20)[1] == pytest.approx(1, abs=1e-15)
