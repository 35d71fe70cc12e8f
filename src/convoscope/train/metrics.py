"""What a classifier is judged by, from its logits and the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoscope.train.bootstrap import RESAMPLES, SEED, Intervals, intervals

TOP = 5
N_BINS = 15  # as Guo et al. 2017
_N_PAIRS = 12
_CONFIDENCE_95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True, eq=False)
class Reliability:
    """How sure a network was beside how often it was right, in bins of equal width.

    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, ICML 2017, section 2. Bin b holds the images
    whose probability of the predicted class lies above b / 15 and not above (b + 1) / 15.

    Attributes:
        n: Images of each bin, int64 (15,).
        confidence: Their mean probability of the predicted class, (15,); NaN where there is none.
        accuracy: The share of them that is right, (15,); NaN where there is none.
    """

    n: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error, 0-1: mean over images of |accuracy - confidence| of their bin."""
        there = self.n > 0
        gaps = np.abs(self.accuracy[there] - self.confidence[there])
        return float((self.n[there] * gaps).sum() / self.n.sum()) if there.any() else math.nan

    def rows(self) -> list[dict[str, Any]]:
        """Each bin that is not empty as a JSON object."""
        return [
            {
                "low": b / len(self.n),
                "high": (b + 1) / len(self.n),
                "n": int(self.n[b]),
                "confidence": float(self.confidence[b]),
                "accuracy": float(self.accuracy[b]),
            }
            for b in np.flatnonzero(self.n)
        ]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's answers on one labelled set.

    Attributes:
        split: Which part was judged: "validation", "test", or the name of other data.
        class_names: The classes, in label order.
        labels: The truth, int64 (N,).
        probabilities: softmax of the logits, float32 (N, K).
        losses: The recipe's loss of each image, float32 (N,).
        logits: What softmax was taken of, float32 (N, K); without them their place is taken by log probabilities.
    """

    split: str
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    losses: NDArray[np.float32]
    logits: NDArray[np.float32] | None = None

    @property
    def n(self) -> int:
        """How many images were judged."""
        return len(self.labels)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The class of greatest probability, int64 (N,); the first of equals."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which images are right, (N,)."""
        hits: NDArray[np.bool_] = self.predicted == self.labels
        return hits

    @property
    def accuracy(self) -> float:
        """Share of images whose predicted class is the truth, 0-1."""
        return float(self.right.mean())

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy, 0-1."""
        return wilson_interval(int(self.right.sum()), self.n)

    @property
    def loss(self) -> float:
        """Mean loss over images."""
        return float(self.losses.mean(dtype=np.float64))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts (K, K): rows the truth, columns what was predicted."""
        K = len(self.class_names)
        return np.bincount(self.labels * K + self.predicted, minlength=K * K).reshape(K, K).astype(np.int64)

    @property
    def majority_accuracy(self) -> float:
        """The accuracy (0-1) of always naming the most frequent class of this set."""
        return float(np.bincount(self.labels).max() / self.n)

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall (0-1) of the classes that have images here.

        Brodersen, Ong, Stephan, Buhmann: The balanced accuracy and its posterior distribution, ICPR 2010.
        """
        return float(np.mean([row["recall"] for row in self.per_class() if row["n"]]))

    @property
    def macro_f1(self) -> float:
        """The mean F1 (0-1) of the classes that have images here; a class never named counts 0."""
        return float(np.mean([row["f1"] for row in self.per_class() if row["n"]]))

    @property
    def top_accuracy(self) -> float | None:
        """Share of images whose class is among the five of greatest probability; None for five classes or fewer."""
        if len(self.class_names) <= TOP:
            return None
        own = np.take_along_axis(self.probabilities, self.labels[:, None], axis=1)
        ahead = (self.probabilities > own).sum(axis=1)
        # Equals stand in the order of their classes, as for the first place.
        level = (self.probabilities == own) & (np.arange(len(self.class_names)) < self.labels[:, None])
        return float((ahead + level.sum(axis=1) < TOP).mean())

    @cached_property
    def intervals(self) -> Intervals:
        """95 % bootstrap intervals, see `train.bootstrap`."""
        return intervals(self.labels, self.predicted)

    def confidence(self, temperature: float = 1.0) -> NDArray[np.float64]:
        """The greatest of softmax(logits / temperature) of each image, float64 (N,)."""
        if self.logits is None:
            z = np.log(np.maximum(self.probabilities.astype(np.float64), np.finfo(np.float32).tiny))
        else:
            z = self.logits.astype(np.float64)
        z -= z.max(axis=1, keepdims=True)
        sure: NDArray[np.float64] = 1 / np.exp(z / temperature).sum(axis=1)
        return sure

    def reliability(self, temperature: float = 1.0) -> Reliability:
        """How sure the network is, its logits divided by `temperature`, beside how often it is right."""
        sure, right = self.confidence(temperature), self.right.astype(np.float64)
        known = np.isfinite(sure)
        sure, right = sure[known], right[known]
        place = np.clip(np.ceil(sure * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
        n = np.bincount(place, minlength=N_BINS).astype(np.int64)
        with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that is meant
            means = [np.bincount(place, weights=values, minlength=N_BINS) / n for values in (sure, right)]
        return Reliability(n, *means)

    def per_class(self) -> list[dict[str, Any]]:
        """For each class its name, n, precision, recall, F1, and the recall's 95 % Wilson interval.

        Shares are 0-1; NaN where nothing is there to divide by.
        """
        K = len(self.class_names)
        right = np.bincount(self.labels[self.right], minlength=K)
        truth, named = np.bincount(self.labels, minlength=K), np.bincount(self.predicted, minlength=K)
        bounds = [wilson_interval(int(right[k]), int(truth[k])) if truth[k] else (math.nan, math.nan) for k in range(K)]
        return [
            {
                "name": self.class_names[k],
                "n": int(truth[k]),
                "precision": _share(right[k], named[k]),
                "recall": _share(right[k], truth[k]),
                "f1": _share(2 * right[k], truth[k] + named[k]),
                "recall_95_low": bounds[k][0],
                "recall_95_high": bounds[k][1],
            }
            for k in range(K)
        ]

    def absent(self) -> tuple[str, ...]:
        """The classes without an image here, which the means over classes leave out."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return tuple(name for name, n in zip(self.class_names, counts, strict=True) if not n)

    def pairs(self, n: int = _N_PAIRS) -> list[dict[str, Any]]:
        """The pairs of classes taken most often for one another, most errors first, equals in the order of classes.

        Of each the two `classes`; `n`, how many images of the first were taken for the second, and back; and `shares`,
        these as shares of their class's images, None of a class without any.
        """
        K, wrong = len(self.class_names), ~self.right
        truth, said = self.labels[wrong], self.predicted[wrong]
        ways = np.minimum(truth, said) * K + np.maximum(truth, said)
        found, counts = np.unique(ways, return_counts=True)
        sizes = np.bincount(self.labels, minlength=K)
        rows = []
        for at in np.argsort(-counts, kind="stable")[:n]:
            one, other = divmod(int(found[at]), K)
            there = int(((truth == one) & (said == other)).sum())
            both, of = (there, int(counts[at]) - there), (int(sizes[one]), int(sizes[other]))
            rows.append(
                {
                    "classes": [self.class_names[one], self.class_names[other]],
                    "n": list(both),
                    "shares": [count / size if size else None for count, size in zip(both, of, strict=True)],
                }
            )
        return rows

    def hardest(self, n: int) -> NDArray[np.int64]:
        """Indices of the `n` images of greatest loss, the worst first; equals in their own order."""
        return np.argsort(-self.losses, kind="stable")[:n].astype(np.int64)

    def summary(self) -> dict[str, Any]:
        """The figures as a JSON object; shares are 0-1.

        `accuracy_95_*` is the Wilson interval; the other intervals, and those under `bootstrap`, are bootstrapped.
        """
        low, high = self.accuracy_interval
        reliability, spread = self.reliability(), self.intervals
        return {
            "split": self.split,
            "n": self.n,
            "accuracy": self.accuracy,
            "accuracy_95_low": low,
            "accuracy_95_high": high,
            "majority_accuracy": self.majority_accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "balanced_accuracy_95_low": spread.balanced_accuracy[0],
            "balanced_accuracy_95_high": spread.balanced_accuracy[1],
            "macro_f1": self.macro_f1,
            "macro_f1_95_low": spread.macro_f1[0],
            "macro_f1_95_high": spread.macro_f1[1],
            "top_5_accuracy": self.top_accuracy,
            "calibration_error": _plain(reliability.error),
            "reliability": reliability.rows(),
            "bootstrap": {
                "resamples": RESAMPLES, "seed": SEED, "stratified": False,
                "accuracy_95_low": spread.accuracy[0], "accuracy_95_high": spread.accuracy[1],
            },
            "loss": self.loss,
            "class_names": list(self.class_names),
            "classes_absent": list(self.absent()),
            "confusion": self.confusion.tolist(),
            "confusion_pairs": self.pairs(),
            "per_class": [{key: _plain(value) for key, value in row.items()} for row in self.per_class()],
        }  # fmt: skip


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """The 95 % interval (0-1) of a share of which `n_right` of `n` were seen (Wilson 1927)."""
    z2 = _CONFIDENCE_95**2
    centre = (n_right + z2 / 2) / (n + z2)
    half = _CONFIDENCE_95 / (n + z2) * math.sqrt(n_right * (n - n_right) / n + z2 / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def _share(part: Any, whole: Any) -> float:  # noqa: ANN401 - NumPy integers
    return float(part / whole) if whole else math.nan


def _plain(value: Any) -> Any:  # noqa: ANN401 - a field of a row
    return None if isinstance(value, float) and math.isnan(value) else value
