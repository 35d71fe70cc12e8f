"""Whole groups dealt into parts, so that each class has its share in each part as nearly as the groups allow.

A greedy walk from the largest group to the smallest: each goes to the part whose classes, counted in shares of the
class, then differ least from what they should be (least squares). Large groups so find room, small ones even it out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convoscope.errors import DataError

Indices = NDArray[np.int64]


class _Groups:
    """Groups and how many examples of each class each has.

    Attributes:
        n: How many groups there are.
        n_classes: How many classes.
        of: The group of each example, 0 .. n - 1, int64 (N,).
        sizes: Examples of each group, int64 (n,).
    """

    def __init__(self, labels: Indices, codes: Indices) -> None:
        _, of = np.unique(codes, return_inverse=True)
        self.of = of.astype(np.int64)
        self.n = int(self.of.max()) + 1 if len(codes) else 0
        self.n_classes = int(labels.max()) + 1 if len(labels) else 0
        self.sizes = np.bincount(self.of, minlength=self.n).astype(np.int64)
        pairs, counts = np.unique(self.of * max(self.n_classes, 1) + labels, return_counts=True)
        self._label, self._count = pairs % max(self.n_classes, 1), counts.astype(np.int64)
        self._begin = np.searchsorted(pairs // max(self.n_classes, 1), np.arange(self.n + 1))
        self.totals = np.bincount(labels, minlength=self.n_classes).astype(np.float64)

    def classes(self, group: int) -> tuple[Indices, Indices]:
        """The classes that a group has, and how many examples of each."""
        here = slice(self._begin[group], self._begin[group + 1])
        return self._label[here], self._count[here]

    def dealt(self, shares: list[float], seed: int) -> Indices:
        """The part of each group, 0 .. len(shares) - 1, int64 (n,)."""
        order = np.random.default_rng([seed, len(self.of), self.n]).permutation(self.n)
        order = order[np.argsort(-self.sizes[order], kind="stable")]
        missing = np.outer(shares, self.totals)  # (parts, classes): what each part still lacks
        room = np.array(shares) * len(self.of)
        found = np.empty(self.n, np.int64)
        for group in order.tolist():
            labels, counts = self.classes(group)
            size = int(self.sizes[group])
            # By how much the sum of squares grows: (missing - count)^2 - missing^2, in shares of each class.
            growth = ((counts - 2 * missing[:, labels]) * counts / self.totals[labels] ** 2).sum(1)
            growth += (size - 2 * room) * size / len(self.of) ** 2
            part = int(growth.argmin())
            missing[part, labels] -= counts
            room[part] -= size
            found[group] = part
        return found


def held_out_groups(labels: Indices, codes: Indices, share: float, seed: int) -> Indices:
    """Indices (sorted int64) of a part with `share` of each class as nearly as whole groups allow.

    A class with one group keeps it; one with two or more gives one and keeps one, unless its groups hold other classes
    that would be left with none.

    Args:
        labels: int64 (N,).
        codes: The group of each example, as a number.
        share: Above 0, below 1.
        seed: Decides between groups of one size.

    Raises:
        DataError: no group can be held out without taking a class's last one.
    """
    groups = _Groups(labels, codes)
    held = groups.dealt([1 - share, share], seed) == 1
    _mend(groups, held)
    if not held.any():
        raise DataError(
            f"{share:g} of the examples was to be held out in whole groups, and each ({groups.n:,}) holds all that "
            "there is of some class.",
            hint="Choose what tells smaller groups apart (--group), or hold nothing out.",
        )
    return np.flatnonzero(held[groups.of]).astype(np.int64)


def _mend(groups: _Groups, held: NDArray[np.bool_]) -> None:
    """Moves groups until every class has one to learn from, and one held out where it can spare it."""
    having: list[list[int]] = [[] for _ in range(groups.n_classes)]
    for group in np.argsort(groups.sizes, kind="stable").tolist():
        for label in groups.classes(group)[0].tolist():
            having[label].append(group)
    n_kept = np.array([sum(not held[group] for group in these) for these in having])

    def move(group: int, *, out: bool) -> None:
        held[group] = out
        n_kept[groups.classes(group)[0]] += -1 if out else 1

    for label, these in enumerate(having):
        if these and not n_kept[label]:
            move(these[0], out=False)
    for label, these in enumerate(having):
        if n_kept[label] < len(these):
            continue
        spare = [group for group in these if (n_kept[groups.classes(group)[0]] > 1).all()]
        if spare and n_kept[label] == len(these):
            move(spare[0], out=True)


def fold_of_groups(labels: Indices, codes: Indices, k: int, seed: int) -> Indices:
    """The fold of each example, 0 .. k - 1, int64 (N,): no group in two, each class as even as whole groups allow.

    Raises:
        DataError: there are fewer groups than folds.
    """
    groups = _Groups(labels, codes)
    if groups.n < k:
        raise DataError(
            f"{k} folds were asked in whole groups, and there are {groups.n} groups.",
            hint="Ask for fewer folds, or choose what tells smaller groups apart (--group).",
        )
    return groups.dealt([1 / k] * k, seed)[groups.of]
