from __future__ import annotations

import json
import math

import numpy as np
import pytest

from convoscope.train.metrics import Evaluation, wilson_interval

# Five images of four classes, worked by hand: class d has no image, and one image of a is taken for it.
LABELS, PREDICTED = [0, 0, 0, 1, 2], [0, 0, 3, 0, 2]


def judged(labels: list[int], predicted: list[int], K: int = 3) -> Evaluation:
    probabilities = np.full((len(labels), K), 0.1, np.float32)
    probabilities[np.arange(len(labels)), predicted] = 0.8
    losses = np.arange(len(labels), dtype=np.float32)
    return Evaluation("test", tuple("abcdefgh"[:K]), np.array(labels), probabilities, losses)


def sure(probabilities: list[float], right: list[bool]) -> Evaluation:
    """Two classes: the first is named with these probabilities, and is the truth where `right` says so."""
    p = np.array(probabilities, np.float32)
    labels = np.where(right, 0, 1)
    return Evaluation("test", ("a", "b"), labels, np.stack([p, 1 - p], axis=1), np.zeros(len(p), np.float32))


def test_figures_by_hand() -> None:
    evaluation = judged([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0])
    assert evaluation.accuracy == 0.5
    assert evaluation.majority_accuracy == 0.5
    assert evaluation.loss == 2.5
    assert evaluation.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    rows = evaluation.per_class()
    low, high = wilson_interval(2, 3)
    assert rows[0] == {
        "name": "a",
        "n": 3,
        "precision": 0.5,
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(4 / 7),
        "recall_95_low": low,
        "recall_95_high": high,
    }
    assert math.isnan(rows[2]["precision"])  # nothing was called c
    assert rows[2]["recall"] == 0.0
    assert evaluation.hardest(2).tolist() == [5, 4]


def test_means_over_classes_by_hand() -> None:
    evaluation = judged(LABELS, PREDICTED, K=4)
    # Recalls: a 2/3, b 0, c 1; F1: a 2*2/(3+3), b 0, c 1. Class d has no image and is left out of both.
    assert evaluation.balanced_accuracy == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert evaluation.macro_f1 == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert evaluation.absent() == ("d",)
    all_named_alike = judged([0, 0, 0, 1], [0, 0, 0, 0], K=2)
    assert all_named_alike.accuracy == 0.75
    assert all_named_alike.balanced_accuracy == 0.5
    assert all_named_alike.macro_f1 == pytest.approx((6 / 7 + 0) / 2)


def test_pairs_count_both_ways() -> None:
    evaluation = judged([0, 0, 0, 0, 1, 1, 2, 2], [1, 1, 1, 0, 0, 1, 1, 2])
    assert evaluation.pairs() == [
        {"classes": ["a", "b"], "n": [3, 1], "shares": [0.75, 0.5]},
        {"classes": ["b", "c"], "n": [0, 1], "shares": [0.0, 0.5]},
    ]
    assert len(evaluation.pairs(1)) == 1
    # Of a class without images no share can be told.
    assert judged([0], [1], K=2).pairs() == [{"classes": ["a", "b"], "n": [1, 0], "shares": [1.0, None]}]
    assert judged([0, 1], [0, 1]).pairs() == []


def test_top_five_counts_equals_in_the_order_of_classes() -> None:
    names = tuple("abcdef")
    flat = np.full((6, 6), 1 / 6, np.float32)
    evaluation = Evaluation("test", names, np.arange(6), flat, np.zeros(6, np.float32))
    assert evaluation.top_accuracy == pytest.approx(5 / 6)  # the sixth of six equals is not among the first five
    ordered = np.array([[0.3, 0.25, 0.2, 0.15, 0.06, 0.04]] * 2, np.float32)
    evaluation = Evaluation("test", names, np.array([4, 5]), ordered, np.zeros(2, np.float32))
    assert evaluation.top_accuracy == 0.5
    assert judged([0, 1], [0, 1]).top_accuracy is None


