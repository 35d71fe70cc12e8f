"""What a network is measured against, on the same images: the most frequent class, and the nearest neighbours.

A figure means little alone. Always naming the most frequent class of training costs nothing; k nearest neighbours in
pixels learn nothing (models/knn.py; Cover and Hart 1967). The difference to each has a 95 % interval by the paired
bootstrap: both are judged on the same resampled images.

The neighbours are a bounded search, for it is done at the end of every run: pixels as the network is given them, before
normalisation, shrunk by area to at most 32 a side; at most 10,000 training images and 2,000 judged ones, drawn by a
fixed seed. Distances are Euclidean and exact, each neighbour has one vote, and a tie goes to the first class. Of 1, 3,
5, 9 and 15 that k is taken which is best on the validation part, the least of equals; 5 where that part is itself
judged, or has fewer than 50 images.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from convoscope.data.dataset import Dataset, Examples
from convoscope.models.neighbours import Search
from convoscope.train.bootstrap import paired_difference
from convoscope.train.metrics import Evaluation

SIDE = 32  # pixels
MOST_REFERENCES, MOST_JUDGED, MOST_CHOOSING, LEAST_CHOOSING = 10_000, 2_000, 1_000, 50  # images
_MOST_BYTES = 512 << 20  # of training images that are read
_AT_ONCE = 256  # images that are shrunk together
_CHOICES, _USUAL = (1, 3, 5, 9, 15), 5
_SEED = 0


@dataclass(frozen=True)
class Baseline:
    """A simple classifier beside the network, on the same images; shares are 0-1.

    Attributes:
        name: "majority" or "knn".
        n: How many images both were judged on.
        accuracy: Its own.
        network_accuracy: The network's on these images.
        difference: The network's less its own.
        difference_95_low: Of the paired bootstrap.
        difference_95_high: Of the paired bootstrap.
        class_name: The class that the majority names.
        k: How many neighbours vote.
        k_from: "validation" where k was chosen there, else "usual".
        n_references: How many training images were searched.
        side: The longer side of the images compared, pixels.
    """

    name: Literal["majority", "knn"]
    n: int
    accuracy: float
    network_accuracy: float
    difference: float
    difference_95_low: float
    difference_95_high: float
    class_name: str | None = None
    k: int | None = None
    k_from: str | None = None
    n_references: int | None = None
    side: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return dataclasses.asdict(self)


def majority(evaluation: Evaluation, train: Examples) -> Baseline | None:
    """Always naming the most frequent class of training, the first of equals; None without training examples."""
    if not len(train):
        return None
    k = int(train.class_counts().argmax())
    hits = evaluation.labels == k
    return _beside("majority", evaluation.right, hits, class_name=train.class_names[k])


def nearest(
    evaluation: Evaluation, part: Examples, train: Examples, validation: Examples | None, *, device: str = "cpu"
) -> Baseline | None:
    """k nearest neighbours among the training images, judged as the network was.

    Args:
        evaluation: The network's answers on `part`.
        part: The images judged.
        train: The images that are searched.
        validation: Those that k is chosen on; None where there are none, or they are `part`.
        device: Where to compute.

    Returns:
        None where the examples are no images, or there are none to search.
    """
    if not (isinstance(part, Dataset) and isinstance(train, Dataset)) or not len(train) or not len(part):
        return None
    n_bytes = max(1, int(np.prod(train.shape)))
    searched = _sample(len(train), min(MOST_REFERENCES, max(1, _MOST_BYTES // n_bytes)))
    references, labels = _pixels(train, searched).to(device), train.labels[searched]
    search = Search(references, "l2")
    k, k_from = min(_USUAL, len(searched)), "usual"
    if isinstance(validation, Dataset) and len(validation) >= LEAST_CHOOSING:
        tried = _sample(len(validation), MOST_CHOOSING)
        k, k_from = _best_k(search, labels, validation, tried, train.n_classes), "validation"
    judged = _sample(len(part), MOST_JUDGED)
    _, found = search.nearest(_pixels(part, judged).to(device), k)
    hits = _voted(labels[found.cpu().numpy()], train.n_classes) == evaluation.labels[judged]
    return _beside(
        "knn", evaluation.right[judged], hits,
        k=k, k_from=k_from, n_references=len(searched), side=max(_size(train.shape)),
    )  # fmt: skip


def _best_k(search: Search, labels: NDArray[np.int64], part: Dataset, index: NDArray[np.int64], n_classes: int) -> int:
    choices = [k for k in _CHOICES if k <= len(labels)]
    _, found = search.nearest(_pixels(part, index).to(search.references.device), choices[-1])
    votes = labels[found.cpu().numpy()]
    right = [int((_voted(votes[:, :k], n_classes) == part.labels[index]).sum()) for k in choices]
    return choices[int(np.argmax(right))]


def _voted(votes: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """The class with most votes of each row, the first of equals: (n, k) to (n,)."""
    n = len(votes)
    cells = np.arange(n)[:, None] * n_classes + votes
    counts = np.bincount(cells.ravel(), minlength=n * n_classes).reshape(n, n_classes)
    return np.asarray(counts.argmax(axis=1), np.int64)


def _sample(n: int, most: int) -> NDArray[np.int64]:
    """Indices of all `n`, or of `most` drawn without replacement, ascending."""
    if n <= most:
        return np.arange(n, dtype=np.int64)
    return np.sort(np.random.default_rng(_SEED).choice(n, most, replace=False)).astype(np.int64)


def _size(shape: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width at which images of a shape (C, H, W) are compared."""
    _, H, W = shape
    if max(H, W) <= SIDE:
        return H, W
    return max(1, round(H * SIDE / max(H, W))), max(1, round(W * SIDE / max(H, W)))


def _pixels(part: Dataset, index: NDArray[np.int64]) -> torch.Tensor:
    """The images at `index`, shrunk, uint8 (n, D)."""
    size = _size(part.shape)
    found = torch.empty(len(index), part.shape[0] * size[0] * size[1], dtype=torch.uint8)
    for first in range(0, len(index), _AT_ONCE):
        images = torch.from_numpy(np.ascontiguousarray(part.images[index[first : first + _AT_ONCE]]))
        if size != tuple(images.shape[2:]):
            images = F.interpolate(images.float(), size=size, mode="area").round()
        found[first : first + len(images)] = images.flatten(1)
    return found


def _beside(
    name: Literal["majority", "knn"], network: NDArray[np.bool_], other: NDArray[np.bool_], **how: Any  # noqa: ANN401
) -> Baseline:  # fmt: skip
    low, high = paired_difference(network, other)
    own, its = float(network.mean()), float(other.mean())
    return Baseline(name, len(network), its, own, own - its, low, high, **how)
