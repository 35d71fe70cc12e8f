"""How far the figures of a judgement may lie from the truth: the bootstrap over the images judged.

Efron, Tibshirani: An introduction to the bootstrap, 1993, chapter 13. As many images as were judged are drawn from them
with replacement, again and again, and the figure is taken each time; its interval are the 2.5 % and 97.5 % points of
what came out (the percentile method). Figures of a confusion matrix need the counts of its cells alone, and these are
multinomial: a resample costs as much as there are cells that are not empty, however many images there are.

The draws are not stratified: the sizes of the classes vary as they would if other images were collected the same way.
A class without an image in a resample is left out of that resample's means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 0
_MOST_NUMBERS = 4_000_000  # counts at once: 32 MB

Floats = NDArray[np.float64]
Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """95 % intervals (0-1) of three figures; (nan, nan) of no image."""

    accuracy: Interval
    balanced_accuracy: Interval
    macro_f1: Interval


def intervals(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], *, resamples: int = RESAMPLES, seed: int = SEED
) -> Intervals:
    """The intervals of accuracy, balanced accuracy and macro F1; the same images and seed give the same ones.

    Args:
        labels: The truth, (N,).
        predicted: What was said, (N,).
        resamples: How many.
        seed: Of the draws.
    """
    nothing = (float("nan"), float("nan"))
    if not len(labels):
        return Intervals(nothing, nothing, nothing)
    wide = int(max(labels.max(), predicted.max())) + 1
    cells, counts = np.unique(labels * wide + predicted, return_counts=True)  # sorted by truth
    truth, said = cells // wide, cells % wide
    generator = np.random.default_rng(seed)
    at_once = max(1, _MOST_NUMBERS // len(cells))
    found = []
    for first in range(0, resamples, at_once):
        n = min(at_once, resamples - first)
        drawn = generator.multinomial(len(labels), counts / len(labels), size=n)
        found.append(_figures(drawn, truth, said, len(labels)))
    accuracy, balanced, f1 = (percentiles(column) for column in np.concatenate(found).T)
    return Intervals(accuracy, balanced, f1)


def paired_difference(
    one: NDArray[np.bool_], other: NDArray[np.bool_], *, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """The 95 % interval of the accuracy of `one` less that of `other`, from their hits on the same images, (N,) each.

    Both are judged on each resample, so that what is hard for both tells nothing apart.
    """
    n = len(one)
    counts = np.array([(one & ~other).sum(), (other & ~one).sum()])
    p = [*(counts / n), 1 - counts.sum() / n]
    drawn = np.random.default_rng(seed).multinomial(n, p, size=resamples)
    return percentiles((drawn[:, 0] - drawn[:, 1]) / n)


def percentiles(figures: Floats) -> Interval:
    """The 2.5 % and 97.5 % points, interpolated between neighbours."""
    low, high = np.quantile(figures, (0.025, 0.975))
    return float(low), float(high)


def _figures(drawn: NDArray[np.int64], truth: NDArray[np.int64], said: NDArray[np.int64], n: int) -> Floats:
    """Accuracy, balanced accuracy and macro F1 of each resample, (B, 3).

    Args:
        drawn: How many images of each cell were drawn, (B, cells).
        truth: The class of each cell's images, ascending.
        said: What they were taken for.
        n: Images of a resample.
    """
    classes, starts = np.unique(truth, return_index=True)
    of_truth = np.add.reduceat(drawn, starts, axis=1)  # (B, K), of the classes that have images
    right, of_said = np.zeros_like(of_truth), np.zeros_like(of_truth)
    order = np.argsort(said, kind="stable")
    named, begins = np.unique(said[order], return_index=True)
    sums = np.add.reduceat(drawn[:, order], begins, axis=1)
    known = np.isin(named, classes)
    of_said[:, np.searchsorted(classes, named[known])] = sums[:, known]
    diagonal = np.flatnonzero(truth == said)
    right[:, np.searchsorted(classes, truth[diagonal])] = drawn[:, diagonal]
    there = of_truth > 0
    recall = right / np.maximum(of_truth, 1)
    f1 = 2 * right / np.maximum(of_truth + of_said, 1)
    n_there = there.sum(axis=1)
    means = [(np.where(there, figure, 0)).sum(axis=1) / n_there for figure in (recall, f1)]
    return np.stack([right.sum(axis=1) / n, *means], axis=1)
