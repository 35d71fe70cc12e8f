"""Classes of unequal size: what each image counts in the loss, or an order in which classes are seen equally often."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convoscope.data.draws import Draw, Draws


class Balance:
    """What is done about classes of unequal size; a class without an image takes no part in it.

    Every method gives the same on every process: nothing here hangs on which part of a batch one has.

    Args:
        way: "none", "weights" or "sampling" (He and Garcia 2009, sections 3.1 and 3.2).
        labels: int64 (N,) of the training set.
        n_classes: K, the number of classes.
    """

    def __init__(self, way: str, labels: NDArray[np.int64], n_classes: int) -> None:
        self.way = way
        self._n = len(labels)
        self._labels = labels
        counts = np.bincount(labels, minlength=n_classes)
        self._by_class = np.argsort(labels, kind="stable")
        self._present = np.flatnonzero(counts)
        self._counts = counts[self._present]
        self._first = np.cumsum(self._counts) - self._counts
        worth = np.zeros(n_classes, np.float32)
        worth[self._present] = self._n / (len(self._present) * self._counts)
        self.worth = torch.from_numpy(worth) if way == "weights" else None
        """What an image of each class counts in the loss, float32 (K,): n / (present classes x its images), which is 1
        in the mean over the training set. None where all count alike."""

    @property
    def chance(self) -> float:
        """The training accuracy (0-1) of always naming one class; with balance all classes count alike in it."""
        if not self._n:
            return 0.0
        return float(self._counts.max() / self._n) if self.way == "none" else 1 / len(self._present)

    @property
    def n_effective(self) -> float:
        """How many images that count alike would tell the accuracy as surely: (sum of weights)^2 / sum of squares."""
        if self.worth is None:
            return float(self._n)
        weights = self.worth.double().numpy()[self._present]
        return float(self._n**2 / (self._counts * weights**2).sum())

    def accuracy(self, predicted: NDArray[np.int64]) -> float:
        """The share (0-1) of the examples whose class was named in `predicted` (N,), each counting as in the loss."""
        right = predicted == self._labels
        return float((right if self.worth is None else right * self.worth.numpy()[self._labels]).mean())

    def order(self, generator: torch.Generator) -> Tensor:
        """The numbers of the examples that one epoch sees, in order: int64 (N,) on the CPU.

        Without sampling each example once. With it as many of each class, give or take one, and of a class's examples
        each as often as the others, give or take once; the i-th time (from 0) example e comes it is numbered e + i N,
        so that it is changed differently each time.
        """
        if self.way != "sampling" or not self._n:
            return torch.randperm(self._n, generator=generator)
        K = len(self._present)
        more = torch.randperm(K, generator=generator)[: self._n % K]  # the classes that get one more
        drawn = []
        for k in range(K):
            n, n_wanted = int(self._counts[k]), self._n // K + int((more == k).any())
            members = torch.from_numpy(self._by_class[self._first[k] : self._first[k] + n])
            for time in range(-(-n_wanted // n)):
                left = n_wanted - time * n
                drawn.append(members[torch.randperm(n, generator=generator)[:left]] + time * self._n)
        together = torch.cat(drawn)
        return together[torch.randperm(len(together), generator=generator)]

    def partners(self, index: NDArray[np.int64], draws: Draws) -> NDArray[np.int64]:
        """For each example (N,) another one, drawn from the whole training set as its epochs are: int64 (N,)."""
        if self.way == "sampling":
            k = draws.below(Draw.PARTNER_CLASS, len(self._present))
            return np.asarray(self._by_class[self._first[k] + draws.below(Draw.PARTNER, self._counts[k])])
        return (index + 1 + draws.below(Draw.PARTNER, max(1, self._n - 1))) % self._n
