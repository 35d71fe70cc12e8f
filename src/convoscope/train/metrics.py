"""What a classifier is judged by, from its logits and the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CONFIDENCE_95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's answers on one labelled set.

    Attributes:
        split: Which part was judged: "validation", "test", or the name of other data.
        class_names: The classes, in label order.
        labels: The truth, int64 (N,).
        probabilities: softmax of the logits, float32 (N, K).
        losses: The recipe's loss of each image, float32 (N,).
    """

    split: str
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    losses: NDArray[np.float32]

    @property
    def n(self) -> int:
        """How many images were judged."""
        return len(self.labels)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The class of greatest probability, int64 (N,); the first of equals."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def accuracy(self) -> float:
        """Share of images whose predicted class is the truth, 0-1."""
        return float((self.predicted == self.labels).mean())

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

    def per_class(self) -> list[dict[str, Any]]:
        """For each class its name, n, precision, recall and F1 (0-1; NaN where nothing is there to divide by)."""
        confusion = self.confusion
        right, truth, named = np.diag(confusion), confusion.sum(1), confusion.sum(0)
        return [
            {
                "name": self.class_names[k],
                "n": int(truth[k]),
                "precision": _share(right[k], named[k]),
                "recall": _share(right[k], truth[k]),
                "f1": _share(2 * right[k], truth[k] + named[k]),
            }
            for k in range(len(self.class_names))
        ]

    def hardest(self, n: int) -> NDArray[np.int64]:
        """Indices of the `n` images of greatest loss, the worst first; equals in their own order."""
        return np.argsort(-self.losses, kind="stable")[:n].astype(np.int64)

    def summary(self) -> dict[str, Any]:
        """The figures as a JSON object; shares are 0-1."""
        low, high = wilson_interval(int((self.predicted == self.labels).sum()), self.n)
        return {
            "split": self.split,
            "n": self.n,
            "accuracy": self.accuracy,
            "accuracy_95_low": low,
            "accuracy_95_high": high,
            "majority_accuracy": self.majority_accuracy,
            "loss": self.loss,
            "class_names": list(self.class_names),
            "confusion": self.confusion.tolist(),
            "per_class": [
                {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
                for row in self.per_class()
            ],
        }


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """The 95 % interval (0-1) of a share of which `n_right` of `n` were seen (Wilson 1927)."""
    z2 = _CONFIDENCE_95**2
    centre = (n_right + z2 / 2) / (n + z2)
    half = _CONFIDENCE_95 / (n + z2) * math.sqrt(n_right * (n - n_right) / n + z2 / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def _share(part: Any, whole: Any) -> float:  # noqa: ANN401 - NumPy integers
    return float(part / whole) if whole else math.nan