def test_calibration_error_by_hand() -> None:
    # Bins of 1/15: 0.95 and 0.96 lie in the last (14/15 = 0.933 to 1), 0.62 in the tenth (0.6 to 0.667).
    evaluation = sure([0.95, 0.96, 0.62, 0.64], [True, False, True, True])
    found = evaluation.reliability()
    assert found.n.tolist() == [0] * 9 + [2] + [0] * 4 + [2]
    assert found.accuracy[14] == 0.5
    assert found.confidence[14] == pytest.approx(0.955)
    assert found.error == pytest.approx((2 * abs(0.5 - 0.955) + 2 * abs(1 - 0.63)) / 4, abs=1e-6)
    assert [row["n"] for row in found.rows()] == [2, 2]
    # A bin's upper edge is its own, as in the paper: 12/15 belongs to the bin from 11/15 to 12/15.
    edge = Evaluation("t", ("a", "b"), np.array([0]), np.array([[0.8, 0.2]], np.float32), np.zeros(1, np.float32))
    assert np.flatnonzero(edge.reliability().n).tolist() in ([11], [12])  # 0.8 in float32 lies just above 12/15


def test_a_temperature_changes_how_sure_and_not_what() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 4.0]], np.float32)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    evaluation = Evaluation("test", ("a", "b"), np.array([0, 1]), p, np.zeros(2, np.float32), logits)
    expected = [1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-2))]
    np.testing.assert_allclose(evaluation.confidence(2.0), expected, rtol=1e-12)
    without = Evaluation("test", ("a", "b"), np.array([0, 1]), p, np.zeros(2, np.float32))
    np.testing.assert_allclose(without.confidence(2.0), expected, rtol=1e-6)


def test_logits_that_are_not_finite_are_left_out_of_reliability() -> None:
    logits = np.array([[1.0, 0.0], [np.nan, 0.0]], np.float32)
    p = np.array([[0.73, 0.27], [np.nan, np.nan]], np.float32)
    evaluation = Evaluation("test", ("a", "b"), np.array([0, 1]), p, np.zeros(2, np.float32), logits)
    assert evaluation.reliability().n.sum() == 1
    none = Evaluation("test", ("a", "b"), np.array([1]), p[1:], np.zeros(1, np.float32), logits[1:])
    assert math.isnan(none.reliability().error)
    assert none.summary()["calibration_error"] is None


def test_the_summary_is_json_even_where_figures_are_undefined() -> None:
    summary = json.loads(json.dumps(judged([0, 1], [0, 0]).summary(), allow_nan=False))
    gone = dict.fromkeys(("precision", "recall", "f1", "recall_95_low", "recall_95_high"))
    assert summary["per_class"][2] == {"name": "c", "n": 0, **gone}
    assert summary["classes_absent"] == ["c"]
    low, high = summary["balanced_accuracy_95_low"], summary["balanced_accuracy_95_high"]
    assert 0 <= low <= summary["balanced_accuracy"] <= high <= 1


def test_figures_agree_with_scikit_learn() -> None:
    # The expected numbers are those of scikit-learn 1.9.1 for the same labels and scores: balanced_accuracy_score,
    # f1_score(average="macro"), top_k_accuracy_score(k=5) and precision_recall_fscore_support.
    random = np.random.default_rng(0)
    labels = random.integers(0, 7, 500)
    scores = random.random((500, 7)).astype(np.float32)
    scores[np.arange(500), labels] += 0.3
    evaluation = Evaluation("test", tuple("abcdefg"), labels, scores, np.zeros(500, np.float32))
    assert evaluation.balanced_accuracy == pytest.approx(0.4451603252226822)
    assert evaluation.macro_f1 == pytest.approx(0.4444359862217783)
    assert evaluation.top_accuracy == pytest.approx(0.952)
    expected = {
        "precision": [0.45, 0.419355, 0.433333, 0.4, 0.435897, 0.455882, 0.519481],
        "recall": [0.467532, 0.440678, 0.440678, 0.428571, 0.459459, 0.424658, 0.454545],
        "f1": [0.458599, 0.429752, 0.436975, 0.413793, 0.447368, 0.439716, 0.484848],
    }
    for key, values in expected.items():
        np.testing.assert_allclose([row[key] for row in evaluation.per_class()], values, atol=1e-6)


def test_wilson_interval_against_published_figures() -> None:
    # Newcombe 1998, table I, method 3 (Wilson score without continuity correction): 81 of 263, and 15 of 148.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20)[0] == pytest.approx(0, abs=1e-15)
    assert wilson_interval(20, 20)[1] == pytest.approx(1, abs=1e-15)
